//! A fork shows what was there at its position, in every way of reading, and nothing after.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::StoreError;
use super::folder::Folder;
use super::fork::{Forked, fork};
use super::open::Options;
use super::proposal::{Accepted, Append, Condition, Proposal, Refused};
use super::scan::{Filter, Portion};
use super::story::{self, STORY, append, known, seal_tail, tell, tell_on};
use super::testing::{self, MemoryFolder};
use super::writer::Store;
use crate::model::{Event, Kind, Position, Timestamp, TypePattern};

fn options() -> Options {
    Options { identity: [7; 16], ..Options::default() }
}

#[track_caller]
fn forked(base: &Store, at: u64) -> (Store, MemoryFolder, Forked) {
    let folder = MemoryFolder::default();
    let forked = fork(&base.reader(), Position(at), Arc::new(folder.clone()), &options()).expect("forked");
    (testing::open(&folder), folder, forked)
}

fn events(store: &Store, upto: u64) -> Vec<Event> {
    let snapshot = store.reader().snapshot().expect("a snapshot");
    (1..=upto).map(|position| snapshot.event(Position(position)).expect("read").expect("it is there")).collect()
}

fn scanned(store: &Store, filter: &Filter) -> Vec<Position> {
    let mut found = Vec::new();
    let visit = &mut |event: crate::model::EventRef<'_>| {
        found.push(event.position);
        ControlFlow::Continue(())
    };
    let snapshot = store.reader().snapshot().expect("a snapshot");
    assert_eq!(snapshot.scan(Position::START, Position(u64::MAX), filter, visit).expect("scanned"), snapshot.head());
    found
}

/// Holds every way of reading `store` against what it must show.
#[track_caller]
fn check_reads(store: &Store, expected: &[Event], beyond: &[Event]) {
    let snapshot = store.reader().snapshot().expect("a snapshot");
    assert_eq!(snapshot.head().0, expected.len() as u64);
    assert_eq!(events(store, expected.len() as u64), expected);
    assert_eq!(snapshot.event(snapshot.head().next()).expect("read"), None);
    for event in expected {
        assert_eq!(snapshot.find(&event.source, &event.id).expect("found"), Some(event.position));
    }
    for event in beyond {
        assert_eq!(snapshot.find(&event.source, &event.id).expect("looked up"), None, "{event:?}");
    }
    let positions = |wanted: &dyn Fn(&Event) -> bool| -> Vec<Position> {
        expected.iter().filter(|event| wanted(event)).map(|event| event.position).collect()
    };
    assert_eq!(scanned(store, &Filter::default()), positions(&|_| true));
    for event in expected.iter().chain(beyond) {
        let of_subject = Filter { subjects: vec![event.subject.clone()], ..Filter::default() };
        assert_eq!(scanned(store, &of_subject), positions(&|other| other.subject == event.subject));
        let of_type = Filter { types: vec![TypePattern::parse(&event.r#type).expect("a pattern")], ..Filter::default() };
        assert_eq!(scanned(store, &of_type), positions(&|other| other.r#type == event.r#type));
        if let Some(tag) = event.tags.first() {
            assert_eq!(
                scanned(store, &Filter { tags: vec![tag.clone()], ..Filter::default() }),
                positions(&|other| other.tags.contains(tag))
            );
        }
        let portion = Portion { events: 1_000, bytes: 1 << 20 };
        let (batch, _) =
            snapshot.collect_subject(&event.subject, &Filter::default(), Position::START, Position(u64::MAX), portion).expect("collected");
        let found: Vec<Position> = batch.events().iter().map(|event| event.position).collect();
        assert_eq!(found, positions(&|other| other.subject == event.subject));
    }
    let mut types: BTreeMap<(String, Kind), (u64, Position, Position)> = BTreeMap::new();
    for event in expected {
        let seen = types.entry((event.r#type.clone(), event.kind)).or_insert((0, event.position, event.position));
        (seen.0, seen.2) = (seen.0 + 1, event.position);
    }
    let found = snapshot.types().expect("counted");
    assert_eq!(
        found.into_iter().map(|seen| ((seen.r#type, seen.kind), (seen.count, seen.first, seen.last))).collect::<BTreeMap<_, _>>(),
        types
    );
    assert_eq!(store.reader().verify().expect("whole").events, expected.len() as u64);
}

/// Where a fork at a position really parts: a command stays with what was decided on it.
fn whole(all: &[Event], at: usize) -> usize {
    let cause = all.get(at).and_then(|next| next.cause).filter(|cause| cause.0 <= at as u64);
    let command = cause.filter(|cause| all[cause.0 as usize - 1].kind == Kind::Command);
    command.map_or(at, |command| command.0 as usize - 1)
}

/// A log that was told only so far: all chapters that end at or before `at`, and of the next one what has
/// an event of its own there, if no function reacts in it. `heads`: where each chapter ends.
fn told_so_far(at: u64, heads: &[u64]) -> Store {
    let chapters = heads.iter().rposition(|head| *head <= at).expect("the first is 0");
    let (mut store, _) = tell(chapters, 0);
    let split = STORY.get(chapters).map(|chapter| chapter(&store)).unwrap_or_default();
    if !split.iter().any(|proposal| matches!(proposal, Proposal::Reaction(_) | Proposal::Decide(_))) {
        let each = split.into_iter().flat_map(|proposal| match proposal {
            Proposal::Append(all) => {
                all.events.into_iter().map(|event| Proposal::Append(Append { events: vec![event], ..Append::default() })).collect()
            }
            other => vec![other],
        });
        let room = (at - heads[chapters]) as usize;
        tell_on(&mut store, chapters, each.take(room).collect());
    }
    store
}

#[test]
fn a_fork_at_every_position_is_the_log_that_was_told_only_so_far() {
    let heads: Vec<u64> = (0..=STORY.len()).map(|chapters| tell(chapters, 0).0.head().0).collect();
    let bases: Vec<Store> = [0, 1, 2, 3, 5, STORY.len()].into_iter().map(|seal| tell(STORY.len(), seal).0).collect();
    let all = events(&bases[0], bases[0].head().0);
    for asked in 0..=all.len() {
        let at = whole(&all, asked);
        let expected = known(&told_so_far(at as u64, &heads).reader().snapshot().expect("a snapshot"));
        for base in &bases {
            let (fork, folder, told) = forked(base, asked as u64);
            let (here, beyond) = all.split_at(at);
            check_reads(&fork, here, beyond);
            let snapshot = fork.reader().snapshot().expect("a snapshot");
            assert_eq!(known(&snapshot), expected, "at {at}");
            for row in snapshot.functions().filter(|row| row.stateful) {
                assert_eq!((row.cursor, told.rebuilding.contains(&row.name)), (row.start, true));
            }
            assert_eq!((told.at.0, told.commit), (at as u64, snapshot.commit()));
            drop((snapshot, fork));
            check_reads(&testing::open(&folder), here, beyond);
        }
    }
    for base in &bases {
        assert_eq!(base.reader().verify().expect("whole").events, all.len() as u64);
    }
}

#[test]
fn a_fork_goes_on_by_itself_and_neither_log_sees_the_others_events() {
    for seal in [0, 2, STORY.len()] {
        let (mut base, _) = tell(STORY.len(), seal);
        let before = events(&base, base.head().0);
        let (mut fork, folder, _) = forked(&base, 14);
        assert_ne!(fork.reader().log_identity(), base.reader().log_identity());
        tell_on(&mut fork, 100, vec![append(&["1", "12", "27", "own"])]);
        tell_on(&mut base, 100, vec![append(&["theirs"])]);
        let own = events(&fork, fork.head().0);
        assert_eq!(own[..14], before[..14]);
        assert_eq!(own[14..].iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["27", "own"]);
        assert_eq!(events(&base, before.len() as u64), before);
        let base_snapshot = base.reader().snapshot().expect("a snapshot");
        assert_eq!(base_snapshot.find("/test", "own").expect("looked up"), None);
        let theirs = events(&base, base.head().0).split_off(before.len());
        check_reads(&fork, &own, &[&before[14..15], &theirs].concat());
        seal_tail(&mut fork);
        check_reads(&fork, &own, &theirs);
        drop(fork);
        check_reads(&testing::open(&folder), &own, &theirs);
    }
}

#[test]
fn a_condition_sees_nothing_beyond_where_a_fork_begins() {
    let (base, _) = tell(STORY.len(), STORY.len());
    let later = events(&base, 30).split_off(17);
    let (mut fork, _, _) = forked(&base, 17);
    for (number, event) in later.iter().filter(|event| event.kind == Kind::Event).enumerate() {
        let condition = Condition { after: Position(17), subjects: vec![event.subject.clone()], ..Condition::default() };
        let append = Append { events: vec![], condition: Some(condition.clone()), ..Append::default() };
        let append = Append {
            events: vec![crate::model::NewEvent { subject: "elsewhere".into(), ..story::event(&format!("n{number}")) }],
            ..append
        };
        let answer = fork.commit([Proposal::Append(append)], Timestamp(1)).expect("committed").answers.remove(0);
        assert!(answer.is_ok(), "{condition:?}: {answer:?}");
    }
}

#[test]
fn a_fork_of_a_fork_parts_before_or_after_the_place_where_the_first_did() {
    for seal in [0, 2, STORY.len()] {
        let (base, _) = tell(STORY.len(), seal);
        let (mut first, _, _) = forked(&base, 22);
        tell_on(&mut first, 100, vec![append(&["f1", "f2"])]);
        seal_tail(&mut first);
        tell_on(&mut first, 101, vec![append(&["f3"])]);
        let all = events(&first, first.head().0);
        for at in 0..=first.head().0 {
            let (second, _, _) = forked(&first, at);
            let (here, beyond) = all.split_at(whole(&all, at as usize));
            check_reads(&second, here, beyond);
        }
    }
}

#[test]
fn a_base_goes_on_merging_and_removing_what_a_fork_shares() {
    let (mut base, base_folder) = tell(STORY.len(), 3);
    let all = events(&base, base.head().0);
    let (fork, folder, told) = forked(&base, 29);
    assert!(told.segments_linked > 1, "{told:?}");
    let before = base_folder.list().expect("listed");
    for number in 0..8 {
        tell_on(&mut base, 100 + number, vec![append(&[&format!("m{number}")])]);
        seal_tail(&mut base);
    }
    let after = base_folder.list().expect("listed");
    assert!(before.iter().any(|name| !after.contains(name)), "nothing was merged: {after:?}");
    check_reads(&fork, &all[..29], &all[29..]);
    drop(fork);
    check_reads(&testing::open(&folder), &all[..29], &all[29..]);
}

#[test]
fn a_capped_segment_is_never_merged_and_those_after_it_are() {
    let (base, _) = tell(STORY.len(), STORY.len());
    let (mut fork, folder, told) = forked(&base, 22);
    assert_eq!((told.segments_linked, told.segments_capped), (1, 1));
    let shared = folder.list().expect("listed").into_iter().find(|name| name.starts_with("segment-")).expect("a segment");
    for number in 0..20 {
        tell_on(&mut fork, 100 + number, vec![append(&[&format!("m{number}")])]);
        seal_tail(&mut fork);
    }
    let files = folder.list().expect("listed");
    assert!(files.contains(&shared));
    assert!(files.iter().filter(|name| name.starts_with("segment-")).count() < 12, "nothing was merged: {files:?}");
    let all = events(&fork, fork.head().0);
    check_reads(&fork, &all, &events(&base, 30)[22..]);
}

#[test]
fn what_a_function_made_before_the_cut_is_known_when_it_reads_again() {
    // Events 9 to 11 are one commit: an append, an output of `straight`, an append.
    let (base, _) = tell(STORY.len(), 0);
    let (mut fork, _, _) = forked(&base, 10);
    assert_eq!(fork.reader().functions()["straight"].cursor, Position(6));
    let plan = story::react(&fork, "straight", 10, &[6, 9], |_| {});
    let answer = fork.commit([plan], Timestamp(1)).expect("committed").answers.remove(0);
    let Ok(Accepted::Reacted(reacted)) = answer else { panic!("{answer:?}") };
    let outputs: Vec<_> = reacted.outputs.iter().map(|made| (made.cause, made.position)).collect();
    assert_eq!(outputs, [(Position(6), Position(10)), (Position(9), Position(11))]);
}

#[test]
fn a_command_is_never_parted_from_what_was_decided_on_it() {
    let (base, _) = tell(STORY.len(), 2);
    let all = events(&base, base.head().0);
    let commands: Vec<&Event> = all.iter().filter(|event| event.kind == Kind::Command).collect();
    assert!(commands.len() > 1, "the story has some");
    for command in commands {
        for within in [0, 1] {
            let (mut fork, _, told) = forked(&base, command.position.0 + within);
            assert_eq!(told.at.0, command.position.0 - 1, "asked for {within} behind {}", command.position);
            // It is decided there, as nobody has answered it.
            let answer = fork.commit([story::decide(&fork, &command.id)], Timestamp(1)).expect("committed").answers.remove(0);
            let Ok(Accepted::Decided(decided)) = answer else { panic!("{answer:?}") };
            assert_eq!((decided.new, decided.events.len()), (true, 2));
        }
        let (mut fork, _, told) = forked(&base, command.position.0 + 2);
        assert_eq!(told.at.0, command.position.0 + 2);
        let answer = fork.commit([story::decide(&fork, &command.id)], Timestamp(1)).expect("committed").answers.remove(0);
        let Ok(Accepted::Decided(decided)) = answer else { panic!("{answer:?}") };
        assert_eq!((decided.new, decided.events.len()), (false, 2));
    }
}

#[test]
fn a_fork_beyond_the_head_or_over_a_namespace_is_refused() {
    let (base, _) = tell(5, 2);
    let head = base.head();
    let folder = MemoryFolder::default();
    let try_at = |at| fork(&base.reader(), at, Arc::new(folder.clone()), &options()).map(drop);
    assert!(matches!(try_at(head.next()), Err(StoreError::BeyondHead { head: found, .. }) if found == head));
    assert_eq!(folder.list().expect("listed"), [""; 0]);
    try_at(head).expect("forked");
    assert!(matches!(try_at(head), Err(StoreError::NotEmpty)));
}

#[test]
fn what_an_unfinished_fork_left_is_removed() {
    let (base, base_folder) = tell(STORY.len(), 2);
    let folder = MemoryFolder::default();
    for name in base_folder.list().expect("listed").iter().filter(|name| name.starts_with("segment-")) {
        folder.link(&base_folder, name).expect("linked");
    }
    folder.create("head.redb.new", super::folder::Space::Sparse).expect("made");
    let told = fork(&base.reader(), Position(4), Arc::new(folder.clone()), &options()).expect("forked");
    assert_eq!(folder.list().expect("listed").len(), told.segments_linked + 1);
    check_reads(&testing::open(&folder), &events(&base, 4), &events(&base, 30)[4..]);
}

#[test]
fn what_the_base_has_erased_is_refused_by_a_fork_at_any_position() {
    let (mut base, _) = tell(STORY.len(), 2);
    super::follow_tests::forget(&mut base, "/test", "erased");
    let (mut fork, _, _) = forked(&base, 2);
    let answer = fork.commit([append(&["erased"])], Timestamp(1)).expect("committed").answers.remove(0);
    assert!(matches!(answer, Err(Refused::Forgotten { .. })), "{answer:?}");
}
