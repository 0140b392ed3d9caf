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

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use retold_tests::defences::{Defence, all};

use run::{Ended, Outcome, Programs};

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
    let commit = sources::commit();
    match sources::copy().and_then(|()| build::build()).and_then(|programs| disarm(&programs, &chosen, &commit?)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the run ended early: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all went as it should.
fn disarm(programs: &Programs, chosen: &[(String, &'static Defence)], commit: &str) -> Result<bool, String> {
    let tests: BTreeSet<&str> = chosen.iter().flat_map(|(_, defence)| defence.tests.iter().copied()).collect();
    let tests: Vec<&str> = tests.into_iter().collect();
    let (mut wrong, mut took) = (0, BTreeMap::new());
    side_by_side(
        &tests,
        |test, place| programs.run(test, None, None, place),
        |test, outcome| {
            if outcome.ended != Ended::Passed {
                println!("{test} fails with all defences in place: {}", outcome.said);
                wrong += 1;
            }
            took.insert(*test, outcome.took);
        },
    )?;
    println!("{} tests ran with all defences in place, {wrong} of them failed", tests.len());
    let runs: Vec<(&str, &str)> =
        chosen.iter().flat_map(|(name, defence)| defence.tests.iter().map(|test| (name.as_str(), *test))).collect();
    let (mut unnoticed, mut stuck) = (0, 0);
    side_by_side(
        &runs,
        |(name, test), place| programs.run(test, Some(name), took.get(test).copied(), place),
        |(name, test), outcome| {
            let word = match outcome.ended {
                Ended::Failed => "failed",
                Ended::Stuck => "did not end",
                Ended::Passed => "NOT NOTICED",
            };
            println!("{name:6} {word:11} {test}: {}", outcome.said);
            unnoticed += usize::from(outcome.ended == Ended::Passed);
            stuck += usize::from(outcome.ended == Ended::Stuck);
        },
    )?;
    let cases: BTreeSet<&str> = chosen.iter().flat_map(|(_, defence)| defence.cases.iter().copied()).collect();
    println!(
        "commit {commit}: defences {}, cases {}, tests {}, taken out {} times, of these not ended {stuck}, not noticed {unnoticed}",
        chosen.len(),
        cases.len(),
        tests.len(),
        runs.len()
    );
    Ok(wrong + unnoticed == 0)
}

/// Runs all, as many at once as there are cores, and tells of each as it ends.
fn side_by_side<T: Sync>(
    all: &[T],
    run: impl Fn(&T, usize) -> Result<Outcome, String> + Sync,
    mut tell: impl FnMut(&T, Outcome),
) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let (done, outcomes) = mpsc::channel();
    std::thread::scope(|scope| {
        for place in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            let (next, run, done) = (&next, &run, done.clone());
            scope.spawn(move || {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if done.send((one, run(one, place))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        for (one, outcome) in outcomes {
            tell(one, outcome?);
        }
        Ok(())
    })
}
