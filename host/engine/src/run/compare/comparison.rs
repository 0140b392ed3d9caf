//! `Comparison`: reads both logs side by side. Entries are the same by source and id; each waits a while
//! for its like in the other log, and what was not met in time is looked up in the index.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::places::Places;
use super::waiting::{Entry, WINDOW, Waiting};
use crate::model::{Class, EventRef, Position, aggregate_of, function_of};
use crate::store::{CursorMap, Filter, Fingerprints, RecentRecords, Snapshot, StoreError, Was};

/// Entries of the newer log that are read at a time.
const CHUNK: u64 = if cfg!(test) { 8 } else { 4_096 };
/// How far ahead the older log is read.
const AHEAD: u64 = if cfg!(test) { 16 } else { 32 << 10 };
/// Entries after which the map is made durable, with what is known of the comparison.
const ENTRIES_PER_SYNC: u64 = 1 << 20;
/// Shown of each kind.
pub const EXAMPLES: usize = 20;

/// Whose entries are counted together: the outside's, or a function's.
pub const OUTSIDE: u32 = 0;

const _: () = assert!(CHUNK + AHEAD < WINDOW);

/// How one owner's entries compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub equal: u64,
    pub different: u64,
    pub new: u64,
    /// Of the older log: given up, and still waiting.
    pub gone: u64,
    pub waiting: u64,
}

/// Positions of the first entries of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firsts {
    /// In the newer log, and in the older one.
    pub different: BTreeMap<u64, u64>,
    pub new: BTreeSet<u64>,
    pub gone: BTreeSet<u64>,
}

/// Knows how far it has come, and is kept in the map that it fills; the two logs may both have grown since.
/// After an error it is of no use any more.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Read so far.
    pub(super) old: Position,
    pub(super) new: Position,
    /// The last place of a source event that both have, in the older log.
    pub(super) track: u64,
    pub(super) waiting_old: Waiting,
    pub(super) waiting_new: Waiting,
    /// Whether some of the newer log waited in vain: the index knows of them.
    pub(super) gave_up_new: bool,
    /// Places in the older log, not read yet, that have met their like.
    pub(super) early: Places,
    /// Functions by name; [`OUTSIDE`] and then these in their order have tallies.
    pub(super) owners: BTreeMap<String, u32>,
    pub(super) tallies: Vec<Tally>,
    /// Of source events, and of derived ones.
    pub(super) firsts: [Firsts; 2],
    pub(super) level: bool,
    pub(super) since_sync: u64,
    /// Of the older log, and of the newer one: what is looked up lies mostly near what was looked up before.
    pub(super) recent: [RecentRecords; 2],
}

/// What one step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonStep {
    /// There is more to read.
    Went,
    /// Everything is read, as of these snapshots.
    Level,
}

/// The two logs, at one moment.
struct Logs<'a> {
    old: &'a Snapshot,
    new: &'a Snapshot,
    fingerprints: Fingerprints,
}

impl Comparison {
    /// Goes on where the one ended that filled this map.
    pub fn of(map: &CursorMap) -> Result<Comparison, StoreError> {
        Ok(map.progress()?.and_then(|bytes| Comparison::decode(&bytes).ok()).unwrap_or_default())
    }

    /// Read of the older and the newer log.
    pub fn seen(&self) -> (Position, Position) {
        (self.old, self.new)
    }

    /// Reads about `entries` more of both logs together. `upto` is the place in the older log up to which
    /// the newer one tells it again: what stands beyond isn't missing.
    pub fn step(
        &mut self,
        old: &Snapshot,
        new: &Snapshot,
        upto: Position,
        entries: u64,
        mut map: Option<&mut CursorMap>,
    ) -> Result<ComparisonStep, StoreError> {
        let logs = Logs { old, new, fingerprints: old.fingerprints() };
        let upto = upto.min(old.head());
        let before = self.old.0 + self.new.0;
        self.level = false;
        while !self.level && self.old.0 + self.new.0 - before < entries.max(1) {
            let ahead = if self.new == new.head() { u64::MAX } else { self.track + AHEAD };
            self.read_old(&logs, Position(upto.0.min(ahead).min(self.old.0 + AHEAD)), map.as_deref_mut())?;
            self.read_new(&logs, Position(self.new.0 + CHUNK).min(new.head()), map.as_deref_mut())?;
            self.level = self.old >= upto && self.new == new.head();
        }
        if self.level {
            self.look_up_all(&logs, map.as_deref_mut())?;
        }
        self.since_sync += self.old.0 + self.new.0 - before;
        if let Some(map) = map {
            if self.since_sync < ENTRIES_PER_SYNC {
                map.commit(None, false)?;
            } else {
                self.keep(map)?;
            }
        }
        Ok(if self.level { ComparisonStep::Level } else { ComparisonStep::Went })
    }

    /// Makes the map durable, with all that is known of the comparison.
    pub fn keep(&mut self, map: &mut CursorMap) -> Result<(), StoreError> {
        self.since_sync = 0;
        map.commit(Some(&self.encode()), true)
    }

    fn read_old(&mut self, logs: &Logs<'_>, upto: Position, mut map: Option<&mut CursorMap>) -> Result<(), StoreError> {
        if upto <= self.old {
            return Ok(());
        }
        logs.old.scan(self.old, upto, &Filter::default(), &mut |event| {
            self.saw_old(logs, &event, &mut map);
            ControlFlow::Continue(())
        })?;
        self.old = upto;
        while let Some(entry) = self.waiting_old.give_up(self.old.0) {
            self.tallies[entry.owner as usize].waiting -= 1;
            if !self.look_up(logs, entry, &mut map)? {
                self.tallies[entry.owner as usize].gone += 1;
                first(&mut self.firsts[side(entry.owner)].gone, entry.position);
            }
        }
        Ok(())
    }

    fn saw_old(&mut self, logs: &Logs<'_>, event: &EventRef<'_>, map: &mut Option<&mut CursorMap>) {
        if event.class == Class::Record || self.early.remove(event.position.0) {
            return;
        }
        let (name, content) = (logs.fingerprints.name(event), logs.fingerprints.content(event));
        let owner = self.owner(event);
        let entry = Entry { position: event.position.0, content, owner };
        match self.waiting_new.remove(name) {
            Some(like) => self.came_late(entry, like, map),
            None => {
                self.tallies[owner as usize].waiting += 1;
                self.waiting_old.insert(name, entry);
            }
        }
    }

    /// What counted as new is in the older log after all.
    fn came_late(&mut self, old: Entry, new: Entry, map: &mut Option<&mut CursorMap>) {
        self.tallies[new.owner as usize].new -= 1;
        self.firsts[side(new.owner)].new.remove(&new.position);
        if self.met(old, new)
            && let Some(map) = map
        {
            map.came(Position(new.position), Position(old.position));
        }
    }

    /// Counts two entries of one name. Answers whether they say the same.
    fn met(&mut self, old: Entry, new: Entry) -> bool {
        let tally = &mut self.tallies[new.owner as usize];
        if new.owner == OUTSIDE {
            self.track = self.track.max(old.position);
        }
        if old.content == new.content {
            tally.equal += 1;
            return true;
        }
        tally.different += 1;
        let different = &mut self.firsts[side(new.owner)].different;
        different.insert(new.position, old.position);
        if different.len() > EXAMPLES {
            different.pop_last();
        }
        false
    }

    fn read_new(&mut self, logs: &Logs<'_>, upto: Position, mut map: Option<&mut CursorMap>) -> Result<(), StoreError> {
        if upto <= self.new {
            return Ok(());
        }
        let mut failed = Ok(());
        logs.new.scan(self.new, upto, &Filter::default(), &mut |event| {
            failed = self.saw_new(logs, &event).and_then(|was| match map.as_deref_mut() {
                Some(map) => map.note(event.position, was, event.class == Class::Source),
                None => Ok(()),
            });
            if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        failed?;
        self.new = upto;
        while self.waiting_new.give_up(self.new.0).is_some() {
            self.gave_up_new = true;
        }
        Ok(())
    }

    fn saw_new(&mut self, logs: &Logs<'_>, event: &EventRef<'_>) -> Result<Was, StoreError> {
        if event.class == Class::Record {
            return Ok(Was::Own);
        }
        let (name, content) = (logs.fingerprints.name(event), logs.fingerprints.content(event));
        let owner = self.owner(event);
        let new = Entry { position: event.position.0, content, owner };
        let old = match self.waiting_old.remove(name) {
            Some(old) => {
                self.tallies[old.owner as usize].waiting -= 1;
                Some(old)
            }
            None => self.find_old(logs, event)?,
        };
        Ok(match old {
            Some(old) if self.met(old, new) => Was::At(Position(old.position)),
            Some(_) => Was::Nowhere,
            None => {
                self.tallies[owner as usize].new += 1;
                first(&mut self.firsts[side(owner)].new, new.position);
                self.waiting_new.insert(name, new);
                Was::Nowhere
            }
        })
    }

    /// Looks an entry up in the older log that doesn't wait there: it was given up, or isn't read yet.
    fn find_old(&mut self, logs: &Logs<'_>, event: &EventRef<'_>) -> Result<Option<Entry>, StoreError> {
        let Some((record, position)) = self.recent[0].find(logs.old, event.source, event.id)? else { return Ok(None) };
        let Some(old) = record.event(position).filter(|old| old.class != Class::Record) else { return Ok(None) };
        let owner = self.owner(&old);
        if position > self.old {
            self.early.insert(position.0);
        } else {
            self.tallies[owner as usize].gone -= 1;
            self.firsts[side(owner)].gone.remove(&position.0);
        }
        Ok(Some(Entry { position: position.0, content: logs.fingerprints.content(&old), owner }))
    }

    /// Looks for an entry of the older log among those of the newer one that waited in vain.
    fn look_up(&mut self, logs: &Logs<'_>, old: Entry, map: &mut Option<&mut CursorMap>) -> Result<bool, StoreError> {
        if !self.gave_up_new {
            return Ok(false);
        }
        let position = Position(old.position);
        let [recent_old, recent_new] = &mut self.recent;
        let Some(record) = recent_old.record(logs.old, position)? else { return Ok(false) };
        let Some(event) = record.event(position) else { return Ok(false) };
        let found = recent_new.find(logs.new, event.source, event.id)?.filter(|(_, found)| *found <= self.new);
        let Some((record, found)) = found else { return Ok(false) };
        let Some(event) = record.event(found) else { return Ok(false) };
        let new = Entry { position: found.0, content: logs.fingerprints.content(&event), owner: self.owner(&event) };
        self.came_late(old, new, map);
        Ok(true)
    }

    /// The same of all that still wait, now that nothing is left to read.
    fn look_up_all(&mut self, logs: &Logs<'_>, mut map: Option<&mut CursorMap>) -> Result<(), StoreError> {
        if !self.gave_up_new {
            return Ok(());
        }
        let waiting: Vec<(u128, Entry)> = self.waiting_old.iter().collect();
        for (name, entry) in waiting {
            if self.look_up(logs, entry, &mut map)? {
                self.tallies[entry.owner as usize].waiting -= 1;
                self.waiting_old.remove(name);
            }
        }
        Ok(())
    }

    fn owner(&mut self, event: &EventRef<'_>) -> u32 {
        if self.tallies.is_empty() {
            self.tallies.push(Tally::default());
        }
        let function = match event.class {
            Class::Derived => function_of(event.source).or_else(|| aggregate_of(event.source)).unwrap_or(event.source),
            Class::Source | Class::Record => return OUTSIDE,
        };
        if let Some(owner) = self.owners.get(function) {
            return *owner;
        }
        let owner = self.tallies.len() as u32;
        self.tallies.push(Tally::default());
        self.owners.insert(function.to_owned(), owner);
        owner
    }
}

fn side(owner: u32) -> usize {
    usize::from(owner != OUTSIDE)
}

fn first(firsts: &mut BTreeSet<u64>, position: u64) {
    firsts.insert(position);
    if firsts.len() > EXAMPLES {
        firsts.pop_last();
    }
}
