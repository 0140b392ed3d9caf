//! `onboarding-checks`: the service by itself.

use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;

use onboarding_checks::{Badness, Journal, serve};

const USAGE: &str = "onboarding-checks [--listen 127.0.0.1:17171] [--journal FILE] [--slow-ms N] [--fail PERCENT] [--lose PERCENT] [--twice PERCENT] [--seed N]";

fn main() -> ExitCode {
    let Some((listen, journal, badness)) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match run(&listen, journal.as_deref(), badness) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("onboarding-checks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(listen: &str, journal: Option<&str>, badness: Badness) -> std::io::Result<()> {
    let journal = journal.map_or_else(|| Ok(Journal::nowhere()), |file| Journal::open(Path::new(file)))?;
    let listener = TcpListener::bind(listen)?;
    println!("onboarding-checks is listening on http://{}", listener.local_addr()?);
    serve(&listener, badness, journal)
}

fn arguments() -> Option<(String, Option<String>, Badness)> {
    let (mut listen, mut journal, mut badness) = ("127.0.0.1:17171".to_owned(), None, Badness::default());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?;
        let number = || value.parse().ok();
        match word.as_str() {
            "--listen" => listen = value,
            "--journal" => journal = Some(value),
            "--slow-ms" => badness.slow_ms = number()?,
            "--fail" => badness.fail = number()?,
            "--lose" => badness.lose = number()?,
            "--twice" => badness.twice = number()?,
            "--seed" => badness.seed = number()?,
            _ => return None,
        }
    }
    Some((listen, journal, badness))
}
