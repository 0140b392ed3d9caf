//! The tables, brought up to what the log says: live, in a replica, and in a fork.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, Table, TableError, WriteTransaction};

use super::super::error::StoreError;
use super::super::mirror::Mirror;
use super::super::tables;
use super::rows::{OutboxRow, OutboxState, OutsideCounts, RowChange};
use crate::model::{ByteReader, ByteWriter, EventRef, OutsideChange, Position, Processing, Record, Timestamp, authority};

/// In `meta`: there, and 0, where timers don't fire and requests don't leave.
pub const EFFECTS: &str = "effects";

/// The tables that follow from entries about timers and requests, open for writing.
pub struct OutsideTables<'t> {
    timers: Table<'t, (u64, u32, &'static str), u64>,
    keys: Table<'t, (u32, &'static str), (u64, u64)>,
    outbox: Table<'t, u64, &'static [u8]>,
}

impl<'t> OutsideTables<'t> {
    pub fn open(transaction: &'t WriteTransaction) -> Result<OutsideTables<'t>, StoreError> {
        Ok(OutsideTables {
            timers: transaction.open_table(tables::TIMERS)?,
            keys: transaction.open_table(tables::TIMER_KEYS)?,
            outbox: transaction.open_table(tables::OUTBOX)?,
        })
    }

    /// Takes the entries of a record, if any of them is about timers or requests.
    pub fn take(&mut self, record: &Record, mirror: &mut Mirror) -> Result<(), StoreError> {
        if record.is_outside() {
            for entry in record.events() {
                self.take_entry(&entry, mirror)?;
            }
        }
        Ok(())
    }

    fn take_entry(&mut self, entry: &EventRef<'_>, mirror: &mut Mirror) -> Result<(), StoreError> {
        let Some(change) = OutsideChange::of(entry) else { return Ok(()) };
        let ordinal = |mirror: &Mirror, function: &str| mirror.function(function).map(|row| row.ordinal);
        match change {
            OutsideChange::Set { function, key, due, position } => {
                let Some(ordinal) = ordinal(mirror, function) else { return Ok(()) };
                let before = self.keys.insert((ordinal, key), (due.0, position.0))?.map(|row| row.value());
                match before {
                    Some((before, _)) => drop(self.timers.remove((before, ordinal, key))?),
                    None => mirror.count_outside(ordinal, |counts| counts.timers += 1),
                }
                self.timers.insert((due.0, ordinal, key), position.0)?;
            }
            OutsideChange::Cancelled { function, key } => {
                let Some(ordinal) = ordinal(mirror, function) else { return Ok(()) };
                self.remove_timer(ordinal, key, None, mirror)?;
            }
            OutsideChange::Fired { function, key, entry } => {
                let Some(ordinal) = ordinal(mirror, function) else { return Ok(()) };
                self.remove_timer(ordinal, key, Some(entry), mirror)?;
            }
            OutsideChange::Requested { function, url, position } => {
                let Some(ordinal) = ordinal(mirror, function) else { return Ok(()) };
                let row = OutboxRow {
                    ordinal,
                    state: if mirror.effects { OutboxState::Waiting } else { OutboxState::Held },
                    attempts: 0,
                    not_before: Timestamp(0),
                    host: authority(url).unwrap_or_default().to_owned(),
                    error: String::new(),
                };
                self.outbox.insert(position.0, row.encode().as_slice())?;
                mirror.count_outside(ordinal, |counts| *counts.of_mut(row.state) += 1);
            }
            OutsideChange::Answered { request, .. } => self.remove_request(request, mirror)?,
        }
        Ok(())
    }

    /// Removes the timer of this key; if an entry is named, only the one that it set.
    fn remove_timer(&mut self, ordinal: u32, key: &str, entry: Option<Position>, mirror: &mut Mirror) -> Result<(), StoreError> {
        let found = self.keys.get((ordinal, key))?.map(|row| row.value());
        if let Some((due, position)) = found
            && entry.is_none_or(|entry| entry.0 == position)
        {
            self.keys.remove((ordinal, key))?;
            self.timers.remove((due, ordinal, key))?;
            mirror.count_outside(ordinal, |counts| counts.timers -= 1);
        }
        Ok(())
    }

    fn remove_request(&mut self, request: Position, mirror: &mut Mirror) -> Result<(), StoreError> {
        if let Some(row) = self.request(request)? {
            self.outbox.remove(request.0)?;
            mirror.count_outside(row.ordinal, |counts| *counts.of_mut(row.state) -= 1);
        }
        Ok(())
    }

    fn request(&self, request: Position) -> Result<Option<OutboxRow>, StoreError> {
        let row = self.outbox.get(request.0)?;
        row.map(|row| OutboxRow::decode(row.value())).transpose().map_err(StoreError::malformed("head.redb", request))
    }

    fn change(&mut self, change: &RowChange, mirror: &mut Mirror) -> Result<(), StoreError> {
        match change {
            RowChange::Settled { ordinal, key, position } => self.remove_timer(*ordinal, key, Some(*position), mirror),
            RowChange::Answered { request } => self.remove_request(*request, mirror),
            RowChange::Attempted { request, attempts, not_before, error } => {
                let Some(row) = self.request(*request)? else { return Ok(()) };
                let row = OutboxRow { attempts: *attempts, not_before: *not_before, error: error.clone(), ..row };
                self.outbox.insert(request.0, row.encode().as_slice())?;
                Ok(())
            }
            RowChange::Released { request } => {
                let Some(row) = self.request(*request)?.filter(|row| row.state == OutboxState::Held) else { return Ok(()) };
                let row = OutboxRow { state: OutboxState::Waiting, ..row };
                self.outbox.insert(request.0, row.encode().as_slice())?;
                mirror.count_outside(row.ordinal, |counts| {
                    counts.requests_held -= 1;
                    counts.requests += 1;
                });
                Ok(())
            }
            RowChange::Effects { .. } => Ok(()),
        }
    }
}

/// Writes what no record speaks of, after the records of the same transaction.
pub fn write_row_changes(transaction: &WriteTransaction, changes: &[RowChange], mirror: &mut Mirror) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut outside = OutsideTables::open(transaction)?;
    for change in changes {
        outside.change(change, mirror)?;
        if let RowChange::Effects { on } = change {
            transaction.open_table(tables::META)?.insert(EFFECTS, [u8::from(*on)].as_slice())?;
        }
    }
    Ok(())
}

/// Brings schedules and held outputs up to an entry that the mirror has taken into account.
pub fn write_processing(transaction: &WriteTransaction, entry: &Processing, mirror: &mut Mirror) -> Result<(), StoreError> {
    let ordinal = |mirror: &Mirror, function: &str| mirror.function(function).map(|row| row.ordinal);
    match entry {
        Processing::Scheduled { function, key, next } => {
            let Some(ordinal) = ordinal(mirror, function) else { return Ok(()) };
            let mut table = transaction.open_table(tables::SCHEDULES)?;
            match next {
                Some(next) => {
                    let mut out = ByteWriter::default();
                    next.encode(&mut out);
                    table.insert((ordinal, key.as_str()), out.bytes.as_slice())?;
                }
                None => drop(table.remove((ordinal, key.as_str()))?),
            }
        }
        Processing::Held { function, module, outputs } => {
            let Some(ordinal) = ordinal(mirror, function) else { return Ok(()) };
            let mut table = transaction.open_table(tables::HELD)?;
            for output in outputs {
                let mut out = ByteWriter::default();
                out.u32(*module);
                output.encode(&mut out);
                let known = table.insert((ordinal, output.cause.0, output.id.as_str()), out.bytes.as_slice())?.is_some();
                mirror.count_outside(ordinal, |counts| counts.outputs_held += u64::from(!known));
            }
        }
        Processing::Unheld { function, outputs } => {
            let Some(ordinal) = ordinal(mirror, function) else { return Ok(()) };
            let mut table = transaction.open_table(tables::HELD)?;
            for (cause, id) in outputs {
                let known = table.remove((ordinal, cause.0, id.as_str()))?.is_some();
                mirror.count_outside(ordinal, |counts| counts.outputs_held -= u64::from(known));
            }
        }
        _ => {}
    }
    Ok(())
}

/// The counts as they are stored: nothing is walked.
pub fn read_counts(transaction: &ReadTransaction) -> Result<BTreeMap<u32, OutsideCounts>, StoreError> {
    let table = match transaction.open_table(tables::OUTSIDE_COUNTS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(BTreeMap::new()),
        table => table?,
    };
    let mut counts = BTreeMap::new();
    for row in table.iter()? {
        let (ordinal, row) = row?;
        let (timers, requests, requests_held, outputs_held) = row.value();
        counts.insert(ordinal.value(), OutsideCounts { timers, requests, requests_held, outputs_held });
    }
    Ok(counts)
}

pub fn read_effects(transaction: &ReadTransaction) -> Result<bool, StoreError> {
    let row = transaction.open_table(tables::META)?.get(EFFECTS)?.map(|row| ByteReader::new(row.value()).u8(EFFECTS));
    Ok(row.transpose().map_err(StoreError::malformed("head.redb", Position::START))? != Some(0))
}

impl Mirror {
    /// Changes what is counted of a function.
    pub fn count_outside(&mut self, ordinal: u32, change: impl FnOnce(&mut OutsideCounts)) {
        change(Arc::make_mut(&mut self.outside).entry(ordinal).or_default());
        self.dirty.outside.insert(ordinal);
    }
}
