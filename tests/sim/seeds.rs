//! Random seeds. `RETOLD_SIM_SEEDS=100000 cargo test -p retold-tests --test sim` runs more of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::world::World;

const SEEDS: u64 = 10_000;

pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}: give a number")))
}

/// Runs a seed. What goes wrong is told with all that is needed to see it again.
fn run(seed: u64) -> World {
    let mut world = World::new(seed);
    let options = format!("{:?}", world.options);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        eprintln!(
            "seed {seed} fails, after {:?}\ndrawn: {options}\nagain: RETOLD_SIM_SEED={seed} cargo test -p retold-tests --test sim replay",
            world.counts
        );
        std::panic::resume_unwind(panic);
    }
    world
}

#[test]
fn no_seed_breaks_a_promise() {
    let first = number("RETOLD_SIM_FIRST").unwrap_or(1);
    let end = first + number("RETOLD_SIM_SEEDS").unwrap_or(SEEDS);
    let (next, failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let totals = std::sync::Mutex::new(crate::world::Counts::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let Ok(world) = catch_unwind(|| run(seed)) else {
                        failed.store(true, Ordering::Relaxed);
                        break;
                    };
                    if let Ok(mut totals) = totals.lock() {
                        totals.add(&world.counts);
                    }
                    if seed.is_multiple_of(50) {
                        assert_eq!(run(seed).trace, world.trace, "seed {seed} doesn't tell the same story twice");
                    }
                }
            });
        }
    });
    eprintln!("{} seeds: {:?}", next.load(Ordering::Relaxed).min(end) - first, totals.lock());
    assert!(!failed.load(Ordering::Relaxed), "a seed failed: see above");
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 1..=15 {
        assert_eq!(run(seed).trace, run(seed).trace, "seed {seed}");
    }
}

/// Runs the one seed that is asked for, and tells what it has drawn and all that is answered.
#[test]
fn replay() {
    if let Some(seed) = number("RETOLD_SIM_SEED") {
        let mut world = World::new(seed);
        eprintln!("{:?}", world.options);
        world.told = true;
        world.run();
        eprintln!("{:?}\ntrace {}", world.counts, world.trace);
    }
}
