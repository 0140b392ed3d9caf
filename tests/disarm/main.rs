//! Takes each defence out once, to see that the tests notice that are said to (`docs/threats.md`).
//!
//! ```text
//! cargo run -p retold-tests --bin disarm
//! cargo run -p retold-tests --bin disarm -- W5 H2-1
//! ```
//!
//! The table is `tests/src/defences`. All that it names is written into one copy of the sources, each behind a switch, and
//! built once (`target/disarmed`); a test runs in a process in which one switch is on. First all of them run with
//! none: they must pass. Ends with 0 if each defence was missed by each of its tests, with 1 if not, with 2 where it could
//! not run. Not a part of `cargo test`.

mod build;
mod run;
mod sources;

use std::collections::BTreeSet;
use std::process::ExitCode;

use retold_tests::defences::{Defence, all};

use run::{Ended, Programs};

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let chosen = |name: &str, defence: &Defence| {
        wanted.is_empty() || wanted.iter().any(|wanted| wanted == name || defence.cases.contains(&wanted.as_str()))
    };
    let chosen: Vec<_> = all().into_iter().filter(|(name, defence)| chosen(name, defence)).collect();
    if chosen.is_empty() {
        eprintln!("disarm [CASE | NAME ...]: there is no such case, and no such defence");
        return ExitCode::from(2);
    }
    match sources::copy().and_then(|()| build::build()).and_then(|programs| disarm(&programs, &chosen)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the run ended early: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all went as it should.
fn disarm(programs: &Programs, chosen: &[(String, &'static Defence)]) -> Result<bool, String> {
    let tests: BTreeSet<&str> = chosen.iter().flat_map(|(_, defence)| defence.tests.iter().copied()).collect();
    let mut wrong = 0;
    for test in &tests {
        let (ended, said) = programs.run(test, None)?;
        if ended != Ended::Passed {
            println!("{test} fails with all defences in place: {said}");
            wrong += 1;
        }
    }
    println!("{} tests ran with all defences in place, {wrong} of them failed", tests.len());
    let (mut unnoticed, mut stuck) = (0, 0);
    for (name, defence) in chosen {
        for test in defence.tests {
            let (ended, said) = programs.run(test, Some(name))?;
            let word = match ended {
                Ended::Failed => "failed",
                Ended::Stuck => "did not end",
                Ended::Passed => "NOT NOTICED",
            };
            println!("{name:6} {word:11} {test}: {said}");
            unnoticed += usize::from(ended == Ended::Passed);
            stuck += usize::from(ended == Ended::Stuck);
        }
    }
    let runs: usize = chosen.iter().map(|(_, defence)| defence.tests.len()).sum();
    let cases: BTreeSet<&str> = chosen.iter().flat_map(|(_, defence)| defence.cases.iter().copied()).collect();
    println!(
        "commit {}: defences {}, cases {}, tests {}, taken out {runs} times, of these not ended {stuck}, not noticed {unnoticed}",
        sources::commit()?,
        chosen.len(),
        cases.len(),
        tests.len()
    );
    Ok(wrong + unnoticed == 0)
}
