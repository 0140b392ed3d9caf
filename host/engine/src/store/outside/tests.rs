//! Timers, schedules and requests: each fires or is answered once, and the tables are what the log says.

use std::sync::Arc;

use redb::ReadableTable;

use super::super::backup::BackupPieces;
use super::super::fork::fork;
use super::super::open::Options;
use super::super::proposal::{Accepted, Append, Control, Proposal, Reacted, Refused};
use super::super::rebuild::rebuild;
use super::super::restore::{Effects, RestoreAs, Until, restore};
use super::super::story::{append, commits, deploy, handler, react, seal_tail};
use super::super::tables;
use super::super::testing::{MemoryFolder, open};
use super::super::writer::Store;
use super::*;
use crate::model::{
    Class, Emitted, Event, FunctionManifest, Kind, Missed, NewEvent, NextOccurrence, Position, REQUEST_FAILED, REQUEST_MADE,
    REQUEST_REPLIED, Schedule, TIMER_CANCELLED, TIMER_DUE, TIMER_KEY, Timestamp,
};

struct Desk {
    store: Store,
    folder: MemoryFolder,
}

fn manifest(name: &str) -> FunctionManifest {
    let schedule = Schedule {
        key: "daily".into(),
        cron: "0 6 * * *".into(),
        time_zone: "UTC".into(),
        r#type: "day.began".into(),
        missed: Missed::All,
    };
    FunctionManifest { timers: true, hosts: vec!["example.com".into()], schedules: vec![schedule], ..handler(name) }
}

fn entry(kind: Kind, id: &str, r#type: &str, extensions: &[(&str, &str)]) -> Emitted {
    Emitted {
        kind,
        id: id.into(),
        r#type: r#type.into(),
        subject: format!("about/{id}"),
        extensions: extensions.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        content_type: "application/json".into(),
        data: id.as_bytes().to_vec(),
        time: Timestamp(7),
        hops: 1,
        cause: Position(3),
        causation_id: "cause".into(),
        correlation_id: "story".into(),
        ..Emitted::default()
    }
}

fn timer(id: &str, key: &str, due: u64) -> Emitted {
    entry(Kind::Timer, id, "t/due", &[(TIMER_DUE, &due.to_string()), (TIMER_KEY, key)])
}

fn cancelled(id: &str, key: &str) -> Emitted {
    entry(Kind::Timer, id, TIMER_CANCELLED, &[(TIMER_KEY, key)])
}

fn request(id: &str, url: &str) -> Emitted {
    entry(Kind::Request, id, REQUEST_MADE, &[("requestheaders", "a: b\nc: d: e"), ("requestmethod", "POST"), ("requesturl", url)])
}

impl Desk {
    /// Two functions, `zebra` before `ant`, deployed at position 1; event `1` at 2 and `2` at 3.
    fn new() -> Desk {
        let folder = MemoryFolder::default();
        let mut desk = Desk { store: open(&folder), folder };
        desk.accept(deploy("late", &[manifest("zebra"), manifest("ant")]), 0);
        desk.accept(append(&["1", "2"]), 0);
        desk
    }

    fn ask(&mut self, proposals: Vec<Proposal>, now: u64) -> Vec<Result<Accepted, Refused>> {
        self.store.commit(proposals, Timestamp(now)).expect("nothing fails in memory").answers
    }

    #[track_caller]
    fn accept(&mut self, proposal: Proposal, now: u64) -> Accepted {
        self.ask(vec![proposal], now).remove(0).expect("accepted")
    }

    fn emits(&self, function: &str, outputs: &[Emitted]) -> Proposal {
        react(&self.store, function, 0, &[], |plan| plan.emitted = outputs.to_vec())
    }

    #[track_caller]
    fn make(&mut self, function: &str, outputs: &[Emitted]) -> Reacted {
        match self.accept(self.emits(function, outputs), 0) {
            Accepted::Reacted(reacted) => reacted,
            other => panic!("{other:?}"),
        }
    }

    fn snapshot(&self) -> crate::store::Snapshot {
        self.store.reader().snapshot().expect("a snapshot")
    }

    fn due(&self, upto: u64) -> Vec<Due> {
        let timers = self.snapshot().due(Timestamp(upto), 100).expect("read");
        timers.into_iter().map(Due::Timer).collect()
    }

    #[track_caller]
    fn fire(&mut self, due: Vec<Due>, now: u64) -> Vec<Fate> {
        match self.accept(Proposal::Fire(due), now) {
            Accepted::Fired(fired) => fired.fates,
            other => panic!("{other:?}"),
        }
    }

    fn event(&self, position: Position) -> Event {
        self.snapshot().event(position).expect("read").expect("it is there")
    }

    fn keys(&self) -> Vec<(u64, String, String)> {
        let page = self.snapshot().timers_by_due(None, 100).expect("read");
        page.timers.into_iter().map(|timer| (timer.due.0, timer.function, timer.key)).collect()
    }

    #[track_caller]
    fn counts(&self, function: &str) -> (u64, u64, u64, u64) {
        let snapshot = self.snapshot();
        let counts = snapshot.outside_counts(snapshot.function(function).expect("it is there").ordinal);
        (counts.timers, counts.requests, counts.requests_held, counts.outputs_held)
    }

    fn pending(&self) -> Vec<PendingRequest> {
        self.snapshot().outbox(&OutboxFilter::default(), Position::START, 100).expect("read").requests
    }

    fn reply(&mut self, request: Position, r#type: &str) -> Result<Accepted, Refused> {
        let reply = Reply { request, r#type: r#type.into(), data: b"{}".to_vec(), time: Timestamp(50) };
        self.ask(vec![Proposal::Reply(reply)], 0).remove(0)
    }
}

/// Every row of every table that follows from the log; of the outbox without what is not the log's.
fn tables_of(store: &Store) -> Vec<String> {
    let snapshot = store.reader().snapshot().expect("a snapshot");
    let transaction = &snapshot.transaction;
    let mut rows = Vec::new();
    let timers = transaction.open_table(tables::TIMERS).expect("there");
    rows.extend(
        timers.iter().expect("read").map(|row| row.expect("read")).map(|(key, value)| format!("{:?} {}", key.value(), value.value())),
    );
    let keys = transaction.open_table(tables::TIMER_KEYS).expect("there");
    rows.extend(
        keys.iter().expect("read").map(|row| row.expect("read")).map(|(key, value)| format!("{:?} {:?}", key.value(), value.value())),
    );
    let schedules = transaction.open_table(tables::SCHEDULES).expect("there");
    rows.extend(
        schedules.iter().expect("read").map(|row| row.expect("read")).map(|(key, value)| format!("{:?} {:?}", key.value(), value.value())),
    );
    let held = transaction.open_table(tables::HELD).expect("there");
    rows.extend(
        held.iter().expect("read").map(|row| row.expect("read")).map(|(key, value)| format!("{:?} {:?}", key.value(), value.value())),
    );
    let outbox = transaction.open_table(tables::OUTBOX).expect("there");
    rows.extend(outbox.iter().expect("read").map(|row| row.expect("read")).map(|(key, value)| {
        let row = OutboxRow::decode(value.value()).expect("own bytes");
        format!("{} {} {}", key.value(), row.ordinal, row.host)
    }));
    for function in snapshot.functions() {
        let counts = snapshot.outside_counts(function.ordinal);
        rows.push(format!("{} {} {} {}", function.name, counts.timers, counts.requests + counts.requests_held, counts.outputs_held));
    }
    rows
}

#[test]
fn a_timer_fires_once_with_its_due_time_and_never_early() {
    let mut desk = Desk::new();
    let set = desk.make("ant", &[timer("1", "k", 1_000)]).outputs[0].position;
    assert_eq!(desk.snapshot().next_due().expect("read"), Some(Timestamp(1_000)));
    assert_eq!(desk.due(999), []);
    let due = desk.due(1_000);
    assert_eq!(desk.fire(due.clone(), 999), [Fate::Early]);
    assert_eq!(desk.keys().len(), 1);
    let fates = desk.fire([due.clone(), due.clone()].concat(), 5_000);
    let [Fate::Fired(position), Fate::Stale] = fates[..] else { panic!("{fates:?}") };
    assert_eq!(desk.fire(due, 5_000), [Fate::Stale]);
    assert_eq!((desk.keys(), desk.snapshot().next_due().expect("read"), desk.counts("ant")), (vec![], None, (0, 0, 0, 0)));
    let (event, entry) = (desk.event(position), desk.event(set));
    let expected = Event {
        position,
        kind: Kind::Event,
        class: Class::Derived,
        source: "/timers/ant".into(),
        r#type: "t/due".into(),
        subject: "about/1".into(),
        time: Timestamp(1_000),
        recorded: Timestamp(5_000),
        hops: 0,
        cause: Some(set),
        causation_id: Some("1".into()),
        correlation_id: "story".into(),
        producer: None,
        extensions: vec![(TIMER_KEY.into(), "k".into())],
        // SHA-256 of the parts in Python.
        id: "4036b2fc6e0277a150695e591c37d79b".into(),
        ..entry
    };
    assert_eq!(event, expected);
}

#[test]
fn a_timer_that_is_due_later_begins_a_chain_and_one_that_is_due_at_once_is_a_link_of_one() {
    let mut desk = Desk::new();
    // They are set by an event of 7, which is one hop from its first cause.
    for (id, due, hops) in [("1", 8, 0), ("2", 7, 2), ("3", 6, 2), ("4", 0, 2)] {
        desk.make("ant", &[timer(id, id, due)]);
        let due = desk.due(1_000);
        let [Fate::Fired(position)] = desk.fire(due, 1_000)[..] else { panic!("{id}") };
        assert_eq!(desk.event(position).hops, hops, "{id}");
    }
}

#[test]
fn a_newer_timer_takes_the_place_of_the_one_with_its_key_and_a_cancelled_one_is_gone() {
    let mut desk = Desk::new();
    desk.make("ant", &[timer("1", "k", 10), timer("2", "other", 20)]);
    desk.make("zebra", &[timer("3", "k", 30)]);
    let old = desk.due(10);
    desk.make("ant", &[timer("4", "k", 40)]);
    assert_eq!(desk.fire(old, 100), [Fate::Stale]);
    let keys = [(20, "ant".to_owned(), "other".to_owned()), (30, "zebra".into(), "k".into()), (40, "ant".into(), "k".into())];
    assert_eq!(desk.keys(), keys);
    // All in one group: what comes first counts.
    let due = desk.due(40);
    let group = vec![
        desk.emits("ant", &[cancelled("5", "other")]),
        desk.emits("zebra", &[timer("6", "k", 30)]),
        Proposal::Fire(due),
        desk.emits("ant", &[timer("7", "k", 50)]),
    ];
    let answers = desk.ask(group, 100);
    let Ok(Accepted::Fired(fired)) = &answers[2] else { panic!("{answers:?}") };
    assert!(matches!(fired.fates[..], [Fate::Stale, Fate::Stale, Fate::Fired(_)]), "{fired:?}");
    assert_eq!(desk.keys(), [(30, "zebra".to_owned(), "k".to_owned()), (50, "ant".into(), "k".into())]);
    assert_eq!((desk.counts("ant").0, desk.counts("zebra").0), (1, 1));
    // An output that is known sets nothing again.
    desk.make("zebra", &[cancelled("8", "k"), timer("6", "k", 30), timer("3", "k", 30)]);
    assert_eq!(desk.keys().len(), 1);
}

#[test]
fn a_timer_whose_event_is_in_the_log_already_does_not_fire_again() {
    let mut desk = Desk::new();
    desk.make("ant", &[timer("1", "k", 10)]);
    let Due::Timer(found) = desk.due(10).remove(0) else { panic!("a timer") };
    let imported = NewEvent {
        id: found.event.id.clone(),
        source: "/timers/ant".into(),
        r#type: "t/due".into(),
        content_type: "text/plain".into(),
        ..NewEvent::default()
    };
    desk.accept(Proposal::Append(Append { events: vec![imported], ..Append::default() }), 20);
    assert_eq!(desk.keys().len(), 1);
    let head = desk.store.head();
    assert_eq!(desk.fire(vec![Due::Timer(found)], 30), [Fate::Known(head)]);
    assert_eq!((desk.keys(), desk.store.head(), desk.counts("ant").0), (vec![], head, 0));
}

#[test]
fn what_is_due_comes_in_the_order_of_due_time_function_and_key() {
    let mut desk = Desk::new();
    desk.make("zebra", &[timer("1", "a", 10), timer("2", "b", 10), timer("3", "c", 20), timer("4", "d", 5)]);
    desk.make("ant", &[timer("5", "y", 10), timer("6", "x", 10), timer("7", "z", 30)]);
    let expected: Vec<(u64, String, String)> = [
        (5, "zebra", "d"),
        (10, "ant", "x"),
        (10, "ant", "y"),
        (10, "zebra", "a"),
        (10, "zebra", "b"),
        (20, "zebra", "c"),
        (30, "ant", "z"),
    ]
    .map(|(due, function, key)| (due, function.to_owned(), key.to_owned()))
    .to_vec();
    let told = |timers: Vec<PendingTimer>| -> Vec<(u64, String, String)> {
        timers.into_iter().map(|timer| (timer.due.0, timer.function, timer.key)).collect()
    };
    let snapshot = desk.snapshot();
    for limit in 0..8 {
        assert_eq!(told(snapshot.due(Timestamp(100), limit).expect("read")), expected[..limit.min(7)], "{limit}");
        assert_eq!(told(snapshot.due(Timestamp(10), limit).expect("read")), expected[..limit.min(5)], "{limit}");
    }
    for size in 1..4 {
        let (mut all, mut last) = (Vec::new(), None::<(u64, String, String)>);
        loop {
            let after = last.as_ref().map(|(due, function, key)| (Timestamp(*due), function.as_str(), key.as_str()));
            let page = snapshot.timers_by_due(after, size).expect("read");
            all.extend(told(page.timers));
            last = all.last().cloned();
            if !page.more {
                break;
            }
        }
        assert_eq!(all, expected);
    }
    let page = snapshot.timers_of("zebra", "a", 2).expect("read");
    assert_eq!((told(page.timers), page.more), (vec![expected[4].clone(), expected[5].clone()], true));
    let page = snapshot.timers_of("zebra", "c", 2).expect("read");
    assert_eq!((told(page.timers), page.more), (vec![expected[0].clone()], false));
}

#[test]
fn a_request_waits_in_the_outbox_until_it_is_answered_and_is_answered_once() {
    let mut desk = Desk::new();
    let made = desk.make("ant", &[request("r1", "https://example.com:8443/a"), request("r2", "https://other.org/b")]).outputs;
    let (first, second) = (made[0].position, made[1].position);
    let pending = desk.pending();
    assert_eq!(pending.iter().map(|request| request.position).collect::<Vec<_>>(), [first, second]);
    let one = &pending[0];
    assert_eq!((one.id.as_str(), one.function.as_str(), one.method.as_str()), ("r1", "ant", "POST"));
    assert_eq!(
        (one.url.as_str(), one.row.host.as_str(), one.body.as_slice()),
        ("https://example.com:8443/a", "example.com:8443", b"r1".as_slice())
    );
    assert_eq!(one.headers, [("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d: e".to_owned())]);
    let attempt = Attempt { request: first, attempts: 2, not_before: Timestamp(90), error: "x".repeat(5_000) };
    desk.accept(Proposal::Attempt(attempt.clone()), 0);
    let found = |filter: OutboxFilter| -> Vec<Position> {
        let page = desk.snapshot().outbox(&filter, Position::START, 100).expect("read");
        page.requests.into_iter().map(|request| request.position).collect()
    };
    assert_eq!(found(OutboxFilter { ready_at: Some(Timestamp(89)), ..OutboxFilter::default() }), [second]);
    assert_eq!(found(OutboxFilter { ready_at: Some(Timestamp(90)), ..OutboxFilter::default() }), [first, second]);
    assert_eq!(found(OutboxFilter { host: Some("example.com".into()), ..OutboxFilter::default() }), [first]);
    assert_eq!(found(OutboxFilter { function: Some("zebra".into()), ..OutboxFilter::default() }), []);
    assert_eq!(found(OutboxFilter { state: Some(OutboxState::Held), ..OutboxFilter::default() }), []);
    let row = desk.snapshot().request(first).expect("read").expect("pending").row;
    assert_eq!((row.attempts, row.error.len(), row.state), (2, 1_024, OutboxState::Waiting));
    let page = desk.snapshot().outbox(&OutboxFilter::default(), Position::START, 1).expect("read");
    assert_eq!((page.requests.len(), page.more), (1, Some(first)));

    let group: Vec<Proposal> = [REQUEST_REPLIED, REQUEST_FAILED]
        .map(|r#type| Proposal::Reply(Reply { request: first, r#type: r#type.into(), data: b"{}".to_vec(), time: Timestamp(50) }))
        .into_iter()
        .chain([Proposal::Attempt(attempt)])
        .collect();
    let answers = desk.ask(group, 100);
    let Ok(Accepted::Replied(Replied { position, new: true })) = answers[0] else { panic!("{answers:?}") };
    assert!(matches!(answers[1], Ok(Accepted::Replied(Replied { position: known, new: false })) if known == position), "{answers:?}");
    assert_eq!(answers[2].as_ref().err(), Some(&Refused::NoRequest(first)));
    let event = desk.event(position);
    assert_eq!((event.id.as_str(), event.source.as_str(), event.r#type.as_str()), ("r1", "/requests/ant", REQUEST_REPLIED));
    assert_eq!(
        (event.class, event.cause, event.hops, event.time, event.subject.as_str()),
        (Class::Source, Some(first), 2, Timestamp(50), "about/r1")
    );
    assert_eq!(event.extensions, [("addressee".to_owned(), "ant".to_owned())]);
    assert!(matches!(desk.reply(first, REQUEST_FAILED), Ok(Accepted::Replied(Replied { new: false, .. }))));
    assert_eq!(desk.reply(Position(2), REQUEST_REPLIED).err(), Some(Refused::NoRequest(Position(2))));
    assert_eq!(desk.reply(Position(900), REQUEST_REPLIED).err(), Some(Refused::NoRequest(Position(900))));
    assert!(matches!(desk.reply(second, "a.thing"), Err(Refused::Field { field: "type", .. })));
    assert_eq!((desk.pending().len(), desk.counts("ant")), (1, (0, 1, 0, 0)));
}

#[test]
fn a_schedule_fires_or_passes_over_an_occurrence_and_goes_on_to_the_next() {
    let mut desk = Desk::new();
    let next = |due| Some(NextOccurrence { cron: "0 6 * * *".into(), time_zone: "UTC".into(), due: Timestamp(due) });
    let schedule = |next| Proposal::Schedule { function: "ant".into(), key: "daily".into(), next };
    desk.accept(schedule(next(100)), 0);
    assert_eq!(desk.snapshot().next_due().expect("read"), Some(Timestamp(100)));
    let due = |due, fires, next: Option<u64>| {
        Due::Schedule(Occurrence { function: "ant".into(), key: "daily".into(), due: Timestamp(due), fires, next: next.map(Timestamp) })
    };
    assert_eq!(desk.fire(vec![due(100, true, Some(200))], 99), [Fate::Early]);
    let fates =
        desk.fire(vec![due(100, true, Some(200)), due(100, true, Some(200)), due(200, false, Some(300)), due(300, true, None)], 250);
    assert!(matches!(fates[..], [Fate::Fired(_), Fate::Stale, Fate::Skipped, Fate::Early]), "{fates:?}");
    let Fate::Fired(position) = fates[0] else { unreachable!("seen above") };
    let event = desk.event(position);
    assert_eq!((event.source.as_str(), event.r#type.as_str(), event.subject.as_str()), ("/timers/ant", "day.began", "daily"));
    assert_eq!((event.time, event.cause, event.hops, event.data.as_slice()), (Timestamp(100), None, 0, b"{}".as_slice()));
    assert_eq!(event.extensions, [(TIMER_KEY.to_owned(), "daily".to_owned())]);
    let rows = desk.snapshot().schedules().expect("read");
    assert_eq!(rows, [ScheduleRow { function: "ant".into(), key: "daily".into(), next: next(300).expect("it is") }]);
    // Set back by hand: the occurrence is known by its id.
    desk.accept(schedule(next(100)), 250);
    assert_eq!(desk.fire(vec![due(100, true, None)], 250), [Fate::Known(position)]);
    assert_eq!(desk.snapshot().schedules().expect("read"), []);
    let unknown = Proposal::Schedule { function: "ant".into(), key: "weekly".into(), next: next(1) };
    assert!(matches!(desk.ask(vec![unknown], 0)[0], Err(Refused::UnknownSchedule { .. })));
}

#[test]
fn what_a_function_makes_of_the_past_is_held_until_it_is_released_or_discarded() {
    let mut desk = Desk::new();
    desk.accept(deploy("past", &[manifest("past")]), 0);
    let head = desk.store.head();
    let outputs = [
        entry(Kind::Event, "1", "out", &[]),
        timer("2", "k", 10),
        request("3", "https://example.com/"),
        entry(Kind::Command, "4", "do", &[]),
        timer("5", "late", 10),
    ];
    let fresh = Emitted { cause: head.next(), ..request("6", "https://example.com/") };
    desk.accept(append(&["3"]), 0);
    let reacted = desk.make("past", &[&outputs[..], &[fresh]].concat());
    assert_eq!((reacted.new, reacted.held, desk.store.head().0), (2, 4, head.0 + 3));
    assert_eq!(desk.counts("past"), (0, 1, 0, 4));
    assert_eq!(desk.keys(), []);
    let held = |desk: &Desk| -> Vec<String> {
        let page = desk.snapshot().held("past", (Position::START, ""), 100).expect("read");
        page.outputs.into_iter().map(|held| held.output.id).collect()
    };
    assert_eq!(held(&desk), ["2", "3", "4", "5"]);
    assert_eq!(desk.snapshot().held("past", (Position(3), "3"), 1).expect("read").outputs[0].output, outputs[3]);
    // Made again, as after a rewind: held once.
    assert_eq!(desk.make("past", &outputs).held, 4);
    assert_eq!(desk.counts("past").3, 4);
    let one = |id: &str| Held::Output { function: "past".into(), cause: Position(3), id: id.into() };
    let Accepted::Unheld(unheld) = desk.accept(Proposal::Release(vec![one("2"), one("2"), one("3")]), 0) else { panic!("unheld") };
    assert!(matches!(unheld.positions[..], [Some(_), None, Some(_)]), "{unheld:?}");
    assert_eq!(desk.keys(), [(10, "past".to_owned(), "k".to_owned())]);
    let Accepted::Unheld(unheld) = desk.accept(Proposal::Discard { held: vec![one("4"), one("3")], time: Timestamp(9) }, 0) else {
        panic!("unheld")
    };
    assert_eq!((unheld.positions, unheld.discarded), (vec![None, None], 1));
    assert_eq!((held(&desk), desk.counts("past")), (vec!["5".to_owned()], (1, 2, 0, 1)));
    // What was released is known, and not held again.
    let again = desk.make("past", &outputs[1..3]);
    assert_eq!((again.held, again.new, again.outputs.len()), (0, 0, 2));
}

#[test]
fn a_deployment_may_say_that_what_is_made_of_the_past_goes_out() {
    let mut desk = Desk::new();
    let Proposal::Deploy(asked) = deploy("past", &[manifest("past")]) else { unreachable!("it is one") };
    desk.accept(Proposal::Deploy(crate::store::Deploy { send: true, ..asked }), 0);
    let reacted = desk.make("past", &[timer("1", "k", 10)]);
    assert_eq!((reacted.held, reacted.new, desk.keys().len()), (0, 1, 1));
    drop(std::mem::replace(&mut desk.store, open(&MemoryFolder::default())));
    desk.store = open(&desk.folder);
    assert_eq!(desk.make("past", &[timer("2", "l", 10)]).held, 0);
}

/// Something of everything, sealed after each `seal` commits.
fn told(seal: usize) -> Desk {
    let mut desk = Desk::new();
    let mut number = 0;
    let mut tell = |desk: &mut Desk, proposal: Proposal| {
        let accepted = desk.accept(proposal, 60);
        number += 1;
        if seal > 0 && number % seal == 0 {
            seal_tail(&mut desk.store);
        }
        accepted
    };
    let next = |due| Some(NextOccurrence { cron: "0 6 * * *".into(), time_zone: "UTC".into(), due: Timestamp(due) });
    let outputs: Vec<Emitted> = (0..9).map(|id| timer(&format!("t{id}"), &format!("k{}", id % 5), id * 11)).collect();
    let asked = desk.emits("ant", &outputs);
    tell(&mut desk, asked);
    let asked =
        desk.emits("zebra", &[timer("z", "k1", 33), request("r1", "https://a/"), request("r2", "https://b/"), request("r3", "https://c/")]);
    tell(&mut desk, asked);
    tell(&mut desk, Proposal::Schedule { function: "ant".into(), key: "daily".into(), next: next(50) });
    tell(&mut desk, Proposal::Schedule { function: "zebra".into(), key: "daily".into(), next: next(70) });
    tell(&mut desk, append(&["5"]));
    let due = desk.due(60);
    tell(&mut desk, Proposal::Fire(due));
    let occurrence = Occurrence { function: "ant".into(), key: "daily".into(), due: Timestamp(50), fires: true, next: Some(Timestamp(80)) };
    tell(&mut desk, Proposal::Fire(vec![Due::Schedule(occurrence)]));
    let reply = Reply { request: desk.pending()[1].position, r#type: REQUEST_REPLIED.into(), data: b"{}".to_vec(), time: Timestamp(1) };
    tell(&mut desk, Proposal::Reply(reply));
    tell(&mut desk, Proposal::Schedule { function: "zebra".into(), key: "daily".into(), next: None });
    tell(&mut desk, deploy("past", &[manifest("past")]));
    let asked = desk.emits("past", &[timer("p1", "a", 5), timer("p2", "b", 6), request("p3", "https://d/")]);
    tell(&mut desk, asked);
    let held = |id: &str| Held::Output { function: "past".into(), cause: Position(3), id: id.into() };
    tell(&mut desk, Proposal::Release(vec![held("p1")]));
    tell(&mut desk, Proposal::Discard { held: vec![held("p2")], time: Timestamp(1) });
    let asked = desk.emits("ant", &[cancelled("c", "k3"), timer("n", "new", 900)]);
    tell(&mut desk, asked);
    tell(&mut desk, Proposal::Remove { module: "late".into(), levels: Vec::new() });
    tell(&mut desk, append(&["6", "7"]));
    desk
}

#[test]
fn a_replica_and_a_fork_and_a_host_that_starts_again_have_the_tables_that_the_log_says() {
    for seal in [0, 1, 3, 7] {
        let mut desk = told(seal);
        let expected = tables_of(&desk.store);
        assert!(expected.len() > 12, "{expected:#?}");
        let folder = MemoryFolder::default();
        let options = Options { identity: [7; 16], ..Options::default() };
        fork(&desk.store.reader(), desk.store.head(), Arc::new(folder.clone()), &options).expect("forked");
        assert_eq!(tables_of(&open(&folder)), expected, "sealed by {seal}");
        if seal == 0 {
            for at_once in [1, 4, 100] {
                let mut replica = open(&MemoryFolder::default());
                for some in commits(&desk.store).chunks(at_once) {
                    replica.follow(some.to_vec()).expect("taken");
                }
                assert_eq!(tables_of(&replica), expected, "taken by {at_once}");
            }
        }
        desk.store = open(&MemoryFolder::default());
        desk.store = open(&desk.folder);
        assert_eq!(tables_of(&desk.store), expected);
    }
}

#[test]
fn a_fork_at_any_position_has_what_was_pending_there() {
    let desk = told(3);
    let head = desk.store.head();
    let options = Options { identity: [7; 16], ..Options::default() };
    for at in 1..=head.0 {
        let folder = MemoryFolder::default();
        fork(&desk.store.reader(), Position(at), Arc::new(folder.clone()), &options).expect("forked");
        let fork = open(&folder);
        let mut timers = std::collections::BTreeMap::new();
        let mut requests = std::collections::BTreeSet::new();
        for position in 1..=at {
            let event = desk.event(Position(position));
            let extension = |name: &str| event.extensions.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
            let function = event.source.rsplit('/').next().unwrap_or_default().to_owned();
            match (event.kind, extension(TIMER_KEY)) {
                (Kind::Timer, Some(key)) if event.r#type == TIMER_CANCELLED => drop(timers.remove(&(function, key))),
                (Kind::Timer, Some(key)) => drop(timers.insert((function, key), position)),
                (Kind::Event, Some(key)) => {
                    timers.retain(|name, set| event.cause != Some(Position(*set)) || *name != (function.clone(), key.clone()))
                }
                (Kind::Request, _) => drop(requests.insert(position)),
                _ if event.source.starts_with("/requests/") => drop(requests.remove(&event.cause.expect("one").0)),
                _ => {}
            }
        }
        let snapshot = fork.reader().snapshot().expect("a snapshot");
        let page = snapshot.timers_by_due(None, 100).expect("read").timers;
        let found: std::collections::BTreeMap<(String, String), u64> =
            page.into_iter().map(|timer| ((timer.function, timer.key), timer.position.0)).collect();
        assert_eq!(found, timers, "at {at}");
        let outbox = snapshot.outbox(&OutboxFilter::default(), Position::START, 100).expect("read").requests;
        assert_eq!(outbox.iter().map(|request| request.position.0).collect::<Vec<_>>(), requests.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn in_a_fork_no_timer_fires_and_no_request_leaves_until_it_is_told_so() {
    let base = told(0);
    let folder = MemoryFolder::default();
    let options = Options { identity: [7; 16], ..Options::default() };
    fork(&base.store.reader(), base.store.head(), Arc::new(folder.clone()), &options).expect("forked");
    let mut desk = Desk { store: open(&folder), folder };
    let due = desk.due(1_000);
    assert!(!due.is_empty() && desk.snapshot().next_due().expect("read").is_none() && !desk.snapshot().effects());
    assert_eq!(desk.ask(vec![Proposal::Fire(due.clone())], 1_000)[0].as_ref().err(), Some(&Refused::EffectsOff));
    let states = |desk: &Desk| desk.pending().iter().map(|request| request.row.state).collect::<Vec<_>>();
    assert_eq!(states(&desk), [OutboxState::Held; 2]);
    let (first, second) = (desk.pending()[0].position, desk.pending()[1].position);
    let answer = desk.accept(Proposal::Release(vec![Held::Request(first), Held::Request(first), Held::Request(Position(1))]), 0);
    assert!(matches!(answer, Accepted::Unheld(unheld) if unheld.positions == [Some(first), None, None]));
    assert_eq!((states(&desk), desk.counts("zebra")), (vec![OutboxState::Waiting, OutboxState::Held], (0, 1, 1, 0)));
    let Accepted::Unheld(unheld) = desk.accept(Proposal::Discard { held: vec![Held::Request(second)], time: Timestamp(9) }, 0) else {
        panic!("unheld")
    };
    let event = desk.event(unheld.positions[0].expect("it is told"));
    assert_eq!((event.r#type.as_str(), event.cause), (REQUEST_FAILED, Some(second)));
    assert!(String::from_utf8_lossy(&event.data).contains("\"reason\":\"discarded\""));
    assert_eq!(states(&desk), [OutboxState::Waiting]);
    desk.accept(Proposal::Effects { on: true }, 0);
    drop(std::mem::replace(&mut desk.store, open(&MemoryFolder::default())));
    desk.store = open(&desk.folder);
    assert!(desk.fire(due, 1_000).iter().all(|fate| matches!(fate, Fate::Fired(_))));
    let row = desk.store.reader().functions()["past"].clone();
    assert!(row.held_through > Position::START);
    desk.ask(vec![Proposal::Control { function: "past".into(), control: Control::Resume }], 0);
    let made = desk.make("past", &[Emitted { cause: desk.store.head(), ..request("own", "https://a/") }]);
    assert_eq!(desk.snapshot().request(made.outputs[0].position).expect("read").expect("pending").row.state, OutboxState::Waiting);
}

#[test]
fn what_is_pending_is_pending_again_after_a_restore_with_effects_and_held_after_one_without() {
    let base = told(0);
    let expected: Vec<_> = base.pending().iter().map(|request| (request.position, request.id.clone())).collect();
    assert_eq!(expected.len(), 2);
    for (effects, state) in [(Effects::Leave, OutboxState::Waiting), (Effects::Held, OutboxState::Held)] {
        let (mut pieces, mut stream) = (BackupPieces::default(), base.store.reader().backup("main", 1, None).expect("begun"));
        while let Some(portion) = stream.next(1_000).expect("read") {
            pieces.push(&portion);
        }
        let (folder, how) = (MemoryFolder::default(), RestoreAs { until: Until::End, effects });
        restore(&mut || pieces.take(), how, Arc::new(folder.clone()), &Options::default()).expect("restored");
        let desk = Desk { store: open(&folder), folder };
        let found = desk.pending();
        assert_eq!(found.iter().map(|request| (request.position, request.id.clone())).collect::<Vec<_>>(), expected);
        assert!(found.iter().all(|request| request.row.state == state), "{effects:?}");
        assert_eq!(desk.snapshot().effects(), effects == Effects::Leave);
        assert_eq!(desk.snapshot().next_due().expect("read").is_some(), effects == Effects::Leave);
        assert_eq!(desk.keys(), base.keys());
    }
}

#[test]
fn what_is_pending_is_the_same_after_a_rebuild_also_what_no_record_tells_of_requests() {
    let rebuilt = |Desk { store, folder }: Desk| {
        drop(store);
        assert_eq!(rebuild(Arc::new(folder.clone()), &Options::default()).expect("rebuilt").lost, [""; 0]);
        Desk { store: open(&folder), folder }
    };
    let rows = |desk: &Desk| desk.pending().into_iter().map(|request| (request.position, request.row)).collect::<Vec<_>>();
    let mut desk = told(4);
    let attempt = Attempt { request: desk.pending()[0].position, attempts: 2, not_before: Timestamp(90), error: "no".into() };
    desk.accept(Proposal::Attempt(attempt), 70);
    let (before, requests) = (tables_of(&desk.store), rows(&desk));
    assert_eq!((requests[0].1.attempts, requests[0].1.state, requests.len()), (2, OutboxState::Waiting, 2));
    let desk = rebuilt(desk);
    assert_eq!((tables_of(&desk.store), rows(&desk)), (before, requests));
    // What was made where nothing leaves stays held, also when everything leaves by now.
    let mut desk = Desk::new();
    desk.accept(Proposal::Effects { on: false }, 0);
    desk.make("ant", &[request("r", "https://a/")]);
    desk.accept(Proposal::Effects { on: true }, 0);
    desk.make("ant", &[request("s", "https://b/")]);
    let requests = rows(&desk);
    assert_eq!(requests.iter().map(|(_, row)| row.state).collect::<Vec<_>>(), [OutboxState::Held, OutboxState::Waiting]);
    let desk = rebuilt(desk);
    assert_eq!((rows(&desk), desk.snapshot().effects()), (requests, true));
}

#[test]
fn a_head_from_before_there_were_timers_goes_on() {
    let mut desk = Desk::new();
    let transaction = desk.store.shared.head.begin_write().expect("begun");
    transaction.delete_table(tables::TIMERS).expect("deleted");
    transaction.delete_table(tables::TIMER_KEYS).expect("deleted");
    transaction.delete_table(tables::SCHEDULES).expect("deleted");
    transaction.delete_table(tables::OUTBOX).expect("deleted");
    transaction.delete_table(tables::HELD).expect("deleted");
    transaction.delete_table(tables::OUTSIDE_COUNTS).expect("deleted");
    transaction.commit().expect("committed");
    drop(std::mem::replace(&mut desk.store, open(&MemoryFolder::default())));
    desk.store = open(&desk.folder);
    let snapshot = desk.snapshot();
    assert_eq!((snapshot.next_due().expect("read"), snapshot.due(Timestamp(9), 9).expect("read")), (None, vec![]));
    assert_eq!((snapshot.schedules().expect("read"), desk.pending()), (vec![], vec![]));
    assert!(snapshot.timers_of("ant", "", 9).expect("read").timers.is_empty());
    assert!(snapshot.held("ant", (Position::START, ""), 9).expect("read").outputs.is_empty());
    drop(snapshot);
    assert_eq!(desk.fire(Vec::new(), 0), []);
    desk.make("ant", &[timer("1", "k", 10), request("2", "https://a/")]);
    assert_eq!((desk.keys().len(), desk.pending().len()), (1, 1));
}

#[test]
fn a_row_of_the_outbox_has_the_bytes_that_the_page_on_the_data_file_says() {
    let row =
        OutboxRow { ordinal: 2, state: OutboxState::Held, attempts: 3, not_before: Timestamp(4), host: "a:1".into(), error: "no".into() };
    let expected = [&[1, 2, 0, 0, 0, 1, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 3][..], b"a:1", &[2], b"no"].concat();
    assert_eq!(row.encode(), expected);
    assert_eq!(OutboxRow::decode(&expected), Ok(row));
    for end in 0..expected.len() {
        assert!(OutboxRow::decode(&expected[..end]).is_err(), "cut at {end}");
    }
}
