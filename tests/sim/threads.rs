//! What only threads can show: a snapshot that is taken while the writer commits.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use retold_engine::model::{NewEvent, Plan, PlanMode, Position, StateWrite, Timestamp, TypePattern};
use retold_engine::store::{Filter, Options, Proposal, Reader, Snapshot, Store};

use crate::disk::FaultFolder;
use crate::guests::MODULES;
use crate::script::{append, event};
use crate::world::deploy;

const EVENTS: u64 = 3_000;
/// Where what is committed beside the plans begins: the deployment and the events are before it.
const BESIDE: Position = Position(EVENTS + 2);

/// A plan that handles one event and writes its position to state.
fn plan(at: u64, epoch: u64) -> Plan {
    let mut plan = Plan {
        function: "count".into(),
        module: 1,
        epoch,
        from: Position(at - 1),
        to: Position(at),
        stands_on: None,
        mode: PlanMode::Live,
        handled: vec![Position(at)],
        emitted: Vec::new(),
        state: Vec::new(),
        state_digest: None,
        parked: Vec::new(),
        unparked: Vec::new(),
        halted: None,
        folded: Vec::new(),
    };
    plan.set_state(vec![StateWrite { key: "at".into(), value: Some(at.to_le_bytes().to_vec()) }]);
    plan
}

fn watch(reader: &Reader, done: &AtomicBool) -> u64 {
    let mut snapshots = 0;
    while !done.load(Ordering::Acquire) {
        let snapshot = reader.snapshot().expect("a snapshot can be taken");
        let row = snapshot.function("count").expect("it is deployed");
        let at = snapshot
            .state(row.slot, "at")
            .expect("state can be read")
            .map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")));
        assert!(at >= row.cursor.0, "the cursor is {}, and the state that of {at}", row.cursor);
        assert!(snapshot.event(snapshot.head()).expect("events can be read").is_some());
        watch_types(&snapshot, reader);
        watch_subject(&snapshot, if snapshots % 64 == 0 { Position::START } else { Position(snapshot.head().0 - 150) });
        if snapshots % 64 == 0 {
            assert_eq!(snapshot.find("/script", "7").expect("ids can be read"), Some(Position(8)));
            reader.verify().expect("the namespace is whole");
        }
        snapshots += 1;
    }
    snapshots
}

/// What was committed beside a plan: its subject is one of three, in turn.
fn beside(position: u64) -> NewEvent {
    event(&(position - 1).to_string(), "b.one", &format!("s/{}", position % 3), b".")
}

/// The types are counted as they are in the log at one moment. It may be that of a commit which is
/// durable and which no snapshot shows yet.
fn watch_types(snapshot: &Snapshot, reader: &Reader) {
    let types = snapshot.types().expect("types can be read");
    let later = reader.snapshot().expect("a snapshot can be taken").head();
    let count = |r#type: &str| types.iter().filter(|seen| seen.r#type == r#type).map(|seen| seen.count).sum::<u64>();
    let all: u64 = types.iter().map(|seen| seen.count).sum();
    assert!(snapshot.head().0 <= all && all <= later.0 + 1, "{all} events were counted between {} and {later}", snapshot.head());
    assert_eq!((count("a.small"), count("b.one")), (EVENTS, all + 1 - BESIDE.0), "of {all}");
}

/// Nothing but counting: a moment at which an event is nowhere is short.
fn count(reader: &Reader, done: &AtomicBool) -> u64 {
    let mut counts = 0;
    while !done.load(Ordering::Acquire) {
        let snapshot = reader.snapshot().expect("a snapshot can be taken");
        for _ in 0..16 {
            watch_types(&snapshot, reader);
            counts += 1;
        }
    }
    counts
}

/// The events of a subject and a type are found, up to the head.
fn watch_subject(snapshot: &Snapshot, after: Position) {
    let head = snapshot.head();
    let types = vec![TypePattern::Exact("b.one".into())];
    let filter = Filter { types, subjects: vec!["s/1".into()], ..Filter::default() };
    let mut found = Vec::new();
    let seen = snapshot.scan(after, head, &filter, &mut |event| {
        found.push(event.position.0);
        ControlFlow::Continue(())
    });
    assert_eq!(seen.expect("the log can be read"), head);
    let expected: Vec<u64> = (BESIDE.max(after.next()).0..=head.0).filter(|position| position % 3 == 1).collect();
    assert_eq!(found, expected, "after {after} at {head}");
}

#[test]
fn a_snapshot_never_pairs_a_cursor_with_older_state_nor_misses_what_is_being_sealed() {
    let mut store = Store::open(Arc::new(FaultFolder::new()), &Options::default()).expect("a store can be made");
    let module = MODULES.iter().find(|module| module.name == "counting").expect("there is such a module");
    store.commit([deploy(module)], Timestamp(1)).expect("committed");
    for first in (1..EVENTS).step_by(500) {
        let events = (first..first + 500).map(|id| event(&id.to_string(), "a.small", "s/1", b".")).collect();
        store.commit([append(events)], Timestamp(1)).expect("committed");
    }
    let epoch = store.reader().snapshot().expect("a snapshot can be taken").function("count").expect("it is deployed").epoch;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watchers: Vec<_> = (0..2)
            .map(|_| {
                let reader = store.reader();
                scope.spawn({
                    let done = &done;
                    move || watch(&reader, done)
                })
            })
            .chain([{
                let (reader, done) = (store.reader(), &done);
                scope.spawn(move || count(&reader, done))
            }])
            .collect();
        for at in 1..=EVENTS {
            let proposals = [Proposal::Reaction(plan(at, epoch)), append(vec![beside(BESIDE.0 + at - 1)])];
            let answers = store.commit(proposals, Timestamp(1)).expect("committed").answers;
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
            if at % 25 == 0 {
                store.close_tail();
                while let Some(work) = store.reader().housekeeping_due() {
                    let sealed = store.reader().housekeep(work).expect("a segment can be written");
                    store.adopt(sealed).expect("a segment can be named");
                }
            }
        }
        done.store(true, Ordering::Release);
        for watcher in watchers {
            assert!(watcher.join().expect("a watcher ends") > 0);
        }
    });
}
