//! Timers fire once and never early, requests leave at least once and count once: by chance, and with power lost
//! at every operation. `RETOLD_SIM_SEEDS` runs more seeds, `RETOLD_SIM_OUTSIDE` the one that is asked for.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::every_operation::at_every_operation_of;
use crate::outside_guests::{SECOND, deploy};

use crate::outside_world::{Counts, OutsideHost, OutsideWorld, PowerLost};
use crate::seeds::number;

const SEEDS: u64 = 400;

fn run(seed: u64) -> OutsideWorld {
    let mut world = OutsideWorld::new(seed);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        eprintln!("seed {seed} fails: RETOLD_SIM_OUTSIDE={seed} cargo test -p retold-tests --test sim no_timer");
        resume_unwind(panic);
    }
    world
}

#[test]
fn no_timer_is_lost_early_or_twice_and_no_reply_counts_twice() {
    if let Some(seed) = number("RETOLD_SIM_OUTSIDE") {
        eprintln!("{:?}", run(seed).counts);
        return;
    }
    let seeds = number("RETOLD_SIM_SEEDS").unwrap_or(SEEDS);
    let (next, all) = (AtomicU64::new(1), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > seeds {
                        break;
                    }
                    let world = run(seed);
                    if seed.is_multiple_of(50) {
                        assert_eq!(run(seed).trace, world.trace, "seed {seed} doesn't tell the same story twice");
                    }
                    let counts = world.counts;
                    all.lock().expect("no seed failed").push(counts);
                }
            });
        }
    });
    let all = all.into_inner().expect("no seed failed");
    let sum = |of: fn(&Counts) -> u64| all.iter().map(of).sum::<u64>();
    let seen: [(&str, u64); 11] = [
        ("cuts", sum(|counts| counts.cuts)),
        ("fired", sum(|counts| counts.fired)),
        ("stale", sum(|counts| counts.stale)),
        ("early", sum(|counts| counts.early)),
        ("replaced", sum(|counts| counts.replaced)),
        ("cancelled", sum(|counts| counts.cancelled)),
        ("answered", sum(|counts| counts.answered)),
        ("answered again", sum(|counts| counts.answered_again)),
        ("sent again", sum(|counts| counts.sent_again)),
        ("ticks", sum(|counts| counts.ticks)),
        ("seals", sum(|counts| counts.seals)),
    ];
    eprintln!("{seen:?}");
    for (what, count) in seen {
        // Time of the log never goes back, so hardly anything is found due and then early.
        assert!(count > 0 || what == "early", "no seed saw any of: {what}");
    }
}

/// Timers that are set, replaced, cancelled and fire, in time and late; requests that are answered, once and twice.
fn tell(world: &mut OutsideWorld, host: &mut OutsideHost) -> Result<(), PowerLost> {
    world.propose(host, deploy());
    world.append(host, "order.placed", "s/1", &[2, 1, 9, 4]);
    world.append(host, "order.placed", "s/2", &[4, 3, 2, 1]);
    world.append(host, "call.wanted", "s/1", &[0]);
    world.commit(host)?;
    world.set_schedule(host)?;
    for round in 0..7_u8 {
        for at in 0..2 {
            world.step(host, at)?;
        }
        world.commit(host)?;
        world.now.0 += if round == 3 { 1_500 * SECOND } else { 4 * SECOND };
        world.fire(host, 3)?;
        world.fire(host, 2)?;
        world.commit(host)?;
        world.send(host, true)?;
        world.send(host, true)?;
        world.append(host, "order.placed", "s/1", &[round, 1, round, 9]);
        world.append(host, "call.wanted", "s/2", &[round]);
        world.commit(host)?;
    }
    Ok(())
}

#[test]
fn timers_and_requests_are_whole_when_power_is_lost_at_any_operation() {
    at_every_operation_of(150, |operation| {
        let mut world = OutsideWorld::new(operation);
        world.disk.lose_power_at(operation);
        let told = world.open().and_then(|mut host| tell(&mut world, &mut host));
        let over = told.is_ok() && world.disk.has_power();
        world.cut();
        let Ok(mut host) = world.open() else { panic!("there is power") };
        if host.store.head().0 == 0 {
            world.propose(&mut host, deploy());
        }
        world.finish(&mut host);
        over
    });
}
