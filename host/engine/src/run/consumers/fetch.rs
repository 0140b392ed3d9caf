//! Giving events to a member: first what waits, then what comes next in the log.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::consumer::{Consumer, Earlier, Lease, Moment, Unseen};
use super::refused::ConsumerRefused;
use crate::model::{ConsumerEntry, EntryStanding, EventRef, LeaseRow, Position, Record, Timestamp, limits};
use crate::store::{Snapshot, StoreError};

/// What a member asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    pub member: String,
    pub events: usize,
    /// Of data: the event that reaches it is the last.
    pub bytes: usize,
    /// Drawn by lot.
    pub key: [u8; 16],
    /// Instead of the consumer's; `None` within: it doesn't end while the host runs.
    pub lease_ms: Option<Option<u64>>,
}

/// An event that a member is given.
#[derive(Clone, Debug)]
pub struct Given {
    pub position: Position,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
    record: Arc<Record>,
}

impl Given {
    pub fn event(&self) -> EventRef<'_> {
        self.record.event(self.position).unwrap_or_else(|| unreachable!("the record was found by this position"))
    }
}

#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// What says that they were given to this member: `None` if there is nothing.
    pub lease: Option<String>,
    pub events: Vec<Given>,
    /// There was room for more, and a part of the log was not looked at yet.
    pub more: bool,
}

/// Positions of the log that are looked at in one call.
const LOOKED_AT_MAX: u64 = 1 << 20;
/// Events that a reader from an earlier generation is shown, asked for at once.
const UNSEEN_AT_ONCE: usize = 1_024;

/// What is being put together for one member.
struct Portion {
    given: Vec<Given>,
    positions: BTreeSet<Position>,
    bytes: usize,
    events_max: usize,
    bytes_max: usize,
}

impl Portion {
    fn is_full(&self) -> bool {
        self.given.len() >= self.events_max || self.bytes >= self.bytes_max
    }
}

impl Consumer {
    /// Gives a member what comes next. Of a subject nothing is given while earlier events of it are out or
    /// set aside. An event that has one attempt left is given alone, so that it takes no others along.
    pub fn fetch(&mut self, ask: &Ask, log: &Snapshot, earlier: &dyn Earlier, now: Moment) -> Result<Fetched, ConsumerRefused> {
        self.settle(now);
        self.heard_of(&ask.member, now)?;
        let mut portion =
            Portion { given: Vec::new(), positions: BTreeSet::new(), bytes: 0, events_max: ask.events.max(1), bytes_max: ask.bytes.max(1) };
        let mut more = false;
        if !self.give_waiting(&mut portion, log, now)? && !portion.is_full() {
            more = self.read_on(&mut portion, log, earlier, now.time)?;
        }
        let Portion { given, .. } = portion;
        if given.is_empty() {
            return Ok(Fetched { lease: None, events: given, more });
        }
        let lease = self.lease(ask, &given, now);
        Ok(Fetched { lease: Some(lease), events: given, more })
    }

    /// Answers whether no more may be given beside it.
    fn give_waiting(&mut self, portion: &mut Portion, log: &Snapshot, now: Moment) -> Result<bool, StoreError> {
        let mut gone = Vec::new();
        let mut record: Option<Arc<Record>> = None;
        let last_alone = self.row.settings.attempts_max > 1;
        for position in &self.waiting {
            if portion.is_full() {
                break;
            }
            let Some(entry) = self.entries.get(position) else { continue };
            let before = self.subjects.get(&entry.stored.subject).and_then(|of_subject| of_subject.range(..position).next_back());
            if entry.not_before_ms > now.ms || before.is_some_and(|before| !portion.positions.contains(before)) {
                continue;
            }
            let last = last_alone && entry.stored.attempts + 1 >= self.row.settings.attempts_max;
            if last && !portion.given.is_empty() {
                continue;
            }
            if record.as_ref().is_none_or(|record| record.event(*position).is_none()) {
                record = log.record(*position)?;
            }
            let Some((record, bytes)) = record
                .clone()
                .and_then(|record| record.event(*position).map(|event| event.data.len()).map(|bytes| (record.clone(), bytes)))
            else {
                gone.push(*position);
                continue;
            };
            portion.positions.insert(*position);
            portion.bytes += bytes;
            portion.given.push(Given { position: *position, attempt: entry.stored.attempts + 1, record });
            if last {
                return Ok(true);
            }
        }
        gone.into_iter().for_each(|position| self.remove(position));
        Ok(false)
    }

    /// Answers whether there is more in the log that it could look at.
    fn read_on(&mut self, portion: &mut Portion, log: &Snapshot, earlier: &dyn Earlier, time: Timestamp) -> Result<bool, StoreError> {
        while self.row.place.generation != self.generation {
            let Unseen { first, more, after } = earlier.unseen(self.row.place, UNSEEN_AT_ONCE)?;
            for position in &first {
                let record = log.record(*position)?;
                let wanted = record.as_ref().and_then(|record| record.glance(*position)).filter(|event| self.filter.matches(event));
                if let (Some(record), Some(event)) = (&record, wanted.and_then(|event| event.event()))
                    && self.take(portion, record, &event, time).is_break()
                {
                    return Ok(false);
                }
                self.row.place.from = *position;
                if portion.is_full() {
                    return Ok(true);
                }
            }
            if !more || first.is_empty() {
                self.row.place = crate::model::ConsumerPlace { generation: self.generation, position: after, from: Position::START };
                (self.ahead, _) = (None, self.dirty_row());
            }
        }
        let after = self.row.place.position;
        let upto = Position(log.head().0.min(after.0.saturating_add(LOOKED_AT_MAX)));
        if upto <= after {
            return Ok(false);
        }
        let filter = self.filter.clone();
        let (mut matched, mut before) = (0, None);
        let seen = log.scan_records(after, upto, &filter, &mut |record, event| {
            let Some(event) = event.event() else { return ControlFlow::Continue(()) };
            if self.take(portion, record, &event, time).is_break() {
                before = Some(Position(event.position.0 - 1));
                return ControlFlow::Break(());
            }
            matched += 1;
            if portion.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let has_room = before.is_none();
        let seen = before.unwrap_or(seen);
        self.ahead = self.ahead.filter(|(upto, _)| *upto >= seen).map(|(upto, count)| (upto, count.saturating_sub(matched)));
        self.row.place.position = seen;
        Ok(has_room && seen < log.head())
    }

    /// Comes by an event: it is given, or waits, or is set aside behind others of its subject. Breaks where
    /// there is no room to remember it.
    fn take(&mut self, portion: &mut Portion, record: &Arc<Record>, event: &EventRef<'_>, time: Timestamp) -> ControlFlow<()> {
        let position = event.position;
        // Set aside in an earlier generation.
        if self.entries.contains_key(&position) {
            return ControlFlow::Continue(());
        }
        let earlier = self.subjects.get(event.subject).filter(|_| !event.subject.is_empty());
        // Behind a parked one all later ones are parked, and none is given before those before it.
        let last = earlier.and_then(|positions| positions.last());
        let is_behind = last.is_some_and(|last| self.parked.contains(last));
        let must_wait = last.is_some_and(|last| !portion.positions.contains(last));
        let standing = if is_behind { EntryStanding::Behind } else { EntryStanding::Waiting };
        let full = match standing {
            EntryStanding::Behind => self.parked.len() >= limits::CONSUMER_PARKED_MAX,
            _ => self.unacknowledged() >= limits::CONSUMER_UNACKNOWLEDGED_MAX || self.parked.len() >= limits::CONSUMER_PARKED_MAX,
        };
        if full {
            return ControlFlow::Break(());
        }
        let since = if is_behind { time } else { Timestamp(0) };
        let reason = if is_behind { "behind an earlier event of its subject".to_owned() } else { String::new() };
        self.put(position, ConsumerEntry { subject: event.subject.to_owned(), standing, attempts: 0, lease: 0, reason, since });
        if !is_behind && !must_wait {
            portion.positions.insert(position);
            portion.bytes += event.data.len();
            portion.given.push(Given { position, attempt: 1, record: record.clone() });
        }
        ControlFlow::Continue(())
    }

    /// Enters what is given under a lease of its own.
    fn lease(&mut self, ask: &Ask, given: &[Given], now: Moment) -> String {
        self.row.leases += 1;
        let number = self.row.leases;
        let lasts_ms = ask.lease_ms.unwrap_or(Some(self.row.settings.lease_ms));
        let lease = Lease {
            row: LeaseRow { key: ask.key, member: ask.member.clone(), open: true, lost: false },
            ends_ms: lasts_ms.map_or(u64::MAX, |lasts_ms| now.ms.saturating_add(lasts_ms)),
            out: BTreeSet::new(),
        };
        self.leases.insert(number, lease);
        self.open.insert(number);
        self.dirty_lease(number);
        for Given { position, attempt, .. } in given {
            let Some(entry) = self.entries.get(position) else { continue };
            let mut stored = entry.stored.clone();
            self.lose(stored.lease);
            (stored.standing, stored.attempts, stored.lease) = (EntryStanding::Leased, *attempt, number);
            self.put(*position, stored);
        }
        self.forget_old_leases();
        super::lease::token(number, &ask.key)
    }
}
