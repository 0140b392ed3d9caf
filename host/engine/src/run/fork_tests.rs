//! Functions of a fork: their state is made again by replay, then they go on from where they stood.

use std::sync::Arc;

use super::Runner;
use super::testing::{World, coded, emit, event, function};
use crate::model::{Answer, Calls, EventRef, Guest, Output, Position};
use crate::store::{Options, fork, testing};

/// Counts what it has seen, and says so.
fn counting() -> Arc<dyn Guest> {
    coded(|event: &EventRef<'_>, index: u32, calls: &mut dyn Calls| -> Result<Vec<Output>, Answer> {
        let before = calls.state_get(index, "count").expect("state can be read").map_or(0, |bytes| bytes[0]);
        calls.state_put(index, "count", &[before + 1]).expect("within limits");
        Ok(vec![emit("done", &format!("{} is {}", event.id, before + 1), None)])
    })
}

fn done(world: &World) -> Vec<String> {
    let snapshot = world.snapshot();
    let all = (1..=snapshot.head().0).filter_map(|position| snapshot.event(Position(position)).expect("read"));
    all.filter(|event| event.r#type == "done").map(|event| event.subject).collect()
}

#[test]
fn a_function_of_a_fork_makes_its_state_again_and_goes_on_from_there_wherever_it_parted() {
    let guest = counting();
    let mut base = World::new(&[function("f", &["a"], &["done"])]);
    let mut runner = Runner::new("f");
    for ids in [["1", "2"], ["3", "4"], ["5", "6"]] {
        base.append(ids.iter().map(|id| event(id, "a", "x")).collect());
        base.work(&mut runner, &guest);
    }
    for at in 1..=base.store.head().0 {
        let folder = testing::MemoryFolder::default();
        fork(&base.store.reader(), Position(at), Arc::new(folder.clone()), &Options::default()).expect("forked");
        let mut forked = World { store: testing::open(&folder), now: base.now };
        forked.append(vec![event("7", "a", "x")]);
        let mut runner = Runner::new("f");
        while forked.row("f").rebuild.is_some() || forked.row("f").cursor < Position(at + 1) {
            forked.work(&mut runner, &guest);
        }
        let read: Vec<String> = (1..=7)
            .map(|number| number.to_string())
            .filter(|id| forked.snapshot().find("/test", id).expect("looked up").is_some())
            .enumerate()
            .map(|(index, id)| format!("{id} is {}", index + 1))
            .collect();
        let mut found = done(&forked);
        found.sort();
        assert_eq!(found, read, "at {at}");
    }
}
