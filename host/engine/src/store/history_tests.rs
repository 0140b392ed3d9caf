//! Records after a commit, wherever they lie; and the past of a function that never was set back.

use super::history::{Next, Past};
use super::proposal::{Append, Control, Deploy, Proposal};
use super::testing;
use super::writer::Store;
use crate::model::{Digest, FailurePolicy, FunctionKind, FunctionManifest, LimitsAsked, Manifest, NewEvent, Position, Start, Timestamp};

fn commit(store: &mut Store, proposal: Proposal) {
    let answers = store.commit([proposal], Timestamp(1)).expect("committed").answers;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

fn append(store: &mut Store, events: u64) {
    let first = store.head().0;
    let event = |number: u64| NewEvent {
        id: (first + number).to_string(),
        source: "/shop".into(),
        r#type: "a".into(),
        content_type: "text/plain".into(),
        ..NewEvent::default()
    };
    commit(store, Proposal::Append(Append { events: (0..events).map(event).collect(), ..Append::default() }));
}

fn seal(store: &mut Store) {
    store.close_tail();
    while let Some(work) = store.reader().housekeeping_due() {
        let sealed = store.reader().housekeep(work).expect("written");
        store.adopt(sealed).expect("named");
    }
}

/// Commits of one to three events, and in between some that have none.
fn fill(store: &mut Store, commits: u64) {
    for number in 0..commits {
        append(store, 1 + number % 3);
        if number % 4 == 1 {
            for control in [Control::Pause, Control::Resume] {
                commit(store, Proposal::Control { function: "f".into(), control });
            }
        }
    }
}

fn deployed() -> Store {
    let mut store = testing::store();
    let handler = FunctionManifest {
        name: "f".into(),
        kind: FunctionKind::Handler,
        subscribes: vec!["a".into()],
        emits: Vec::new(),
        decides: Vec::new(),
        sends: Vec::new(),
        start: Start::Beginning,
        failure_policy: FailurePolicy::Park,
        split: None,
        limits: LimitsAsked::default(),
        schedules: Vec::new(),
        hosts: Vec::new(),
        secrets: Vec::new(),
        timers: false,
    };
    let manifest = Manifest { name: "module".into(), version: "1.0.0".into(), functions: vec![handler], schemas: Vec::new() };
    commit(
        &mut store,
        Proposal::Deploy(Deploy {
            manifest,
            digest: Digest::of(b"code"),
            component: b"code".to_vec(),
            levels: Vec::new(),
            rollback: false,
            send: false,
        }),
    );
    store
}

#[test]
fn every_record_after_a_commit_is_found_in_segments_and_in_the_head_with_a_hint_and_without() {
    let mut store = deployed();
    for _ in 0..3 {
        fill(&mut store, 13);
        seal(&mut store);
    }
    fill(&mut store, 7);
    let snapshot = store.reader().snapshot().expect("a snapshot");
    assert!(snapshot.segments() > 1);
    let records_after = |commit: u64, hint: Position| {
        let mut found = Vec::new();
        let visit = &mut |record: &std::sync::Arc<crate::model::Record>| {
            found.push((record.commit, record.count, record.last()));
            Ok(true)
        };
        snapshot.records(commit, hint, visit).expect("the log can be read");
        found
    };
    let all = records_after(0, Position::START);
    assert_eq!(all.iter().map(|(commit, ..)| *commit).collect::<Vec<_>>(), (1..=snapshot.commit()).collect::<Vec<_>>());
    assert!(all.iter().any(|(_, count, _)| *count == 0));
    for commit in 0..=snapshot.commit() {
        let expected = &all[commit as usize..];
        assert_eq!(records_after(commit, Position::START), expected, "after {commit}");
        for (_, _, hint) in all[..commit as usize].iter().filter(|(_, count, _)| *count > 0) {
            assert_eq!(records_after(commit, *hint), expected, "after {commit}, found by {hint}");
        }
    }
}

#[test]
fn the_past_of_a_function_that_was_never_set_back_is_one_reading() {
    let mut store = deployed();
    fill(&mut store, 5);
    let snapshot = store.reader().snapshot().expect("a snapshot");
    let mut row = (**snapshot.function("f").expect("deployed")).clone();
    row.cursor = Position(4);
    let mut past = Past::after(Position::START);
    assert_eq!(past.look_ahead(&snapshot, &row).ok(), Some(true));
    let Ok(Next::Stretch(stretch)) = past.next(&snapshot, &row, 1) else { panic!("a stretch") };
    assert_eq!((stretch.from, stretch.to, stretch.recorded_upto), (Position::START, Position(4), None));
    past.went(&stretch, Position(3));
    assert_eq!((past.position(), past.commit()), (Position(3), 0));
    let Ok(Next::Stretch(stretch)) = past.next(&snapshot, &row, 1) else { panic!("the rest") };
    past.went(&stretch, stretch.to);
    assert_eq!(past.next(&snapshot, &row, 1).ok(), Some(Next::Level));
    assert_eq!(past.commit(), snapshot.commit());
}
