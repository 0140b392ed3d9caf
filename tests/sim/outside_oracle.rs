//! What must be true of timers and requests, worked out from the log alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retold_engine::model::{
    Class, Event, Kind, Position, REQUEST_FAILED, REQUEST_REPLIED, TIMER_CANCELLED, TIMER_DUE, TIMER_KEY, Timestamp,
};
use retold_engine::store::{Options, OutboxFilter, Reader, Snapshot, Store, fork};

use crate::disk::FaultFolder;
use crate::outside_guests::{FUNCTIONS, Outside, PERIOD, TICK};

/// What is pending after some events, and what came of what is not.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    /// By function and key: due, and the entry that set it.
    pub timers: BTreeMap<(String, String), (u64, Position)>,
    pub requests: BTreeSet<Position>,
    pub fired: u64,
    pub replaced: u64,
    pub cancelled: u64,
    pub answered: u64,
    /// When the schedule last came.
    pub ticked: Option<u64>,
}

fn extension<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    event.extensions.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

impl Pending {
    /// What is pending after these events; each is held against what was pending before it.
    pub fn after(log: &[Event], outside: &Outside) -> Pending {
        let mut pending = Pending::default();
        for event in log {
            pending.take(event, log, outside);
        }
        pending
    }

    fn take(&mut self, event: &Event, log: &[Event], outside: &Outside) {
        let function = || event.source.rsplit('/').next().unwrap_or_default().to_owned();
        match event.kind {
            Kind::Timer => {
                let key = (function(), extension(event, TIMER_KEY).expect("a key").to_owned());
                if event.r#type == TIMER_CANCELLED {
                    self.cancelled += u64::from(self.timers.remove(&key).is_some());
                } else {
                    let due = extension(event, TIMER_DUE).expect("a due time").parse().expect("a number");
                    self.replaced += u64::from(self.timers.insert(key, (due, event.position)).is_some());
                }
            }
            Kind::Request => drop(self.requests.insert(event.position)),
            Kind::Event if event.source.starts_with("/timers/") => {
                assert!(event.recorded >= event.time, "{event:?} came early");
                let key = extension(event, TIMER_KEY).expect("a key").to_owned();
                match event.cause {
                    Some(entry) => {
                        let set = self.timers.remove(&(function(), key));
                        assert_eq!(set, Some((event.time.0, entry)), "{event:?} fired, and was not pending");
                        let entry = &log[entry.0 as usize - 1];
                        assert_eq!((&event.r#type, &event.subject, &event.data), (&entry.r#type, &entry.subject, &entry.data));
                        let hops = if event.time > entry.time { 0 } else { entry.hops + 1 };
                        assert_eq!((event.hops, event.class), (hops, Class::Derived));
                        self.fired += 1;
                    }
                    None => {
                        assert_eq!(key, TICK);
                        let expected = self.ticked.map_or(event.time.0, |before| before + PERIOD);
                        assert_eq!((event.time.0, event.time.0 % PERIOD), (expected, 0), "the schedule left one out, or came twice");
                        self.ticked = Some(event.time.0);
                    }
                }
            }
            Kind::Event if event.source.starts_with("/requests/") => {
                assert!([REQUEST_REPLIED, REQUEST_FAILED].contains(&event.r#type.as_str()));
                let request = event.cause.expect("a request");
                assert!(self.requests.remove(&request), "{event:?} answers what was answered, or never asked");
                let made = &log[request.0 as usize - 1];
                assert_eq!((&event.id, &event.subject), (&made.id, &made.subject));
                let sent = outside.seen.get(&made.id).copied().unwrap_or_default();
                assert!(sent > 0, "{event:?} answers what was never sent");
                self.answered += 1;
            }
            Kind::Event | Kind::Command => {}
        }
    }
}

pub fn log_of(snapshot: &Snapshot) -> Vec<Event> {
    (1..=snapshot.head().0).map(|position| snapshot.event(Position(position)).expect("read").expect("it is there")).collect()
}

/// The log tells a true story, and the tables say what it says. Answers what is pending.
pub fn check(reader: &Reader, outside: &Outside) -> Pending {
    let snapshot = reader.snapshot().expect("a snapshot");
    let log = log_of(&snapshot);
    let ids: BTreeSet<(&str, &str)> = log.iter().map(|event| (event.source.as_str(), event.id.as_str())).collect();
    assert_eq!(ids.len(), log.len(), "an entry is there twice");
    let pending = Pending::after(&log, outside);
    check_tables(&snapshot, &pending);
    check_heard(&snapshot, &log);
    pending
}

fn check_tables(snapshot: &Snapshot, pending: &Pending) {
    let page = snapshot.timers_by_due(None, 100_000).expect("read");
    let found: BTreeMap<(String, String), (u64, Position)> =
        page.timers.iter().map(|timer| ((timer.function.clone(), timer.key.clone()), (timer.due.0, timer.position))).collect();
    assert_eq!((&found, page.timers.len()), (&pending.timers, pending.timers.len()), "timers by when they are due");
    assert!(page.timers.is_sorted_by_key(|timer| (timer.due, &timer.function, &timer.key)));
    let mut requests = BTreeSet::new();
    let mut after = Position::START;
    loop {
        let page = snapshot.outbox(&OutboxFilter::default(), after, 3).expect("read");
        requests.extend(page.requests.iter().map(|request| request.position));
        match page.more {
            Some(more) => after = more,
            None => break,
        }
    }
    assert_eq!(requests, pending.requests, "the outbox");
    for name in FUNCTIONS {
        let Some(row) = snapshot.function(name) else { continue };
        let by_key = snapshot.timers_of(name, "", 100_000).expect("read").timers.len();
        let counts = snapshot.outside_counts(row.ordinal);
        let of = pending.timers.keys().filter(|(function, _)| function == name).count();
        assert_eq!((by_key, counts.timers), (of, of as u64), "timers of {name} by key, and counted");
        if name == FUNCTIONS[0] {
            assert_eq!(counts.requests + counts.requests_held, requests.len() as u64, "requests counted");
        }
    }
}

/// Every answer that was read was heard once.
fn check_heard(snapshot: &Snapshot, log: &[Event]) {
    let Some(row) = snapshot.function(FUNCTIONS[0]) else { return };
    let answers = log.iter().filter(|event| event.source.starts_with("/requests/") && event.position <= row.cursor);
    let heard: Vec<Option<Position>> = log.iter().filter(|event| event.r#type == "caller.heard").map(|event| event.cause).collect();
    assert_eq!(heard, answers.map(|event| Some(event.position)).collect::<Vec<_>>(), "answers, and what was made of them");
}

/// A fork makes the tables from nothing but the log: they must say the same, and hold every request back.
pub fn check_fork(reader: &Reader, at: Position, outside: &Outside) {
    let log = log_of(&reader.snapshot().expect("a snapshot"));
    let folder = FaultFolder::new();
    let options = Options { identity: [9; 16], ..Options::default() };
    fork(reader, at, Arc::new(folder.clone()), &options).expect("forked");
    let fork = Store::open(Arc::new(folder), &options).expect("it opens");
    let snapshot = fork.reader().snapshot().expect("a snapshot");
    check_tables(&snapshot, &Pending::after(&log[..at.0 as usize], outside));
    assert_eq!(snapshot.next_due().expect("read"), None::<Timestamp>);
}
