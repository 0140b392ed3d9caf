//! Long runs of real processes under faults, which `RELIABILITY.md` tells of. Not a part of `cargo test`.
//!
//! ```text
//! cargo build --release && cargo run --release -p retold-tests --bin soak -- kills 1000
//! ```
//!
//! `kills N`, `power N` (root: it mounts), `errors N` (strace), `flips N`, `hostile MINUTES`, `slow CONNECTIONS`; a seed may
//! follow. Ends with 0 if nothing was
//! wrong, with 1 if something was, with 2 where it could not run.

mod clients;
mod errors;
mod flips;
mod history;
mod host;
mod hostile;
mod kills;
mod machine;
mod measure;
mod power;
mod report;
mod slow;
mod time;

use std::process::ExitCode;

use retold_tests::root;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
    let (Some(verb), Some(times)) = (words.first(), number(1)) else {
        eprintln!("soak kills|power|errors|flips|hostile|slow N [SEED]");
        return ExitCode::from(2);
    };
    let seed = number(2).unwrap_or_else(time::new_seed);
    let ran = module().and_then(|module| match verb.as_str() {
        "kills" => kills::run(times, seed, &module),
        "power" => power::run(times, seed, &module),
        "errors" => errors::run(times, seed, &module),
        "flips" => flips::run(times, seed, &module),
        "hostile" => hostile::run(times, seed, &module),
        "slow" => slow::run(times, seed),
        _ => Err(format!("there is no run {verb}: kills, power, errors, flips, hostile, slow")),
    });
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the run ended early: {error}");
            ExitCode::from(2)
        }
    }
}

/// The guest whose handler answers each event with one of its own, numbered by subject.
fn module() -> Result<Vec<u8>, String> {
    let folder = root().join("guest-examples/faulty");
    let built = machine::run(&host::retold().display().to_string(), &["build", &folder.display().to_string()])?;
    let file = built.lines().last().unwrap_or_default().trim().to_owned();
    std::fs::read(&file).map_err(|error| format!("{file}: {error}"))
}
