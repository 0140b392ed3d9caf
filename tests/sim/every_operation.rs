//! The story of [`script`](crate::script), with power lost at every single operation on the disk.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::Crash;
use crate::oracle;
use crate::script::{append, event, tell};
use crate::world::{InFlight, PowerLost, World};

/// What happens at an operation.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Power(Crash),
    Kill,
}

fn cut(world: &mut World, cut: Cut) {
    match cut {
        Cut::Power(crash) => world.lose_power(crash),
        Cut::Kill => world.kill(),
    }
}

/// Power goes at the operation; then the host starts again, takes an event, and loses power at once;
/// then it starts again and goes on. Answers whether the story was over before.
fn tell_with_a_cut_at(operation: u64, first: Cut) -> bool {
    let mut world = World::quiet();
    world.disk.lose_power_at(operation);
    let told = match world.open(&[]) {
        Ok(mut host) => tell(&mut world, &mut host),
        Err(PowerLost) => Err(InFlight::nothing(PowerLost)),
    };
    let over = told.is_ok() && world.disk.has_power();
    cut(&mut world, first);
    let in_flight = told.err().map_or(Vec::new(), |InFlight(proposals)| proposals);
    // What the next start finds stays, even if power is lost before it has written anything.
    let Ok(host) = world.open(&in_flight) else { panic!("there is power") };
    world.lose_power(Crash::Lost);
    drop(host);
    let Ok(mut host) = world.open(&[]) else { panic!("there is power") };
    let Ok(()) = world.ask(&mut host, vec![append(vec![event("after", "a.small", "s/9", b"."), event("1", "a.small", "s/1", b".")])])
    else {
        panic!("there is power")
    };
    world.lose_power(Crash::Lost);
    drop(host);
    let Ok(mut host) = world.open(&[]) else { panic!("there is power") };
    world.drain(&mut host);
    oracle::check_all(&world.model, &host.store.reader(), &mut world.chance);
    oracle::check_past(&world.model, &host.store.reader());
    over
}

/// Every operation, shared among threads.
#[track_caller]
fn check(cut: impl Fn(u64) -> Cut + Sync) {
    let next = AtomicU64::new(1);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let operation = next.fetch_add(1, Ordering::Relaxed);
                    let told = catch_unwind(AssertUnwindSafe(|| tell_with_a_cut_at(operation, cut(operation))));
                    match told {
                        Ok(true) => break,
                        Ok(false) => {}
                        Err(panic) => {
                            eprintln!("with {:?} at operation {operation}", cut(operation));
                            resume_unwind(panic);
                        }
                    }
                }
            });
        }
    });
    let operations = next.load(Ordering::Relaxed);
    assert!(operations > 500, "the story has only {operations} operations");
    eprintln!("{operations} operations");
}

#[test]
fn power_lost_at_any_operation_loses_nothing_when_unsynced_writes_are_lost() {
    check(|_| Cut::Power(Crash::Lost));
}

#[test]
fn power_lost_at_any_operation_loses_nothing_when_unsynced_writes_are_kept() {
    check(|_| Cut::Power(Crash::Kept));
}

#[test]
fn power_lost_at_any_operation_loses_nothing_when_unsynced_sectors_are_torn() {
    check(|operation| Cut::Power(Crash::Torn { percent: (operation * 37 % 91) as u8 + 5, garbage: operation % 2 == 0 }));
}

#[test]
fn power_lost_at_any_operation_loses_nothing_when_unsynced_writes_are_reordered() {
    check(|operation| Cut::Power(Crash::Reordered { percent: (operation * 53 % 91) as u8 + 5 }));
}

#[test]
fn a_process_killed_at_any_operation_and_power_lost_later_loses_nothing() {
    check(|_| Cut::Kill);
}
