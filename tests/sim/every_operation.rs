//! The story of [`script`](crate::script), with power lost at every single operation on the disk.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::Crash;
use crate::oracle;
use crate::script::{append, event, tell, tell_upgrades};
use crate::world::{Host, InFlight, PowerLost, World};

/// What is told until the power goes.
type Story = fn(&mut World, &mut Host) -> Result<(), InFlight>;

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

/// The cut comes at the operation. Then the host starts again, and again, and loses power before it has
/// done anything (`twice`), or after it has taken an event; then it goes on. Answers whether the story
/// was over before.
fn tell_with_a_cut_at(operation: u64, tell: Story, first: Cut, twice: bool) -> bool {
    let mut world = World::quiet();
    world.disk.lose_power_at(operation);
    let told = match world.open(&[]) {
        Ok(mut host) => tell(&mut world, &mut host),
        Err(PowerLost) => Err(InFlight::nothing(PowerLost)),
    };
    let over = told.is_ok() && world.disk.has_power();
    cut(&mut world, first);
    let in_flight = told.err().map_or(Vec::new(), |InFlight(proposals)| proposals);
    let Ok(mut host) = world.open(&in_flight) else { panic!("there is power") };
    if twice {
        world.lose_power(Crash::Lost);
        host = world.open(&[]).unwrap_or_else(|PowerLost| panic!("there is power"));
    }
    let Ok(()) = world.ask(&mut host, vec![append(vec![event("after", "a.small", "s/9", b"."), event("1", "a.small", "s/1", b".")])])
    else {
        panic!("there is power")
    };
    world.lose_power(Crash::Lost);
    drop(host);
    let Ok(mut host) = world.open(&[]) else { panic!("there is power") };
    world.drain(&mut host);
    // It costs more than all the rest.
    if operation.is_multiple_of(4) {
        world.finish_upgrades(&mut host);
    }
    oracle::check_all(&world.model, &host.store.reader(), &mut world.chance);
    oracle::check_past(&world.model, &host.store.reader());
    over
}

/// Runs with the number of each operation, shared among threads, until one is answered `true`: there
/// are no more operations.
#[track_caller]
pub fn at_every_operation(run: impl Fn(u64) -> bool + Sync) {
    at_every_operation_of(500, run);
}

/// The same for a story of at least so many.
#[track_caller]
pub fn at_every_operation_of(least: u64, run: impl Fn(u64) -> bool + Sync) {
    let next = AtomicU64::new(1);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let operation = next.fetch_add(1, Ordering::Relaxed);
                    match catch_unwind(AssertUnwindSafe(|| run(operation))) {
                        Ok(true) => break,
                        Ok(false) => {}
                        Err(panic) => {
                            eprintln!("at operation {operation}");
                            resume_unwind(panic);
                        }
                    }
                }
            });
        }
    });
    let operations = next.load(Ordering::Relaxed);
    assert!(operations > least, "the story has only {operations} operations");
}

#[track_caller]
fn check(tell: Story, twice: bool, cut: impl Fn(u64) -> Cut + Sync) {
    at_every_operation(|operation| tell_with_a_cut_at(operation, tell, cut(operation), twice));
}

#[test]
fn power_lost_at_any_operation_loses_nothing_when_unsynced_writes_are_lost() {
    check(tell, true, |_| Cut::Power(Crash::Lost));
}

#[test]
fn power_lost_at_any_operation_loses_nothing_when_unsynced_writes_are_kept() {
    check(tell, true, |_| Cut::Power(Crash::Kept));
}

#[test]
fn power_lost_at_any_operation_loses_nothing_when_unsynced_sectors_are_torn() {
    check(tell, true, |operation| Cut::Power(Crash::Torn { percent: (operation * 37 % 91) as u8 + 5, garbage: operation % 2 == 0 }));
}

#[test]
fn power_lost_at_any_operation_loses_nothing_when_unsynced_writes_are_reordered() {
    check(tell, true, |operation| Cut::Power(Crash::Reordered { percent: (operation * 53 % 91) as u8 + 5 }));
}

#[test]
fn what_is_found_after_a_kill_at_any_operation_is_there_after_a_power_cut_too() {
    check(tell, true, |_| Cut::Kill);
}

#[test]
fn what_is_acknowledged_after_a_kill_at_any_operation_is_there_after_a_power_cut_too() {
    check(tell, false, |_| Cut::Kill);
}

#[test]
fn an_upgrade_and_its_rollback_are_whole_or_not_at_all_when_power_is_lost_at_any_operation() {
    check(tell_upgrades, true, |_| Cut::Power(Crash::Lost));
    check(tell_upgrades, false, |operation| {
        Cut::Power(Crash::Torn { percent: (operation * 37 % 91) as u8 + 5, garbage: operation % 2 == 0 })
    });
}

#[test]
fn an_upgrade_and_its_rollback_are_whole_or_not_at_all_when_writes_are_kept_or_reordered() {
    check(tell_upgrades, true, |_| Cut::Power(Crash::Kept));
    check(tell_upgrades, true, |operation| Cut::Power(Crash::Reordered { percent: (operation * 53 % 91) as u8 + 5 }));
}

#[test]
fn an_upgrade_goes_on_after_a_kill_at_any_operation() {
    check(tell_upgrades, true, |_| Cut::Kill);
}
