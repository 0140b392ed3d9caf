//! A head that is made out of a log alone, as a fork's and a restored namespace's is: what the log says of
//! functions, modules, schemas, timers and requests, and the records that no segment holds.

use redb::{Table, WriteTransaction};

use super::error::StoreError;
use super::function::Rebuild;
use super::head::{Meta, make_tables};
use super::mirror::Mirror;
use super::mirror_of::MirrorOf;
use super::outside::{RowChange, write_row_changes};
use super::segment::{Cap, Segment};
use super::split::split;
use super::tables;
use crate::model::{Class, Digest, Event, FunctionKind, Kind, Position, Record};

/// What becomes of timers and requests that are pending in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effects {
    /// Timers don't fire until the namespace is told to have effects, and requests are held until they are released.
    Held,
    /// Timers fire and requests leave, as they would have.
    Leave,
}

/// What was taken into the head so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub at: Position,
    pub commit: u64,
    pub events_copied: u64,
    pub bytes_copied: u64,
}

/// Takes the log in order: first the segments, then records.
pub struct HeadOf<'t> {
    mirror_of: MirrorOf<'t>,
    log: Table<'t, (u64, u64), &'static [u8]>,
    upto: Position,
    chain: Digest,
    taken: Taken,
}

impl<'t> HeadOf<'t> {
    /// Makes the tables of a head that ends at `upto`.
    pub fn begin(transaction: &'t WriteTransaction, meta: &Meta, effects: Effects, upto: Position) -> Result<HeadOf<'t>, StoreError> {
        make_tables(transaction, meta)?;
        let on = effects == Effects::Leave;
        write_row_changes(transaction, &[RowChange::Effects { on }], &mut Mirror::default())?;
        Ok(HeadOf {
            mirror_of: MirrorOf::new(transaction, on),
            log: transaction.open_table(tables::LOG)?,
            upto,
            chain: Digest::ZERO,
            taken: Taken::default(),
        })
    }

    /// What a segment that the head names says of functions, up to its cap.
    pub fn take_segment(&mut self, segment: &Segment, cap: Option<Cap>) -> Result<(), StoreError> {
        let end = cap.map_or(segment.stream_bytes, |cap| cap.stream_bytes);
        let mut records = segment.records();
        while records.offset() < end {
            let offset = records.offset();
            let Some(head) = records.next_head()? else { break };
            self.mirror_of.take(&head.processing, head.commit, head.first)?;
            if head.is_outside
                && let Some(record) = segment.stream_at(offset).next()?
            {
                self.mirror_of.take_outside(&record)?;
            }
            (self.taken.at, self.taken.commit) = (Position(head.first.0 + u64::from(head.count) - 1), head.commit);
        }
        self.chain = cap.map_or(segment.chain_end, |cap| cap.chain_end);
        Ok(())
    }

    /// Copies a record into the head's log, split if it reaches beyond the end. Answers whether more may follow.
    pub fn copy(&mut self, record: &Record) -> Result<bool, StoreError> {
        if record.first > self.upto.next() {
            return Ok(false);
        }
        let part = if record.last() <= self.upto { None } else { split(record, self.upto, self.chain)? };
        let (record, whole) = match &part {
            Some(part) => (part, false),
            None if record.last() > self.upto => return Ok(false),
            None => (record, true),
        };
        self.log.insert((record.first.0, record.commit), record.bytes())?;
        let entries = record.processing().map_err(StoreError::malformed("the log", record.first))?;
        self.mirror_of.take(&entries, record.commit, record.first)?;
        self.mirror_of.take_outside(record)?;
        self.chain = record.chain;
        (self.taken.at, self.taken.commit) = (record.last(), record.commit);
        self.taken.events_copied += u64::from(record.count);
        self.taken.bytes_copied += record.bytes().len() as u64;
        Ok(whole)
    }

    /// Takes over what no record speaks of, after all records.
    pub fn change(&mut self, changes: &[RowChange]) -> Result<(), StoreError> {
        self.mirror_of.change(changes)
    }

    /// Writes functions and modules as they stand. Answers what was taken, these, and the functions that make
    /// their state again.
    pub fn finish(self) -> Result<(Taken, Mirror, Vec<String>), StoreError> {
        let mut rebuilding = Vec::new();
        let mirror = self.mirror_of.finish(|mirror| rebuilding = without_state(mirror))?;
        Ok((self.taken, mirror, rebuilding))
    }
}

/// Has every function that wrote state make it again, up to where it stood. Answers which.
fn without_state(mirror: &mut Mirror) -> Vec<String> {
    // What is kept of former versions stays behind, too.
    for name in mirror.functions.keys().cloned().collect::<Vec<_>>() {
        mirror.change_kept(&name, |row, _| row.kept.clear());
    }
    let stateful = mirror.functions.values().filter(|row| row.stateful && row.manifest.kind == FunctionKind::Handler);
    let names: Vec<String> = stateful.map(|row| row.name.clone()).collect();
    for name in &names {
        let Some(row) = mirror.function_mut(name) else { continue };
        let until = row.rebuild.map_or(row.cursor, |rebuild| rebuild.until);
        row.rebuild = Some(Rebuild { until, through_commit: 0 });
        row.cursor = row.start;
        row.epoch += 1;
        mirror.dirty.functions.insert(name.clone());
        mirror.dirty.cursors.insert(name.clone());
    }
    names
}

/// Where a log that is asked to end at `at` ends: a command and what was decided on it are never parted. The command
/// alone would be taken for one that was answered, and its events would never come. `event` reads the whole log.
pub fn before_decision(at: Position, event: &mut dyn FnMut(Position) -> Result<Option<Event>, StoreError>) -> Result<Position, StoreError> {
    let cause = event(at.next())?.and_then(|next| next.cause).filter(|cause| *cause <= at);
    let Some(cause) = cause else { return Ok(at) };
    let Some(command) = event(cause)?.filter(|cause| cause.kind == Kind::Command) else { return Ok(at) };
    if command.class == Class::Source {
        return Ok(Position(cause.0 - 1));
    }
    // One that a function sent is decided when its turn comes, here anew.
    let mut at = at;
    while at > cause && event(at)?.is_some_and(|decided| decided.cause == Some(cause)) {
        at = Position(at.0 - 1);
    }
    Ok(at)
}
