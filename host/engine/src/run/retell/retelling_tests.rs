//! Retellings against logs that were made live, and against themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::testing::{Target, Tens, count, derived, entries, history, live, made, named, plan, retold, run, sources};
use super::{Ending, RetellPlan, Retelling, Retold};
use crate::model::{
    Answer, CallLimits, Calls, Class, EventDraft, EventRef, Failure, FailureKind, FunctionKind, FunctionManifest, Guest, Kind, NewEvent,
    NotAnswered, Position, Processing, Reaction, Timestamp, limits,
};
use crate::run::testing::{World, event, function};
use crate::store::testing::{MemoryFolder, open};
use crate::store::{Accepted, Decision, Proposal};

/// `counting` counts `a` by subject, `telling` tells of each count, and `down` counts its own events down.
fn functions() -> Vec<FunctionManifest> {
    vec![function("counting", &["a"], &["b"]), function("down", &["d"], &["d"]), function("telling", &["b"], &["c", "d"])]
}

/// Multiplies what it counts.
fn code(times: u32) -> Arc<dyn Guest> {
    named(move |function, event, index, calls| {
        Ok(match function {
            "counting" => vec![made("b", event.subject, (count(calls, index, event.subject) * times).to_string())],
            "telling" => {
                let data = String::from_utf8_lossy(event.data).into_owned();
                vec![made("c", &format!("{} of {}", data, event.subject), event.data), made("d", event.subject, "3")]
            }
            _ => match event.data {
                b"0" => Vec::new(),
                data => vec![made("d", event.subject, (data[0] - b'0' - 1).to_string())],
            },
        })
    })
}

#[test]
fn a_retelling_has_what_the_new_code_would_have_made_from_the_start() {
    let base = live(&functions(), &code(1), history(60));
    let target = retold(&base, &plan(&functions()), &code(2));
    let fresh = live(&functions(), &code(2), history(60));
    let (told, old) = (target.entries(), entries(&base.store));
    assert_eq!(derived(&told), derived(&entries(&fresh.store)));
    assert_eq!(derived(&told).len(), 60 * 6);
    assert_ne!(derived(&told), derived(&old));
    assert_eq!((target.told.kept, target.told.derived, target.told.dropped), (60, 360, 0));
    // Source events are as they were, in old order; what they cause comes right behind each.
    let source = |event: &&crate::model::Event| event.class == Class::Source;
    for (new, old) in told.iter().filter(source).zip(old.iter().filter(source)) {
        let same = crate::model::Event { position: new.position, ..old.clone() };
        assert_eq!(*new, same);
    }
    assert_eq!(sources(&told), sources(&old));
    let mut recorded = Timestamp(0);
    for event in &told {
        assert!(event.recorded >= recorded, "{event:?}");
        recorded = event.recorded;
        if let Some(cause) = event.cause {
            let cause = &told[cause.0 as usize - 1];
            assert_eq!((Some(&cause.id), cause.recorded), (event.causation_id.as_ref(), event.recorded));
            assert!(event.position.0 - cause.position.0 < 7);
        }
    }
    // Functions stand where they would, with the state that they would have.
    let (one, other) = (target.store.reader().snapshot().expect("readable"), fresh.snapshot());
    for name in ["counting", "telling", "down"] {
        let state = |snapshot: &crate::store::Snapshot| {
            let mut all = BTreeMap::new();
            let ordinal = snapshot.function(name).expect("deployed").ordinal;
            snapshot.scan_state(ordinal, "", None, |key, value| all.insert(key.to_owned(), value.to_vec()).is_none()).expect("readable");
            all
        };
        assert_eq!(state(&one), state(&other), "{name}");
    }
    assert!(one.function("counting").expect("deployed").cursor >= Position(told.len() as u64 - 6));
}

#[test]
fn the_functions_of_a_retelling_go_on_live_where_it_ended() {
    let mut base = live(&functions(), &code(1), history(20));
    let target = retold(&base, &plan(&functions()), &code(1));
    let mut promoted = World { store: target.store, now: base.now };
    for world in [&mut base, &mut promoted] {
        world.append(vec![event("more", "a", "s/1")]);
        run(world, &code(1));
    }
    assert_eq!(derived(&entries(&base.store)), derived(&entries(&promoted.store)));
}

/// Answers so much that records are full in the middle of a unit.
fn verbose() -> Arc<dyn Guest> {
    named(|function, event, index, calls| {
        Ok(match function {
            "counting" => {
                let many = if event.id.ends_with('3') { 9 } else { 1 };
                let seen = count(calls, index, event.subject);
                (0..many).map(|_| made("b", event.subject, format!("{seen:>50000}"))).collect()
            }
            "telling" => vec![made("c", "c", event.data), made("d", event.subject, "2")],
            _ => match event.data {
                b"0" => Vec::new(),
                data => vec![made("d", event.subject, (data[0] - b'0' - 1).to_string())],
            },
        })
    })
}

#[test]
fn two_retellings_of_one_history_are_the_same_byte_by_byte() {
    let base = live(&functions(), &code(1), history(700));
    let (plan, guest) = (plan(&functions()), code(3));
    let (mut one, mut other) = (Target::new(), Target::new());
    one.run(&base, &plan, &guest, 1);
    other.run(&base, &plan, &guest, 100_000);
    assert_eq!(one.bytes(), other.bytes());
    assert_eq!(one.bytes().len(), 1 + 700_usize.div_ceil(limits::RETOLD_UNITS_PER_RECORD));
}

#[test]
fn a_retelling_that_is_taken_up_again_after_any_record_makes_the_same_bytes() {
    let base = live(&functions(), &named(|_, _, _, _| Ok(Vec::new())), history(40));
    let (plan, guest) = (plan(&functions()), verbose());
    let mut whole = Target::new();
    whole.run(&base, &plan, &guest, 100_000);
    let expected = whole.bytes();
    assert!(expected.len() > 12, "{}", expected.len());
    // One record a time, by a retelling that knows nothing, on a log that was opened again.
    let folder = MemoryFolder::default();
    loop {
        let mut store = open(&folder);
        let guests = crate::run::testing::OneGuest(guest.clone());
        match Retelling::new(plan.clone(), Arc::new(Tens))
            .step(&base.snapshot(), &store.reader(), &guests, 100_000, Ending::AtTheHead)
            .expect("readable")
        {
            Retold::Begin { deployments, recorded } => {
                drop(store.commit(deployments.into_iter().map(Proposal::Deploy), recorded).expect("written"));
            }
            Retold::Commits { mut commits, .. } => {
                commits.truncate(1);
                store.follow(commits).expect("the next one");
            }
            end => {
                assert!(matches!(end, Retold::Level), "{end:?}");
                break;
            }
        }
    }
    let again = Target { store: open(&folder), told: whole.told };
    assert!(again.bytes() == expected);
}

#[test]
fn a_retelling_that_follows_a_growing_log_in_whole_records_makes_the_same_bytes() {
    let mut base = World::new(&functions());
    let (plan, guest) = (plan(&functions()), verbose());
    let (mut following, mut retelling) = (Target::new(), Retelling::new(plan.clone(), Arc::new(Tens)));
    for events in history(320).chunks(40) {
        base.append(events.to_vec());
        while following.step(&base, &mut retelling, &guest, 1_000, Ending::WholeRecords).is_none() {}
    }
    while following.step(&base, &mut retelling, &guest, 1_000, Ending::AtTheHead).is_none() {}
    let mut whole = Target::new();
    whole.run(&base, &plan, &guest, 100_000);
    assert!(following.bytes() == whole.bytes());
}

#[test]
fn what_fills_no_record_waits_unless_it_is_asked_for() {
    let mut base = live(&functions(), &code(1), history(300));
    let (mut target, mut retelling, guest) = (Target::new(), Retelling::new(plan(&functions()), Arc::new(Tens)), code(1));
    let end = loop {
        if let Some(end) = target.step(&base, &mut retelling, &guest, 10_000, Ending::WholeRecords) {
            break end;
        }
    };
    assert!(matches!(end, Retold::Waits), "{end:?}");
    assert_eq!(target.told.kept, limits::RETOLD_UNITS_PER_RECORD as u64);
    assert!(target.step(&base, &mut retelling, &guest, 10_000, Ending::AtTheHead).is_none());
    assert_eq!(target.told.kept, 300);
    assert!(matches!(target.step(&base, &mut retelling, &guest, 10_000, Ending::AtTheHead), Some(Retold::Level)));
    // It follows the head.
    base.append(vec![event("more", "a", "s/1")]);
    run(&mut base, &guest);
    assert!(target.step(&base, &mut retelling, &guest, 10_000, Ending::AtTheHead).is_none());
    assert_eq!(target.told.kept, 301);
    assert_eq!(derived(&target.entries()), derived(&entries(&base.store)));
}

#[test]
fn a_function_that_began_later_reads_nothing_of_what_came_before() {
    let base = live(&functions(), &code(1), history(30));
    let start = entries(&base.store).iter().find(|event| event.id == "e19").expect("there").position;
    let starts = BTreeMap::from([("counting".to_owned(), start)]);
    let plan = RetellPlan { starts, ..plan(&functions()) };
    let (mut whole, guest) = (Target::new(), code(1));
    assert!(matches!(whole.run(&base, &plan, &guest, 100_000), Retold::Level));
    let told = whole.entries();
    // Ten events after it, six of each.
    assert_eq!(derived(&told).len(), 60);
    let place = told.iter().find(|event| event.id == "e19").expect("there").position;
    let row = whole.store.reader().functions()["counting"].clone();
    assert_eq!(row.start, place);
    assert!(row.cursor > place);
    assert_eq!(whole.store.reader().functions()["telling"].start, Position::START);
}

/// `x.v1` has become two `x.v2`; `f` reads those.
struct Upcasting;

impl Guest for Upcasting {
    fn handle(&self, _: &str, events: &[EventRef<'_>], _: &CallLimits, _: &mut dyn Calls) -> Answer {
        let reaction =
            |(index, event): (usize, &EventRef<'_>)| Reaction { cause: index as u32, output: made("b", event.r#type, event.data) };
        Answer::Reactions(events.iter().enumerate().map(reaction).collect())
    }

    fn upcast(
        &self,
        _: &str,
        events: &[EventRef<'_>],
        _: &CallLimits,
        _: &mut dyn Calls,
    ) -> Result<Result<Vec<Vec<EventDraft>>, Failure>, NotAnswered> {
        let part = |data: &[u8]| EventDraft { r#type: "x.v2".into(), data: data.to_vec(), ..EventDraft::default() };
        if let Some(index) = events.iter().position(|event| event.data == b"bad") {
            return Ok(Err(Failure { event: index as u32, kind: FailureKind::Reject, message: "too old".into() }));
        }
        Ok(Ok(events.iter().map(|event| if event.data == b"none" { Vec::new() } else { vec![part(b"1"), part(event.data)] }).collect()))
    }
}

#[test]
fn functions_of_a_retelling_read_old_events_as_upcasters_make_them_new() {
    let upcaster = FunctionManifest { kind: FunctionKind::Upcaster, ..function("up", &["x.v1"], &["x.v2"]) };
    let functions = [function("f", &["x.v2"], &["b"]), upcaster];
    let guest: Arc<dyn Guest> = Arc::new(Upcasting);
    let events = ["2", "none", "bad", "3"].iter().enumerate();
    let events = events.map(|(index, data)| NewEvent { data: data.as_bytes().to_vec(), ..event(&index.to_string(), "x.v1", data) });
    let base = live(&functions, &guest, events.collect());
    let target = retold(&base, &plan(&functions), &guest);
    assert_eq!(derived(&target.entries()), derived(&entries(&base.store)));
    assert_eq!((target.told.derived, target.told.parked), (4, 1));
    // The log keeps what was written.
    assert_eq!(target.entries().iter().filter(|event| event.r#type == "x.v1").count(), 4);
}

#[test]
fn a_command_and_what_was_decided_on_it_are_told_as_they_were() {
    let aggregate =
        FunctionManifest { kind: FunctionKind::Aggregate, decides: vec!["take".into()], ..function("stock", &["taken"], &["taken"]) };
    let functions = [aggregate, function("f", &["taken"], &["b"])];
    let guest = named(|_, event, _, _| Ok(vec![made("b", event.subject, event.data)]));
    let mut base = live(&functions, &guest, history(2));
    let row = base.row("stock");
    let draft = |data: &str| EventDraft { r#type: "taken".into(), data: data.into(), ..EventDraft::default() };
    let decision = Decision {
        function: "stock".into(),
        module: row.module,
        epoch: row.epoch,
        command: event("c", "take", "item/1"),
        time: base.now,
        events: vec![draft("1"), draft("2")],
        folded: Position::START,
        snapshot: None,
    };
    assert!(matches!(base.propose(Proposal::Decide(decision)), Ok(Accepted::Decided(_))));
    run(&mut base, &guest);
    let target = retold(&base, &plan(&functions), &guest);
    let told = target.entries();
    let command = told.iter().find(|event| event.kind == Kind::Command).expect("told");
    let decided = &told[command.position.0 as usize..][..2];
    assert!(decided.iter().all(|event| event.cause == Some(command.position) && event.class == Class::Source && event.r#type == "taken"));
    // The same code made them, under the number that it has here.
    assert!(decided.iter().all(|event| event.producer.is_some_and(|producer| producer.module == 1)));
    assert_eq!(derived(&told), derived(&entries(&base.store)));
    let known = target.store.reader().snapshot().expect("readable").find_command(&event("c", "take", "item/1")).expect("readable");
    assert_eq!(known.expect("known").expect("the same").events.len(), 2);
}

#[test]
fn each_record_says_how_far_it_tells_and_what_its_functions_did_there() {
    let base = live(&functions(), &code(1), history(600));
    let target = retold(&base, &plan(&functions()), &code(1));
    let (mut to, mut cursors) = (Position::START, BTreeMap::new());
    let snapshot = target.store.reader().snapshot().expect("readable");
    snapshot
        .records(1, Position::START, &mut |record| {
            for entry in record.processing().expect("readable") {
                match entry {
                    Processing::Retold { to: next } => {
                        assert!(next > to);
                        to = next;
                    }
                    Processing::Reaction { function, from, to, state, .. } => {
                        assert_eq!(cursors.insert(function.clone(), to).unwrap_or_default(), from);
                        assert_eq!(state.is_some(), function == "counting");
                    }
                    other => panic!("{other:?}"),
                }
            }
            Ok(true)
        })
        .expect("readable");
    assert_eq!(Some(to), target.store.reader().retold());
    assert_eq!(cursors.len(), 3);
}
