//! A function that runs other code goes on with state that this code made.

use std::sync::Arc;

use super::testing::{World, coded, event, function};
use super::{CatchUp, Reading, Runner, Step, Stop};
use crate::model::{Answer, Calls, Digest, EventRef, Guest, Manifest, Output, PlanMode, Position};
use crate::store::{Control, Deploy, Portion, Proposal};

/// Counts events, each as `weight`; forgets the count at an event of the type `clear`.
fn counting(weight: u8) -> Arc<dyn Guest> {
    coded(move |event: &EventRef<'_>, index: u32, calls: &mut dyn Calls| -> Result<Vec<Output>, Answer> {
        let before = calls.state_get(index, "count").expect("state can be read").map_or(0, |bytes| bytes[0]);
        if event.r#type == "clear" {
            calls.state_delete(index, "count").expect("within limits");
        } else {
            calls.state_put(index, "count", &[before + weight]).expect("within limits");
        }
        Ok(Vec::new())
    })
}

fn count(world: &World) -> Option<Vec<u8>> {
    world.snapshot().state(world.row("f").slot, "count").expect("nothing fails in memory")
}

#[test]
fn other_code_makes_its_state_out_of_the_log_before_it_goes_on() {
    let mut world = World::new(&[function("f", &["a", "clear"], &[])]);
    let mut runner = Runner::new("f");
    world.append(vec![event("1", "a", "x"), event("2", "a", "x")]);
    world.work(&mut runner, &counting(1));
    assert_eq!(count(&world), Some(vec![2]));
    world.append(vec![event("3", "clear", "x")]);
    world.work(&mut runner, &counting(1));
    assert_eq!(count(&world), None);

    // It doesn't know of "clear".
    let functions = vec![function("f", &["a"], &[])];
    let manifest = Manifest { name: "module".into(), version: "2.0.0".into(), functions, schemas: Vec::new() };
    let (digest, component) = (Digest::of(b"other"), b"other".to_vec());
    let deploy = Deploy { manifest, digest, component, levels: Vec::new(), rollback: false, send: false };
    world.append(vec![event("4", "a", "x")]);
    world.propose(Proposal::Deploy(deploy)).expect("it has no state now");
    let Step::Plan(ticket, plan) = world.step(&mut runner, &counting(10)) else { panic!("its state is made again") };
    assert_eq!((plan.mode, plan.to), (PlanMode::Rebuild { through_commit: u64::MAX }, Position(4)));
    world.propose(Proposal::Reaction(*plan)).expect("committed");
    runner.settled(ticket, super::Settled::Committed);
    assert_eq!(count(&world), Some(vec![20]));
    world.work(&mut runner, &counting(10));
    assert_eq!((count(&world), world.row("f").cursor), (Some(vec![30]), Position(5)));
}

#[test]
fn state_that_was_made_before_a_rewind_is_not_brought_on() {
    let mut world = World::new(&[function("f", &["a"], &[])]);
    let mut runner = Runner::new("f");
    world.append(vec![event("1", "a", "x"), event("2", "a", "x")]);
    world.work(&mut runner, &counting(1));
    let through_commit = world.snapshot().commit();
    world.propose(Proposal::Control { function: "f".into(), control: Control::Rewind(Position(2)) }).expect("committed");
    world.work(&mut runner, &counting(1));
    let (snapshot, guests, row) = (world.snapshot(), super::testing::OneGuest(counting(1)), world.row("f"));
    let brought = |through_commit| {
        let (reading, portion) = (Reading::new(&snapshot, &guests), Portion { events: 10, bytes: 1_000 });
        let mut catch_up = CatchUp::new(row.slot, through_commit);
        catch_up.step(&reading, &row.manifest, &row, &*counting(1), portion, &mut |_, _| {}).expect("nothing fails in memory")
    };
    assert_eq!(brought(through_commit).err(), Some(Stop::Undone));
    assert!(brought(snapshot.commit()).is_ok_and(|brought| brought.level && brought.writes.is_empty()));
}
