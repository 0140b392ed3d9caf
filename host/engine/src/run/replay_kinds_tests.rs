//! Replays of views and aggregates, through upcasters that are not deployed yet, and over state that lies in
//! the head.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::testing::{OneGuest, World, coded, event, function};
use super::{CatchUp, Guests, Prepared, Reading, Replay, ReplayOptions, ReplayStep, Replayed, Runner, Settled, State, Step, Stop, measure};
use crate::model::{
    AggregateCall, Answer, CallLimits, Calls, Digest, EventDraft, EventRef, Failure, FailureKind, FunctionKind, FunctionManifest, Guest,
    Manifest, NotAnswered, Output, Position, Reactions,
};
use crate::store::{Control, Portion, Proposal, ViewFile};

const ALL: Portion = Portion { events: usize::MAX, bytes: usize::MAX };

/// Folds ids into one text, by subject or by unit; can't fold the id `never`. Turns `old` into `a`.
struct Folds;

fn joined(before: &[u8], events: &[EventRef<'_>]) -> Result<Vec<u8>, Failure> {
    let mut state = before.to_vec();
    for (index, event) in events.iter().enumerate() {
        if event.id == "never" {
            return Err(Failure { event: index as u32, kind: FailureKind::Reject, message: "no".into() });
        }
        state.extend_from_slice(event.id.as_bytes());
    }
    Ok(state)
}

impl Guest for Folds {
    fn handle(&self, _: &str, _: &[EventRef<'_>], _: &CallLimits, _: &mut dyn Calls) -> Answer {
        Answer::Reactions(Reactions::default())
    }

    fn evolve(
        &self,
        aggregate: &AggregateCall<'_>,
        events: &[EventRef<'_>],
        _: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<u8>, Failure>, NotAnswered> {
        calls.used(3);
        assert!(events.iter().all(|event| event.subject == aggregate.subject));
        Ok(joined(aggregate.state.unwrap_or_default(), events))
    }

    fn project(&self, _: &str, events: &[EventRef<'_>], _: &CallLimits, calls: &mut dyn Calls) -> Result<Result<(), Failure>, NotAnswered> {
        for (index, event) in events.iter().enumerate() {
            let before = calls.state_get(index as u32, "all").expect("rows can be read").unwrap_or_default();
            match joined(&before, std::slice::from_ref(event)) {
                Ok(state) => calls.state_put(index as u32, "all", &state).expect("within limits"),
                Err(failure) => return Ok(Err(Failure { event: index as u32, ..failure })),
            }
        }
        Ok(Ok(()))
    }

    fn upcast(
        &self,
        _: &str,
        events: &[EventRef<'_>],
        _: &CallLimits,
        _: &mut dyn Calls,
    ) -> Result<Result<Vec<Vec<EventDraft>>, Failure>, NotAnswered> {
        Ok(Ok(events.iter().map(|_| vec![EventDraft { r#type: "a".into(), ..EventDraft::default() }]).collect()))
    }
}

fn run(reading: &Reading<'_>, replayed: &Replayed, lanes: usize, portion: usize, guest: &dyn Guest) -> (BTreeMap<String, String>, Replay) {
    let (file, _) = reading.snapshot.reader().open_shadow(&replayed.manifest.name, replayed.identity, 1 << 20).expect("it opens");
    let mut replay =
        Replay::new(reading, replayed, ReplayOptions { threads: lanes, ..ReplayOptions::default() }, &file).expect("it begins");
    for _ in 0..1_000 {
        let portion = Portion { events: portion, bytes: usize::MAX };
        let Prepared::Parts(parts) = replay.prepare(reading, replayed, &file, portion).expect("the log can be read") else {
            panic!("parts")
        };
        let folded = parts.iter().rev().map(|part| part.fold(guest, &mut |_, _| {})).collect();
        if let ReplayStep::Level { through_commit } = replay.finish(&file, folded).expect("written") {
            assert_eq!(through_commit, reading.snapshot.commit());
            return (texts(&file), replay);
        }
    }
    panic!("it doesn't end");
}

fn texts(file: &ViewFile) -> BTreeMap<String, String> {
    let rows = file.snapshot().and_then(|snapshot| snapshot.scan("", None, 1_000)).expect("rows can be read");
    rows.into_iter().map(|(key, value)| (key, String::from_utf8_lossy(&value).into_owned())).collect()
}

fn of(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
    rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn every_subject_of_an_aggregate_and_every_unit_of_a_view_is_folded_and_what_can_not_be_is_shown() {
    let aggregate = FunctionManifest { kind: FunctionKind::Aggregate, ..function("sums", &["a"], &[]) };
    let view = FunctionManifest { kind: FunctionKind::View, split: Some(1), ..function("shows", &["a"], &[]) };
    let mut world = World::new(&[aggregate.clone(), view.clone()]);
    for (id, subject) in [("1", "x/1"), ("2", "y/1"), ("3", "x/2"), ("never", "x/1"), ("4", "x/1"), ("5", "")] {
        world.append(vec![event(id, "a", subject)]);
    }
    let (snapshot, guests) = (world.snapshot(), OneGuest(Arc::new(Folds)));
    let reading = Reading::new(&snapshot, &guests);
    for (number, (lanes, portion)) in [(1, 100), (2, 2), (3, 100)].into_iter().enumerate() {
        let replayed = |manifest: &FunctionManifest, follows: bool| Replayed {
            manifest: manifest.clone(),
            follows: follows.then(|| snapshot.function(&manifest.name).expect("deployed").clone()),
            identity: Digest([number as u8; 32]),
        };
        let (rows, replay) = run(&reading, &replayed(&aggregate, true), lanes, portion, &Folds);
        assert_eq!(rows, of(&[("x/1", "14"), ("x/2", "3"), ("y/1", "2")]));
        assert_eq!((replay.report().events, replay.report().failures, replay.report().failed[0].position), (6, 1, Position(5)));
        assert!(replay.report().fuel > 0);
        let (rows, replay) = run(&reading, &replayed(&view, number == 0), lanes, portion, &Folds);
        assert_eq!(rows, of(&[("/all", "5"), ("x/all", "134"), ("y/all", "2")]));
        assert_eq!((replay.report().failures, replay.position()), (1, world.store.head()));
    }
}

struct NothingLoaded;

impl Guests for NothingLoaded {
    fn guest(&self, _: u32) -> Option<Arc<dyn Guest>> {
        None
    }
}

#[test]
fn a_replay_reads_through_upcasters_that_are_not_deployed_yet() {
    let view = FunctionManifest { kind: FunctionKind::View, ..function("shows", &["a"], &[]) };
    let mut world = World::new(std::slice::from_ref(&view));
    world.append(vec![event("1", "a", "x"), event("2", "old", "x"), event("3", "a", "x")]);
    let upcaster = FunctionManifest { kind: FunctionKind::Upcaster, ..function("renews", &["old"], &["a"]) };
    let candidate = Manifest { name: "other".into(), version: "1.0.0".into(), functions: vec![upcaster], schemas: Vec::new() };
    let (snapshot, guests) = (world.snapshot(), OneGuest(Arc::new(Folds)));
    let replayed = |number: u8| Replayed { manifest: view.clone(), follows: None, identity: Digest([number; 32]) };
    let (rows, _) = run(&Reading::new(&snapshot, &guests), &replayed(1), 1, 100, &Folds);
    assert_eq!(rows, of(&[("all", "13")]));
    let reading = Reading::with_candidate(&snapshot, &NothingLoaded, &candidate, Arc::new(Folds));
    let (rows, _) = run(&reading, &replayed(2), 1, 100, &Folds);
    assert_eq!(rows, of(&[("all", "123")]));
    world
        .propose(Proposal::Deploy(crate::store::Deploy {
            manifest: candidate,
            digest: Digest::of(b"other"),
            component: Vec::new(),
            levels: Vec::new(),
            rollback: false,
            send: false,
        }))
        .expect("deployed");
    let snapshot = world.snapshot();
    let (rows, _) = run(&Reading::without_module(&snapshot, &guests, "other"), &replayed(3), 1, 100, &Folds);
    assert_eq!(rows, of(&[("all", "13")]));
}

/// Keeps all ids that it has handled, in order. Can't handle `never`.
fn keeping() -> Arc<dyn Guest> {
    coded(|event: &EventRef<'_>, index: u32, calls: &mut dyn Calls| -> Result<Vec<Output>, Answer> {
        calls.used(7);
        if event.id == "never" {
            return Err(Answer::Failed(Failure { event: index, kind: FailureKind::Reject, message: "no".into() }));
        }
        let before = calls.state_get(index, "all").expect("state can be read").unwrap_or_default();
        calls.state_put(index, "all", &[&before[..], event.id.as_bytes()].concat()).expect("within limits");
        Ok(Vec::new())
    })
}

fn handle_all(world: &mut World, runner: &mut Runner) {
    while let Step::Plan(ticket, plan) = world.step(runner, &keeping()) {
        world.propose(Proposal::Reaction(*plan)).expect("committed");
        runner.settled(ticket, Settled::Committed);
    }
}

#[test]
fn state_of_an_earlier_commit_is_brought_level_by_the_record_after_it() {
    // The function `kept` lends its place in the head.
    let mut world = World::new(&[function("f", &["a"], &[]), function("kept", &["b"], &[])]);
    let mut runner = Runner::new("f");
    world.append(vec![event("1", "a", "x"), event("never", "a", "y")]);
    handle_all(&mut world, &mut runner);
    let commit = world.snapshot().commit();
    world.put_state("kept", &[("all", "1")]);
    for id in ["2", "3", "4", "5"] {
        world.append(vec![event(id, "a", "x")]);
        handle_all(&mut world, &mut runner);
    }
    let slot = world.row("kept").slot;
    let step = |world: &World, catch_up: &mut CatchUp, portion: usize| {
        let (snapshot, guests) = (world.snapshot(), OneGuest(keeping()));
        let (row, portion) = (world.row("f"), Portion { events: portion, ..ALL });
        let brought = catch_up.step(&Reading::new(&snapshot, &guests), &row.manifest, &row, &*keeping(), portion, &mut |_, _| {});
        brought.expect("the log can be read")
    };
    let all = |brought: &super::Brought| brought.writes.iter().map(|write| write.value.clone().unwrap_or_default()).collect::<Vec<_>>();
    let brought = step(&world, &mut CatchUp::new(slot, commit), 1_000).unwrap_or_else(|stop| panic!("{stop:?}"));
    assert_eq!((all(&brought), brought.level, brought.through_commit), (vec![b"12345".to_vec()], true, world.snapshot().commit()));
    // From portion to portion; what is answered goes into the head.
    let mut catch_up = CatchUp::new(slot, commit);
    let first = step(&world, &mut catch_up, 1).unwrap_or_else(|stop| panic!("{stop:?}"));
    assert!(!first.level && first.through_commit < world.snapshot().commit());
    let through = first.through_commit;
    let text = String::from_utf8(all(&first)[0].clone()).expect("text");
    world.append(vec![event("6", "b", "x")]);
    world.put_state("kept", &[("all", &text)]);
    let mut again = CatchUp::new(slot, through);
    for catch_up in [&mut catch_up, &mut again] {
        let rest = step(&world, catch_up, 1_000).unwrap_or_else(|stop| panic!("{stop:?}"));
        assert_eq!((all(&rest), rest.level), (vec![b"12345".to_vec()], true));
    }
    // What a rewind did after the state's place is followed; one to before it undoes what the state is made of.
    world.put_state("kept", &[("all", "1")]);
    let cursor = world.row("f").cursor;
    world.control("f", Control::Rewind(Position(cursor.0 - 1)));
    handle_all(&mut world, &mut runner);
    let brought = step(&world, &mut CatchUp::new(slot, commit), 1_000).unwrap_or_else(|stop| panic!("{stop:?}"));
    assert_eq!((all(&brought), brought.level), (vec![b"12345".to_vec()], true));
    let commit = world.snapshot().commit();
    world.control("f", Control::Rewind(cursor));
    assert_eq!(step(&world, &mut CatchUp::new(slot, commit), 1_000).err(), Some(Stop::Undone));
    handle_all(&mut world, &mut runner);
    world.control("f", Control::Rewind(Position(2)));
    assert_eq!(step(&world, &mut CatchUp::new(slot, commit), 1_000).err(), Some(Stop::Undone));
}

#[test]
fn what_an_event_costs_is_measured_on_the_last_ones_and_changes_nothing() {
    let mut world = World::new(&[function("f", &["a"], &[])]);
    world.append((0..30).map(|number| event(&number.to_string(), "a", "x")).collect());
    handle_all(&mut world, &mut Runner::new("f"));
    let (snapshot, guests) = (world.snapshot(), OneGuest(keeping()));
    let (reading, row) = (Reading::new(&snapshot, &guests), world.row("f"));
    for state in [State::Nothing, State::Slot(row.slot)] {
        let measured = measure(&reading, &row.manifest, &*keeping(), &state, 10).expect("the log can be read");
        assert_eq!((measured.events, measured.fuel), (10, 70));
    }
    let (before, after) = (snapshot.commit(), world.snapshot().commit());
    assert_eq!(before, after);
}
