//! Waves: what was missed comes as if it had not been, and no order is lost.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::retell::testing::{Tens, made, named, run};
use super::testing::{World, event, function};
use super::waves::{Clock, first_occurrence, next_wave, wave};
use crate::model::{EventRef, FunctionManifest, Guest, Missed, Output, Schedule, TimerDraft, Timestamp};
use crate::store::{Due, Occurrence, Proposal};

fn schedule(missed: Missed) -> Schedule {
    Schedule { key: "tens".into(), cron: "*/10".into(), time_zone: "UTC".into(), r#type: "a.ten".into(), missed }
}

fn due(at: u64, subject: &str) -> Due {
    Due::Schedule(Occurrence { function: "f".into(), key: subject.into(), due: Timestamp(at), fires: true, next: None })
}

fn subjects(wave: &[Due]) -> Vec<&str> {
    wave.iter().map(Due::subject).collect()
}

#[test]
fn a_wave_ends_before_a_second_late_one_of_a_subject_and_before_what_comes_after_it() {
    let all = vec![due(4, "b"), due(3, "c"), due(1, "a"), due(2, "b"), due(9, "d")];
    assert_eq!(subjects(&wave(all.clone(), Timestamp(5))), ["a", "b", "c"]);
    // The first is late; the second need not be.
    assert_eq!(subjects(&wave(all.clone(), Timestamp(3))), ["a", "b", "c"]);
    // In time, they come as they come.
    assert_eq!(subjects(&wave(all, Timestamp(2))), ["a", "b", "c", "b", "d"]);
    assert_eq!(subjects(&wave(vec![due(1, ""), due(2, "")], Timestamp(5))), ["", ""]);
}

/// Sets, for each event, a timer at 20 and one at 40 of the same subject; what comes at 20 sets one at 30 and
/// cancels that at 40, unless it is about `keep`.
fn chained(_: &str, event: &EventRef<'_>) -> Vec<Output> {
    let timer = |key: &str, due: u64, r#type: &str| {
        let (key, subject) = (format!("{key}/{}", event.subject), event.subject.to_owned());
        Output::Schedule(TimerDraft { key, due: Timestamp(due), r#type: r#type.into(), subject, data: b"{}".to_vec() })
    };
    match event.r#type {
        "a.placed" => vec![timer("first", 20, "a.first"), timer("last", 40, "a.last")],
        "a.first" if event.subject == "keep" => vec![timer("middle", 30, "a.middle")],
        "a.first" => vec![timer("middle", 30, "a.middle"), Output::Cancel(format!("last/{}", event.subject))],
        "a.middle" | "a.last" => vec![made("seen", event.subject, event.r#type.as_bytes())],
        _ => Vec::new(),
    }
}

/// The namespace, with the host at work at these times only.
fn lived(times: impl Iterator<Item = u64>, missed: Missed) -> World {
    let manifest = FunctionManifest { timers: true, schedules: vec![schedule(missed)], ..function("watching", &["a.*"], &["seen"]) };
    let mut world = World::new(std::slice::from_ref(&manifest));
    let guest: Arc<dyn Guest> = named(|name, event, _, _| Ok(chained(name, event)));
    let next = first_occurrence(&manifest.schedules[0], Timestamp(0), &Tens);
    world.propose(Proposal::Schedule { function: "watching".into(), key: "tens".into(), next }).expect("set");
    world.append(["x", "keep", "y"].iter().map(|subject| event(subject, "a.placed", subject)).collect());
    run(&mut world, &guest);
    world.store.reader();
    for time in times {
        // Recorded time began at a million.
        world.now = Timestamp(1_000_000 + time);
        loop {
            let clock = Clock { now: Timestamp(time), late_before: Timestamp(time.saturating_sub(5)) };
            let wave = next_wave(&world.snapshot(), clock, 100, &Tens).expect("read");
            if wave.is_empty() {
                break;
            }
            world.propose(Proposal::Fire(wave)).expect("fired");
            run(&mut world, &guest);
        }
    }
    world
}

/// Of each event but for the first few: id, source, type, subject, time.
fn events(world: &World) -> BTreeSet<(String, String, String, String, Timestamp)> {
    let snapshot = world.snapshot();
    let all = (2..=snapshot.head().0).map(|position| snapshot.event(crate::model::Position(position)).expect("read").expect("there"));
    all.map(|event| (event.id, event.source, event.r#type, event.subject, event.time)).collect()
}

#[test]
fn what_was_missed_comes_with_the_same_events_times_and_ids_as_if_nothing_had_been_missed() {
    let (on_time, late) = (lived(0..=100, Missed::All), lived([100].into_iter(), Missed::All));
    assert_eq!(events(&late), events(&on_time));
    let seen: Vec<(String, Timestamp)> = events(&late)
        .into_iter()
        .filter(|event| event.2 == "seen")
        .map(|event| (event.3, event.4))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let expected = [("keep", 30), ("keep", 40), ("x", 30), ("y", 30)];
    assert_eq!(seen, expected.map(|(subject, time)| (subject.to_owned(), Timestamp(time))));
    assert_eq!(late.snapshot().next_due().expect("read"), None);
}

#[test]
fn missed_occurrences_come_all_or_the_latest_or_none_as_the_schedule_says() {
    let fired = |world: &World| -> Vec<u64> {
        events(world).into_iter().filter(|event| event.2 == "a.ten").map(|event| event.4.0).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let times = || [12, 57, 61, 100].into_iter();
    assert_eq!(fired(&lived(times(), Missed::All)), (1..=10).map(|ten| ten * 10).collect::<Vec<_>>());
    assert_eq!(fired(&lived(times(), Missed::Latest)), [10, 50, 60, 100]);
    // Five late is late enough to be missed.
    assert_eq!(fired(&lived(times(), Missed::Skip)), [10, 60, 100]);
}

#[test]
fn what_was_due_between_two_times_of_a_schedule_comes_between_them_however_late_it_is() {
    let manifest = FunctionManifest { timers: true, schedules: vec![schedule(Missed::All)], ..function("watching", &["a.*"], &[]) };
    let mut world = World::new(std::slice::from_ref(&manifest));
    let guest: Arc<dyn Guest> = named(|_, event, _, _| {
        let (due, subject) = (Timestamp(event.subject.parse().unwrap_or_default()), event.subject.to_owned());
        let timer = TimerDraft { key: subject.clone(), due, r#type: "a.single".into(), subject, data: b"{}".to_vec() };
        Ok(if event.r#type == "a.placed" { vec![Output::Schedule(timer)] } else { Vec::new() })
    });
    let next = first_occurrence(&manifest.schedules[0], Timestamp(0), &Tens);
    world.propose(Proposal::Schedule { function: "watching".into(), key: "tens".into(), next }).expect("set");
    world.append(["5", "15", "25", "20", "95"].iter().map(|subject| event(subject, "a.placed", subject)).collect());
    run(&mut world, &guest);
    loop {
        let clock = Clock { now: Timestamp(100), late_before: Timestamp(100) };
        let wave = next_wave(&world.snapshot(), clock, 100, &Tens).expect("read");
        if wave.is_empty() {
            break;
        }
        world.propose(Proposal::Fire(wave)).expect("fired");
        run(&mut world, &guest);
    }
    let snapshot = world.snapshot();
    let all = (2..=snapshot.head().0).map(|position| snapshot.event(crate::model::Position(position)).expect("read").expect("there"));
    let fired: Vec<u64> = all.filter(|event| event.source == "/timers/watching").map(|event| event.time.0).collect();
    assert_eq!(fired, [5, 10, 15, 20, 20, 25, 30, 40, 50, 60, 70, 80, 90, 95, 100]);
}
