//! A disk that fails at its n-th operation while the machine goes on.

use std::io::ErrorKind;

use retold_engine::model::Timestamp;
use retold_engine::store::StoreError;

use crate::disk::{Crash, Failure};
use crate::every_operation::at_every_operation;
use crate::oracle;
use crate::script::{append, event, tell};
use crate::world::{InFlight, PowerLost, World};

/// One operation fails. Answers whether the story was over before.
fn tell_with_a_failure_at(operation: u64, failure: Failure, then: Option<Crash>) -> bool {
    let mut world = World::quiet();
    world.disk.fail(Failure { at: operation, ..failure });
    let mut in_flight = Vec::new();
    match world.open(&[]) {
        Err(PowerLost) => {}
        Ok(mut host) => {
            if let Err(InFlight(proposals)) = tell(&mut world, &mut host) {
                in_flight = proposals;
            }
            world.disk.heal();
            if host.store.reader().is_poisoned() {
                // Nothing is acknowledged any more, not even when the disk is well again; reads go on.
                let answer = host.store.commit([append(vec![event("late", "a.small", "s/1", b".")])], Timestamp::default());
                assert!(matches!(answer, Err(StoreError::Poisoned(_))), "{answer:?}");
                let snapshot = host.store.reader().snapshot().expect("a snapshot can be taken");
                oracle::check_log(&world.model.log, &snapshot);
            } else {
                assert!(in_flight.is_empty(), "a commit failed, and the store goes on");
            }
        }
    }
    let over = world.disk.failed() == 0;
    match then {
        Some(crash) => world.lose_power(crash),
        None => world.kill(),
    }
    let mut host = world.open(&in_flight).unwrap_or_else(|PowerLost| panic!("the disk is well"));
    world.drain(&mut host);
    oracle::check_all(&world.model, &host.store.reader(), &mut world.chance);
    oracle::check_past(&world.model, &host.store.reader());
    over
}

#[track_caller]
fn check(kind: ErrorKind, lasting: bool, then: Option<Crash>) {
    at_every_operation(|operation| tell_with_a_failure_at(operation, Failure { at: 0, kind, lasting }, then));
}

#[test]
fn nothing_is_acknowledged_after_an_input_output_error_and_nothing_acknowledged_is_lost() {
    check(ErrorKind::Other, false, None);
}

#[test]
fn nothing_acknowledged_is_lost_when_power_goes_after_an_input_output_error() {
    check(ErrorKind::Other, false, Some(Crash::Lost));
}

#[test]
fn a_full_disk_stops_the_writer_and_loses_nothing() {
    check(ErrorKind::StorageFull, true, None);
}

#[test]
fn a_full_disk_is_told_apart_from_a_broken_one() {
    let mut world = World::quiet();
    let Ok(mut host) = world.open(&[]) else { panic!("there is power") };
    world.disk.fail(Failure { at: 1, kind: ErrorKind::StorageFull, lasting: true });
    let answer = host.store.commit([append(vec![event("1", "a.small", "s/1", b".")])], Timestamp::default());
    assert!(matches!(answer, Err(StoreError::Full)), "{answer:?}");
}

#[test]
fn a_segment_of_which_any_write_failed_is_never_named() {
    for operation in 1.. {
        let mut world = World::quiet();
        let Ok(mut host) = world.open(&[]) else { panic!("there is power") };
        world.ask(&mut host, vec![append(vec![event("1", "a.small", "s/1", b".")])]).unwrap_or_else(|_| panic!("the disk is well"));
        host.store.close_tail();
        let work = host.store.reader().housekeeping_due().expect("there is something to seal");
        world.disk.fail(Failure { at: operation, kind: ErrorKind::Other, lasting: false });
        // Also what redb does when it closes the file, of which it tells nobody.
        let written = host.store.reader().housekeep(work.clone());
        assert_eq!(written.is_err(), world.disk.failed() > 0, "at operation {operation}");
        if written.is_ok() {
            assert!(operation > 10, "a segment takes only {operation} operations");
            break;
        }
        // It is tried again, beside a writer that goes on.
        let sealed = host.store.reader().housekeep(work).expect("the disk is well");
        host.store.adopt(sealed).expect("the disk is well");
        oracle::check_all(&world.model, &host.store.reader(), &mut world.chance);
    }
}
