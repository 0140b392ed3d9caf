//! `Consumer`: one consumer as it stands, in memory. Each word to it changes it here and notes what changed,
//! for the file.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    ConsumerEntry, ConsumerPlace, ConsumerRow, ConsumerSettings, EntryStanding, Kind, LeaseRow, Position, Timestamp, TypePattern,
};
use crate::store::{ConsumerChange, Filter, StoreError, StoredConsumer};

/// How far a reader that comes from an earlier generation has to be shown what that one lacked.
pub trait Earlier {
    fn unseen(&self, place: ConsumerPlace, limit: usize) -> Result<Unseen, StoreError>;
}

/// What lies behind a place of an earlier generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// Given first, oldest first.
    pub first: Vec<Position>,
    /// There may be more of them.
    pub more: bool,
    /// Behind them all it goes on after this.
    pub after: Position,
}

/// When something is said: by a clock that never goes back, and by the time of day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    pub ms: u64,
    pub time: Timestamp,
}

/// A place that has moved so far is stored though nothing else has changed.
const PLACE_STORED_AFTER: u64 = 65_536;

pub struct Consumer {
    pub(super) row: ConsumerRow,
    pub(super) filter: Filter,
    /// The generation of the log that it reads.
    pub(super) generation: u64,
    pub(super) entries: BTreeMap<Position, Entry>,
    /// Positions of entries, by subject. Of those without one each stands alone.
    pub(super) subjects: BTreeMap<String, BTreeSet<Position>>,
    pub(super) waiting: BTreeSet<Position>,
    pub(super) parked: BTreeSet<Position>,
    pub(super) leases: BTreeMap<u64, Lease>,
    /// Leases under which something is still out.
    pub(super) open: BTreeSet<u64>,
    /// When each member was last heard of.
    pub(super) members: BTreeMap<String, u64>,
    pub(super) used_ms: u64,
    /// How many events for it lie beyond the place where it has read, up to here.
    pub(super) ahead: Option<(Position, u64)>,
    stored_place: ConsumerPlace,
    dirty: Dirty,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub stored: ConsumerEntry,
    /// It is not given again before.
    pub not_before_ms: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub row: LeaseRow,
    pub ends_ms: u64,
    /// What is still out under it.
    pub out: BTreeSet<Position>,
}

#[derive(Default)]
struct Dirty {
    row: bool,
    entries: BTreeSet<Position>,
    leases: BTreeSet<u64>,
}

pub(super) fn filter_of(settings: &ConsumerSettings) -> Filter {
    let types: Vec<TypePattern> = settings.types.iter().filter_map(|text| TypePattern::parse(text)).collect();
    Filter { types, subjects: settings.subjects.clone(), tags: settings.tags.clone(), kind: Some(Kind::Event) }
}

impl Consumer {
    /// A new one, that reads on from a place.
    pub fn new(settings: ConsumerSettings, place: ConsumerPlace, generation: u64, now: Moment) -> Consumer {
        let start = if place.generation == generation { place.position } else { Position::START };
        let row = ConsumerRow { settings, created: now.time, start, place, leases: 0, acknowledged: 0, stopped: None };
        let mut consumer = Consumer::stored(StoredConsumer { row, entries: BTreeMap::new(), leases: BTreeMap::new() }, generation, now);
        consumer.dirty.row = true;
        consumer
    }

    /// As the file has it. How long a lease still had when the host stopped, nobody knows: it begins anew.
    pub fn stored(stored: StoredConsumer, generation: u64, now: Moment) -> Consumer {
        let StoredConsumer { row, entries, leases } = stored;
        let mut consumer = Consumer {
            filter: filter_of(&row.settings),
            generation,
            entries: BTreeMap::new(),
            subjects: BTreeMap::new(),
            waiting: BTreeSet::new(),
            parked: BTreeSet::new(),
            open: leases.iter().filter(|(_, lease)| lease.open).map(|(number, _)| *number).collect(),
            leases: BTreeMap::new(),
            members: BTreeMap::new(),
            used_ms: now.ms,
            ahead: None,
            stored_place: row.place,
            row,
            dirty: Dirty::default(),
        };
        let ends_ms = now.ms.saturating_add(consumer.row.settings.lease_ms);
        for (number, row) in leases {
            consumer.leases.insert(number, Lease { row, ends_ms, out: BTreeSet::new() });
        }
        for (position, stored) in entries {
            consumer.put(position, stored);
        }
        consumer.dirty = Dirty::default();
        consumer
    }

    pub fn row(&self) -> &ConsumerRow {
        &self.row
    }

    /// When anybody last fetched from it, or said anything about what was fetched.
    pub fn used_ms(&self) -> u64 {
        self.used_ms
    }

    /// Whether nobody has used it for as long as it was to be kept.
    pub fn is_expired(&self, now: Moment) -> bool {
        self.row.settings.expires_ms.is_some_and(|expires| now.ms.saturating_sub(self.used_ms) >= expires)
    }

    /// Gives it other settings, or the same again; its place and what is out stay. If nothing was sent any
    /// more, it is now.
    pub fn set(&mut self, settings: ConsumerSettings) {
        if settings == self.row.settings && self.row.stopped.is_none() {
            return;
        }
        self.filter = filter_of(&settings);
        self.ahead = None;
        self.row.settings = settings;
        self.row.stopped = None;
        self.dirty.row = true;
    }

    /// Nothing more is sent to its endpoint, or again: `None`.
    pub fn stop(&mut self, why: Option<String>) {
        if self.row.stopped != why {
            self.row.stopped = why;
            self.dirty.row = true;
        }
    }

    /// What the file has to be told since the last time.
    pub fn take_change(&mut self) -> ConsumerChange {
        let Dirty { row, entries, leases } = std::mem::take(&mut self.dirty);
        let place = self.row.place;
        let moved = place.generation != self.stored_place.generation
            || place.position.0.abs_diff(self.stored_place.position.0) + place.from.0.abs_diff(self.stored_place.from.0)
                > PLACE_STORED_AFTER;
        let row = row || moved || !entries.is_empty() || !leases.is_empty();
        if row {
            self.stored_place = place;
        }
        ConsumerChange {
            row: row.then(|| self.row.clone()),
            entries: entries.into_iter().map(|at| (at, self.entries.get(&at).map(|entry| entry.stored.clone()))).collect(),
            leases: leases.into_iter().map(|number| (number, self.leases.get(&number).map(|lease| lease.row.clone()))).collect(),
            removed: false,
        }
    }

    pub(super) fn dirty_lease(&mut self, number: u64) {
        self.dirty.leases.insert(number);
    }

    pub(super) fn dirty_row(&mut self) {
        self.dirty.row = true;
    }

    /// Up to where the log was read.
    pub(super) fn read_upto(&self) -> Position {
        let ConsumerPlace { generation, position, from } = self.row.place;
        if generation == self.generation { position } else { from }
    }

    /// Events that are out or wait to be given.
    pub(super) fn unacknowledged(&self) -> usize {
        self.entries.len() - self.parked.len()
    }

    /// Enters an event, or how it stands now.
    pub(super) fn put(&mut self, position: Position, stored: ConsumerEntry) {
        self.put_until(position, stored, 0);
    }

    pub(super) fn put_until(&mut self, position: Position, stored: ConsumerEntry, not_before_ms: u64) {
        self.unlist(position);
        match stored.standing {
            EntryStanding::Waiting => drop(self.waiting.insert(position)),
            EntryStanding::Parked | EntryStanding::Behind => drop(self.parked.insert(position)),
            EntryStanding::Leased => {
                if let Some(lease) = self.leases.get_mut(&stored.lease) {
                    lease.out.insert(position);
                }
            }
        }
        if !stored.subject.is_empty() {
            self.subjects.entry(stored.subject.clone()).or_default().insert(position);
        }
        self.dirty.entries.insert(position);
        self.entries.insert(position, Entry { stored, not_before_ms });
    }

    /// The event is dealt with.
    pub(super) fn remove(&mut self, position: Position) {
        self.unlist(position);
        if self.entries.remove(&position).is_some() {
            self.dirty.entries.insert(position);
        }
    }

    fn unlist(&mut self, position: Position) {
        let Some(Entry { stored, .. }) = self.entries.get(&position) else { return };
        self.waiting.remove(&position);
        self.parked.remove(&position);
        if let Some(lease) = self.leases.get_mut(&stored.lease) {
            lease.out.remove(&position);
        }
        if let Some(of_subject) = self.subjects.get_mut(&stored.subject) {
            of_subject.remove(&position);
            if of_subject.is_empty() {
                self.subjects.remove(&stored.subject);
            }
        }
    }

    /// Entries of a subject behind a position, oldest first.
    pub(super) fn later(&self, subject: &str, position: Position) -> Vec<Position> {
        let of_subject = self.subjects.get(subject);
        of_subject.map(|positions| positions.range(position.next()..).copied().collect()).unwrap_or_default()
    }
}
