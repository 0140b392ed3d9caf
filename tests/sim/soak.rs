//! Seeds for as long as there is time, each one new:
//! `cargo run --release -p retold-tests --example sim-soak -- --minutes 30 --threads 2`.
//!
//! `--only storage` (or `engine`, `outside`, `consumers`, `retelling`) runs seeds of one kind, `--first N` begins at
//! another number, and `--seed N` with `--only` runs one seed. Ends with 1 if a seed failed.
#![expect(dead_code, unused_imports, reason = "the test program `sim` uses the rest of these modules")]
#![expect(clippy::disallowed_methods, reason = "it runs for as long as it is told to")]

mod actions;
mod bounds;
mod chance;
mod deciding;
mod desk;
mod disk;
mod drain;
mod every_operation;
mod fold_checks;
mod forked;
mod functions;
mod generation_acts;
mod generation_commands;
mod generation_oracle;
mod generations;
mod guests;
mod image;
mod judge;
mod load;
mod model;
mod options;
mod oracle;
mod outside_guests;
mod outside_oracle;
mod outside_world;
mod retellings;
mod script;
mod shop;
mod stock;
mod storage;
mod stories;
mod switching;
mod upcasting;
mod upgrade_steps;
mod upgrades;
mod views;
mod waiting;
mod world;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stories::{Story, Sums};

/// Seeds of the store for each one of everything else: most power cuts are there, and cost little.
const STORAGE_SEEDS_EACH: u64 = 50;

struct Wanted {
    minutes: f64,
    threads: usize,
    first: u64,
    only: Option<Story>,
    seed: Option<u64>,
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted { minutes: 1.0, threads: 1, first: 1, only: None, seed: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} wants a number, not {value:?}"));
        match word.as_str() {
            "--minutes" => wanted.minutes = value.parse().map_err(|_| format!("--minutes wants a number, not {value:?}"))?,
            "--threads" => wanted.threads = number()?.max(1) as usize,
            "--first" => wanted.first = number()?,
            "--seed" => wanted.seed = Some(number()?),
            "--only" => {
                let story = Story::ALL.into_iter().find(|story| story.name() == value);
                wanted.only = Some(story.ok_or_else(|| format!("--only wants a kind of seeds, not {value:?}"))?);
            }
            _ => return Err(format!("what is {word}?")),
        }
    }
    Ok(wanted)
}

/// The seeds of one number.
fn seeds(number: u64, only: Option<Story>) -> Vec<(Story, u64)> {
    match only {
        Some(story) => vec![(story, number)],
        None => {
            let storage = (0..STORAGE_SEEDS_EACH).map(|nth| (Story::Storage, number * STORAGE_SEEDS_EACH + nth));
            Story::ALL[1..].iter().map(|story| (*story, number)).chain(storage).collect()
        }
    }
}

fn main() -> ExitCode {
    let wanted = match wanted() {
        Ok(wanted) => wanted,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    if let Some(seed) = wanted.seed {
        println!("{:?}", wanted.only.unwrap_or(Story::Engine).run(seed));
        return ExitCode::SUCCESS;
    }
    let began = Instant::now();
    let ends = began + Duration::from_secs_f64(wanted.minutes * 60.0);
    let (next, failed) = (AtomicU64::new(wanted.first), Mutex::new(Vec::new()));
    let sums = Mutex::new([Sums::default(); Story::ALL.len()]);
    std::thread::scope(|scope| {
        for _ in 0..wanted.threads {
            scope.spawn(|| {
                while Instant::now() < ends {
                    for (story, seed) in seeds(next.fetch_add(1, Ordering::Relaxed), wanted.only) {
                        match catch_unwind(|| story.run(seed)) {
                            Ok(ran) => sums.lock().expect("nobody panics with it")[story as usize].add(ran),
                            Err(_) => failed.lock().expect("nobody panics with it").push((story, seed)),
                        }
                    }
                }
            });
        }
    });
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let mut all = Sums::default();
    for (story, sums) in Story::ALL.into_iter().zip(*sums.lock().expect("all threads have ended")) {
        let Sums { seeds, cuts, commits, events } = sums;
        println!("{:10} {seeds:9} seeds {cuts:9} power cuts {commits:10} commits {events:11} events", story.name());
        all.add(sums);
    }
    let Sums { seeds, cuts, commits, events } = all;
    println!("all        {seeds:9} seeds {cuts:9} power cuts {commits:10} commits {events:11} events");
    println!("{minutes:.1} minutes on {} threads: {:.0} power cuts a minute", wanted.threads, cuts as f64 / minutes);
    let failed = failed.into_inner().expect("all threads have ended");
    for (story, seed) in &failed {
        println!("FAILED: --only {} --seed {seed}", story.name());
    }
    println!("{} failures", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
