//! Retellings of logs in which time passed: timers, schedules, requests and their answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::testing::{Target, Tens, derived, entries, made, named, plan, retold, run};
use super::{Ending, RetellPlan, Retelling, Retold};
use crate::model::{
    EventRef, FunctionManifest, Guest, Kind, Missed, Output, Position, REQUEST_REPLIED, RequestDraft, Schedule, TimerDraft, Timestamp,
};
use crate::run::testing::{World, event, function};
use crate::run::{Clock, bring_in, first_occurrence, next_wave};
use crate::store::{Proposal, Reply};

const BEGAN: u64 = 1_000_000;

fn watching() -> FunctionManifest {
    let schedule =
        Schedule { key: "tens".into(), cron: "*/10".into(), time_zone: "UTC".into(), r#type: "a.ten".into(), missed: Missed::All };
    FunctionManifest {
        timers: true,
        schedules: vec![schedule],
        hosts: vec!["example.com".into()],
        ..function("watching", &["a.*", REQUEST_REPLIED], &["seen"])
    }
}

/// For each `a.placed` timers in 20 and in 40; what comes first sets one in 10 and cancels the last, unless it is
/// about `keep`, and asks the outside in the words of `version`.
fn outputs(event: &EventRef<'_>, version: &str) -> Vec<Output> {
    let timer = |key: &str, after: u64, r#type: &str| {
        let (key, subject) = (format!("{key}/{}", event.subject), event.subject.to_owned());
        Output::Schedule(TimerDraft { key, due: Timestamp(event.time.0 + after), r#type: r#type.into(), subject, data: b"{}".to_vec() })
    };
    let request = RequestDraft {
        method: "POST".into(),
        url: "https://example.com/".into(),
        body: format!("{version} of {}", event.subject).into_bytes(),
        ..RequestDraft::default()
    };
    match event.r#type {
        "a.placed" => vec![timer("first", 20, "a.first"), timer("last", 40, "a.last")],
        "a.first" if event.subject == "keep" => vec![timer("middle", 10, "a.middle")],
        "a.first" => {
            vec![timer("middle", 10, "a.middle"), Output::Cancel(format!("last/{}", event.subject)), Output::Request(request)]
        }
        r#type => vec![made("seen", event.subject, format!("{type} at {}", event.time.0))],
    }
}

fn code(version: &'static str) -> Arc<dyn Guest> {
    named(move |_, event, _, _| Ok(outputs(event, version)))
}

/// A log that was lived for a hundred, with an event now and then, and an answer five after each request.
fn lived() -> World {
    lived_with("one", 5)
}

fn lived_with(version: &'static str, answered_after: u64) -> World {
    let mut world = World::new(&[watching()]);
    let guest = code(version);
    let next = first_occurrence(&watching().schedules[0], Timestamp(BEGAN), &Tens);
    world.propose(Proposal::Schedule { function: "watching".into(), key: "tens".into(), next }).expect("set");
    let mut answers: BTreeMap<u64, Vec<Position>> = BTreeMap::new();
    for time in 0..=100 {
        world.now = Timestamp(BEGAN + time);
        if time % 7 == 3 {
            let subject = if time == 24 { "keep".to_owned() } else { format!("s/{}", time % 3) };
            world.append(vec![event(&format!("e{time}"), "a.placed", &subject)]);
            run(&mut world, &guest);
        }
        loop {
            let clock = Clock { now: world.now, late_before: Timestamp(0) };
            let wave = next_wave(&world.snapshot(), clock, 100, &Tens).expect("read");
            if wave.is_empty() {
                break;
            }
            world.propose(Proposal::Fire(wave)).expect("fired");
            run(&mut world, &guest);
        }
        for request in answers.remove(&time).unwrap_or_default() {
            let reply = Reply { request, r#type: REQUEST_REPLIED.into(), data: b"{}".to_vec(), time: world.now };
            world.propose(Proposal::Reply(reply)).expect("answered");
            run(&mut world, &guest);
        }
        let known: Vec<Position> = answers.values().flatten().copied().collect();
        let pending = world.snapshot().outbox(&Default::default(), Position::START, 100).expect("read").requests;
        let new = pending.into_iter().map(|request| request.position).filter(|position| !known.contains(position));
        answers.entry(time + answered_after).or_default().extend(new);
    }
    world
}

fn plan_of(functions: &[FunctionManifest]) -> RetellPlan {
    let scheduled = BTreeMap::from([(("watching".to_owned(), "tens".to_owned()), Timestamp(BEGAN + 10))]);
    RetellPlan { scheduled, ..plan(functions) }
}

#[test]
fn timers_fire_in_a_retelling_when_they_fired_and_answers_are_told_where_the_request_is_made_again() {
    let base = lived();
    let target = retold(&base, &plan_of(&[watching()]), &code("one"));
    let (told, old) = (target.entries(), entries(&base.store));
    assert_eq!(derived(&told), derived(&old));
    assert_eq!(target.told.dropped, 0);
    let count = |kind: Kind| told.iter().filter(|entry| entry.kind == kind).count();
    assert!(count(Kind::Timer) > 30 && count(Kind::Request) >= 5, "{} {}", count(Kind::Timer), count(Kind::Request));
    let replies: Vec<_> = told.iter().filter(|entry| entry.r#type == REQUEST_REPLIED).collect();
    assert!(replies.len() >= 4, "{}", replies.len());
    for reply in replies {
        let request = &told[reply.cause.expect("it has one").0 as usize - 1];
        assert_eq!((request.kind, request.id.as_str()), (Kind::Request, reply.id.as_str()));
    }
    // The same is pending in both.
    let pending = |world: &crate::store::Snapshot| -> Vec<(Timestamp, String)> {
        let timers = world.timers_by_due(None, 1_000).expect("read").timers;
        timers.into_iter().map(|timer| (timer.due, timer.key)).collect()
    };
    let snapshot = target.store.reader().snapshot().expect("readable");
    assert_eq!(pending(&snapshot), pending(&base.snapshot()));
    let times = told.windows(2).all(|two| two[0].recorded <= two[1].recorded);
    assert!(times, "recorded time never goes back");
    // Nothing comes before it is due, and what is due comes before the next source event.
    let mut due_before = Timestamp(0);
    for entry in &told {
        if entry.source.starts_with("/timers/") {
            assert!(entry.time >= due_before && entry.recorded >= entry.time, "{entry:?}");
            due_before = entry.time;
        }
    }
}

#[test]
fn two_retellings_of_a_log_with_timers_are_the_same_to_the_byte_however_they_are_stepped() {
    let base = lived();
    let plan = plan_of(&[watching()]);
    let once = retold(&base, &plan, &code("one"));
    for units in [1, 3] {
        let mut target = Target::new();
        let end = target.run(&base, &plan, &code("one"), units);
        assert!(matches!(end, Retold::Level), "{end:?}");
        assert_eq!(target.entries(), once.entries(), "by {units}");
    }
    assert_eq!(retold(&base, &plan, &code("one")).bytes(), once.bytes());
    // Gone on with by another process after each step.
    let mut target = Target::new();
    for _ in 0..10_000 {
        let mut fresh = Retelling::new(plan.clone(), Arc::new(Tens));
        if let Some(Retold::Level) = target.step(&base, &mut fresh, &code("one"), 1, Ending::AtTheHead) {
            break;
        }
    }
    assert_eq!(target.entries(), once.entries());
}

#[test]
fn the_answer_to_a_request_that_is_made_otherwise_is_left_out_and_the_request_waits() {
    let base = lived();
    let target = retold(&base, &plan_of(&[watching()]), &code("two"));
    let told = target.entries();
    let of = |entries: &[crate::model::Event], r#type: &str| entries.iter().filter(|entry| entry.r#type == r#type).count();
    let replies = of(&entries(&base.store), REQUEST_REPLIED);
    assert_eq!((target.told.dropped, of(&told, REQUEST_REPLIED)), (replies as u64, 0));
    let snapshot = target.store.reader().snapshot().expect("readable");
    let waiting = snapshot.outbox(&Default::default(), Position::START, 100).expect("read").requests;
    assert_eq!(waiting.len(), told.iter().filter(|entry| entry.kind == Kind::Request).count());
}

#[test]
fn schedules_that_the_plan_does_not_name_do_not_come_in_a_retelling() {
    let base = lived();
    let target = retold(&base, &plan(&[watching()]), &code("one"));
    assert_eq!(target.entries().iter().filter(|entry| entry.r#type == "a.ten").count(), 0);
    let encoded = plan_of(&[watching()]).encode();
    assert_eq!(RetellPlan::decode(&encoded), Ok(plan_of(&[watching()])));
}

#[test]
fn an_answer_is_brought_into_the_log_before_only_where_the_request_was_made_there() {
    let from = lived();
    let replies = entries(&from.store).iter().filter(|entry| entry.r#type == REQUEST_REPLIED).count();
    let pending = |world: &World| world.snapshot().outbox(&Default::default(), Position::START, 100).expect("read").requests.len();
    for (version, brought) in [("one", replies), ("two", 0)] {
        let mut target = lived_with(version, 1_000);
        let before = pending(&target);
        assert!(before >= replies);
        let found = bring_in(&from.snapshot(), Position::START, &target.store.reader()).expect("readable");
        assert_eq!(found.events, brought as u64, "{version}");
        target.store.follow(found.commits).expect("they are the next ones");
        assert_eq!(pending(&target), before - brought, "{version}");
    }
}
