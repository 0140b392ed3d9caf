//! Seeds of the store alone, and of consumers: small ones, by the thousand. `RETOLD_SIM_SEEDS` runs more of each,
//! `RETOLD_SIM_STORAGE` and `RETOLD_SIM_CONSUMERS` the one that is asked for.

use std::panic::{catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::seeds::number;
use crate::shop::Shop;
use crate::storage::{Counts, Storage};

const STORAGE_SEEDS: u64 = 4_000;
const CONSUMER_SEEDS: u64 = 1_000;

/// Runs so many seeds, or the one that `name` asks for, and takes what came of each.
fn run_all<T: Send>(name: &str, seeds: u64, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let (first, end) = match number(name) {
        Some(seed) => (seed, seed + 1),
        None => (1, 1 + number("RETOLD_SIM_SEEDS").unwrap_or(seeds)),
    };
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let told = |seed: u64| {
        catch_unwind(std::panic::AssertUnwindSafe(|| run(seed))).unwrap_or_else(|panic| {
            eprintln!("seed {seed} fails: {name}={seed} cargo test -p retold-tests --test sim small_seeds");
            resume_unwind(panic)
        })
    };
    std::thread::scope(|scope| {
        let work = || {
            let mut all = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    break all;
                }
                all.push(told(seed));
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

#[test]
fn no_acknowledged_event_is_lost_parted_or_doubled_by_thousands_of_power_cuts() {
    let mut sums = Counts::default();
    let all = run_all("RETOLD_SIM_STORAGE", STORAGE_SEEDS, |seed| {
        let mut storage = Storage::new(seed);
        let left = storage.run();
        if seed.is_multiple_of(50) {
            assert_eq!(Storage::new(seed).run(), left, "seed {seed} doesn't tell the same story twice");
        }
        storage.counts
    });
    all.iter().for_each(|counts| sums.add(counts));
    eprintln!("{} seeds of the store: {sums:?}", all.len());
    assert!(all.len() == 1 || (sums.found > 0 && sums.repeats > 0 && sums.seals > 0 && sums.errors > 0), "{sums:?}");
}

#[test]
fn what_is_acknowledged_or_leased_is_given_to_nobody_else_whenever_power_is_lost_and_whatever_the_time_of_day() {
    let all = run_all("RETOLD_SIM_CONSUMERS", CONSUMER_SEEDS, |seed| {
        let mut shop = Shop::new(seed);
        shop.run();
        if seed.is_multiple_of(50) {
            let mut again = Shop::new(seed);
            again.run();
            assert_eq!(again.trace, shop.trace, "seed {seed} doesn't tell the same story twice");
        }
        shop.counts
    });
    let sum = |of: fn(&crate::shop::Counts) -> u64| all.iter().map(of).sum::<u64>();
    let seen = [
        ("cuts", sum(|counts| counts.cuts)),
        ("given", sum(|counts| counts.given)),
        ("given again", sum(|counts| counts.again)),
        ("acknowledged", sum(|counts| counts.acknowledged)),
        ("given back", sum(|counts| counts.returned)),
        ("parked", sum(|counts| counts.parked)),
    ];
    eprintln!("{} seeds of consumers: {seen:?}", all.len());
    assert!(all.len() == 1 || seen.iter().all(|(_, count)| *count > 0), "{seen:?}");
}
