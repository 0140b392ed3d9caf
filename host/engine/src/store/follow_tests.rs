//! Commits made elsewhere: taken whole, in order, or not at all; and what such commits alone can say.

use super::error::StoreError;
use super::proposal::{Proposal, Refused};
use super::story::{STORY, append, commits, deploy, handler, known, seal_tail, tell};
use super::testing::{self, MemoryFolder};
use super::writer::Store;
use crate::model::{Commit, Digest, Position, Processing, RecordBuilder, StatePart, Timestamp};

/// A commit that says this and nothing else.
fn saying(store: &Store, entries: &[Processing]) -> Commit {
    let next = store.reader().next_record();
    let mut builder = next.builder(Timestamp(0));
    entries.iter().for_each(|entry| builder.add_processing(entry));
    Commit { record: builder.finish(next.chain), state: StatePart::default() }
}

/// Has the namespace forget an event.
pub fn forget(store: &mut Store, source: &str, id: &str) {
    let hashes = vec![store.reader().forgotten_hash(source, id)];
    let commit = saying(store, &[Processing::Forgot { hashes }]);
    store.follow(vec![commit]).expect("taken");
}

#[test]
fn a_store_that_follows_another_becomes_the_same() {
    let (base, _) = tell(STORY.len(), 4);
    for at_once in [1, 3, STORY.len() + 1] {
        let folder = MemoryFolder::default();
        let mut replica = testing::open(&folder);
        for some in commits(&base).chunks(at_once) {
            replica.follow(some.to_vec()).expect("taken");
            if at_once == 3 {
                seal_tail(&mut replica);
            }
        }
        let check = |replica: &Store| {
            let (snapshot, expected) = (replica.reader().snapshot().expect("a snapshot"), base.reader().snapshot().expect("a snapshot"));
            assert_eq!(known(&snapshot), known(&expected));
            assert_eq!(replica.reader().verify().expect("whole"), base.reader().verify().expect("whole"));
            assert_eq!(snapshot.types().expect("counted"), expected.types().expect("counted"));
            let row = snapshot.function("stateful").expect("it is there");
            assert_eq!(snapshot.state(row.ordinal, "count").expect("read"), Some(b"1".to_vec()));
        };
        check(&replica);
        drop(replica);
        let mut replica = testing::open(&folder);
        check(&replica);
        // It can take over.
        replica.commit([append(&["later"])], Timestamp(0)).expect("committed");
        assert_eq!(replica.reader().verify().expect("whole").events, base.head().0 + 1);
    }
}

#[test]
fn recorded_time_never_goes_back_behind_what_was_retold_when_the_clock_was_set_back() {
    let (base, _) = tell(STORY.len(), 0);
    let folder = MemoryFolder::default();
    let mut store = testing::open(&folder);
    let next = store.reader().next_record();
    let mut builder = next.builder(Timestamp(10));
    let first = commits(&base).into_iter().find(|commit| commit.record.count > 0).expect("there are events").record;
    builder.add_retold(&first.events().next().expect("one"), None, None, Timestamp(20));
    let commit = Commit { record: builder.finish(next.chain), state: StatePart::default() };
    store.follow(vec![commit]).expect("taken");
    let mut recorded = Vec::new();
    for (id, is_reopened) in [("live", false), ("later", true)] {
        if is_reopened {
            drop(store);
            store = testing::open(&folder);
        }
        assert_eq!(store.reader().next_record().recorded, Timestamp(20));
        store.commit([append(&[id])], Timestamp(5)).expect("committed");
        let event = store.reader().snapshot().and_then(|snapshot| snapshot.event(store.head())).expect("read");
        recorded.push(event.expect("it is there").recorded);
    }
    assert_eq!(recorded, [Timestamp(20), Timestamp(20)]);
}

#[track_caller]
fn check_refused(store: &mut Store, commit: Commit, part: &str) {
    let (head, before) = (store.head(), known(&store.reader().snapshot().expect("a snapshot")));
    match store.follow(vec![commit]) {
        Err(StoreError::NotNext { what, .. }) => assert!(what.contains(part), "{what}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.head(), head);
    assert_eq!(known(&store.reader().snapshot().expect("a snapshot")), before);
}

#[test]
fn a_commit_that_is_not_the_next_one_is_refused_by_what_is_wrong_and_the_next_one_is_taken_after() {
    let (base, _) = tell(STORY.len(), 0);
    let all = commits(&base);
    let mut store = testing::store();
    for (number, commit) in all.iter().enumerate() {
        let builder = |commit, first, recorded| RecordBuilder::new(commit, first, recorded);
        let empty = |builder: RecordBuilder, chain| Commit { record: builder.finish(chain), state: StatePart::default() };
        let next = store.reader().next_record();
        if let Some(later) = all.get(number + 1) {
            check_refused(&mut store, later.clone(), "the next one here is");
        }
        check_refused(&mut store, empty(builder(next.commit, next.first.next(), next.recorded), next.chain), "position");
        check_refused(&mut store, empty(builder(next.commit, next.first, next.recorded), Digest([1; 32])), "chain");
        if next.recorded > Timestamp(0) {
            check_refused(&mut store, empty(builder(next.commit, next.first, Timestamp(next.recorded.0 - 1)), next.chain), "recorded");
        }
        if !commit.state.writes.is_empty() {
            check_refused(&mut store, Commit { state: StatePart::default(), ..commit.clone() }, "state");
            let mut other = commit.clone();
            other.state.writes[0].1[0].value = None;
            check_refused(&mut store, other, "state");
        }
        if !commit.state.modules.is_empty() {
            check_refused(&mut store, Commit { state: StatePart::default(), ..commit.clone() }, "component");
        }
        let mut more = commit.clone();
        more.state.writes.push(("nobody".into(), Vec::new()));
        check_refused(&mut store, more, "nobody");
        store.follow(vec![commit.clone()]).expect("taken");
    }
    let of = |store: &Store| known(&store.reader().snapshot().expect("a snapshot"));
    assert_eq!(of(&store), of(&base));
}

#[test]
fn of_several_commits_none_is_taken_if_one_is_wrong() {
    let mut all = commits(&tell(4, 0).0);
    all.remove(2);
    let mut store = testing::store();
    assert!(matches!(store.follow(all.clone()), Err(StoreError::NotNext { .. })));
    assert_eq!((store.head(), store.reader().functions().len()), (Position::START, 0));
    store.follow(all[..2].to_vec()).expect("taken");
}

#[test]
fn how_far_a_log_retells_another_and_where_a_function_began_stay_known() {
    let folder = MemoryFolder::default();
    let mut store = testing::open(&folder);
    store.commit([deploy("m", &[handler("f"), handler("g")])], Timestamp(1)).expect("committed");
    let began = |function: &str| Processing::Began { function: function.into(), at: Position(1) };
    let commit = saying(&store, &[Processing::Retold { to: Position(300) }, began("f"), began("nobody")]);
    store.follow(vec![commit]).expect("taken");
    for _ in 0..2 {
        assert_eq!(store.reader().retold(), Some(Position(300)));
        let functions = store.reader().functions();
        assert_eq!((functions["f"].start, functions["f"].cursor), (Position(1), Position(1)));
        assert_eq!((functions["g"].start, functions["g"].cursor), (Position(0), Position(0)));
        drop(store);
        store = testing::open(&folder);
    }
}

#[test]
fn a_function_that_is_further_does_not_begin_again() {
    let (mut store, _) = tell(4, 0);
    let commit = saying(&store, &[Processing::Began { function: "straight".into(), at: Position(2) }]);
    store.follow(vec![commit]).expect("taken");
    let row = store.reader().functions()["straight"].clone();
    assert_eq!((row.start, row.cursor), (Position(0), Position(6)));
}

#[test]
fn what_was_erased_is_refused_as_an_event_and_as_a_command_and_all_else_is_taken() {
    let folder = MemoryFolder::default();
    let mut store = testing::open(&folder);
    store.commit(STORY[0](&store), Timestamp(1)).expect("committed");
    store.commit(STORY[1](&store), Timestamp(1)).expect("committed");
    forget(&mut store, "/test", "c1");
    forget(&mut store, "/test", "gone");
    for _ in 0..2 {
        let mut ask = |proposal: Proposal| store.commit([proposal], Timestamp(1)).expect("committed").answers.remove(0);
        let refused = |answer| matches!(answer, Err(Refused::Forgotten { index: 1, id, source_attribute }) if id == "gone" && source_attribute == "/test");
        assert!(refused(ask(append(&["1", "gone"]))));
        assert!(ask(append(&["1", "2"])).is_ok());
        let mut decisions = STORY[14](&store).into_iter();
        let mut ask = |proposal: Proposal| store.commit([proposal], Timestamp(1)).expect("committed").answers.remove(0);
        assert!(matches!(ask(decisions.next().expect("two")), Err(Refused::Forgotten { index: 0, .. })));
        assert!(ask(decisions.next().expect("two")).is_ok());
        let snapshot = store.reader().snapshot().expect("a snapshot");
        assert!(snapshot.is_forgotten("/test", "gone").expect("read") && !snapshot.is_forgotten("/test", "1").expect("read"));
        drop(snapshot);
        drop(store);
        store = testing::open(&folder);
    }
}
