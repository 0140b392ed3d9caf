//! `apply`: the single way in. Writes commits into the head's tables.

use redb::{ReadableTable, WriteTransaction};

use super::error::StoreError;
use super::forgotten;
use super::head::RETOLD;
use super::mirror::{Dirty, Mirror};
use super::outside::{OutsideTables, RowChange, write_processing, write_row_changes};
use super::schemas;
use super::shared::Shared;
use super::snapshot::{Parked, decode_parked, encode_parked, state_key};
use super::tables;
use crate::model::{Commit, FunctionKind, ParkedEvent, Position, Processing, StateWrite, WhichParked};

/// Rows of a slot that no commit speaks of, as the function's code can make them again.
pub type SlotWrites = (u32, Vec<StateWrite>);

/// Writes commits, which the mirror has taken into account, and makes them durable. `prepared` goes
/// before them: no commit writes to a slot before it is level. Counts of parked events in the mirror are
/// set here, and those of pending timers and requests. `rows`: what of these no commit speaks of.
pub fn apply(
    shared: &Shared,
    prepared: &[SlotWrites],
    commits: &[Commit],
    rows: &[RowChange],
    mirror: &mut Mirror,
    extra: impl FnOnce(&WriteTransaction, &mut Mirror) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let transaction = shared.head.begin_write()?;
    {
        let mut log = transaction.open_table(tables::LOG)?;
        for commit in commits {
            log.insert((commit.record.first.0, commit.record.commit), commit.record.bytes())?;
        }
    }
    for (slot, writes) in prepared {
        write_state(&transaction, *slot, writes)?;
    }
    let mut slots = std::mem::take(&mut mirror.dirty.state_slots).into_iter();
    for commit in commits {
        write_modules(&transaction, commit)?;
        let entries = commit.record.processing().map_err(StoreError::malformed("a commit", commit.record.first))?;
        // What a reaction parked may be released or forgotten by a later entry: in the order of the entries.
        let mut writes = commit.state.writes.iter();
        for entry in &entries {
            write_parking(&transaction, entry, mirror)?;
            if let Processing::Reaction { state: Some(_), .. } = entry
                && let (Some(Some(slot)), Some((_, writes))) = (slots.next(), writes.next())
            {
                write_state(&transaction, slot, writes)?;
            }
        }
    }
    if commits.iter().any(|commit| commit.record.is_outside()) {
        let mut outside = OutsideTables::open(&transaction)?;
        for commit in commits {
            outside.take(&commit.record, mirror)?;
        }
    }
    write_row_changes(&transaction, rows, mirror)?;
    write_rows(&transaction, mirror)?;
    extra(&transaction, mirror)?;
    transaction.commit()?;
    Ok(())
}

fn write_modules(transaction: &WriteTransaction, commit: &Commit) -> Result<(), StoreError> {
    if !commit.state.modules.is_empty() {
        let mut modules = transaction.open_table(tables::MODULES)?;
        for (digest, component) in &commit.state.modules {
            modules.insert(digest.0.as_slice(), component.as_slice())?;
        }
    }
    Ok(())
}

fn write_state(transaction: &WriteTransaction, slot: u32, writes: &[StateWrite]) -> Result<(), StoreError> {
    let mut table = transaction.open_table(tables::STATE)?;
    for write in writes {
        let key = state_key(slot, &write.key);
        match &write.value {
            Some(value) => drop(table.insert(key.as_slice(), value.as_slice())?),
            None => drop(table.remove(key.as_slice())?),
        }
    }
    Ok(())
}

/// Brings parked events, what is forgotten, schedules and held outputs up to an entry that the mirror has taken
/// into account.
pub fn write_parking(transaction: &WriteTransaction, entry: &Processing, mirror: &mut Mirror) -> Result<(), StoreError> {
    match entry {
        Processing::Reaction { function, parked, unparked, .. } if !parked.is_empty() || !unparked.is_empty() => {
            let Some(ordinal) = mirror.function(function).map(|row| row.ordinal) else { return Ok(()) };
            for position in unparked {
                unpark(transaction, ordinal, *position)?;
            }
            for event in parked {
                park(transaction, ordinal, event)?;
            }
            count_parked(transaction, function, mirror)
        }
        Processing::Forgot { hashes } => forgotten::write(transaction, hashes),
        Processing::Released { function, which } => {
            let Some(ordinal) = mirror.function(function).map(|row| row.ordinal) else { return Ok(()) };
            for position in meant(transaction, ordinal, which)? {
                release(transaction, ordinal, position, matches!(which, WhichParked::One(_)))?;
            }
            count_parked(transaction, function, mirror)
        }
        Processing::Skipped { function, which } => {
            let Some(ordinal) = mirror.function(function).map(|row| row.ordinal) else { return Ok(()) };
            for position in meant(transaction, ordinal, which)? {
                unpark(transaction, ordinal, position)?;
            }
            count_parked(transaction, function, mirror)
        }
        Processing::Rewound { function, to, .. } => {
            let Some(row) = mirror.function(function) else { return Ok(()) };
            let ordinal = row.ordinal;
            if row.manifest.kind == FunctionKind::Aggregate {
                release_after(transaction, ordinal, *to)?;
                return count_parked(transaction, function, mirror);
            }
            for position in parked_positions(transaction, ordinal)?.into_iter().filter(|position| position > to) {
                unpark(transaction, ordinal, position)?;
            }
            count_parked(transaction, function, mirror)
        }
        Processing::Scheduled { .. } | Processing::Held { .. } | Processing::Unheld { .. } => write_processing(transaction, entry, mirror),
        _ => Ok(()),
    }
}

fn parked_positions(transaction: &WriteTransaction, ordinal: u32) -> Result<Vec<Position>, StoreError> {
    let table = transaction.open_table(tables::PARKED)?;
    let rows = table.range((ordinal, 0)..=(ordinal, u64::MAX))?;
    rows.map(|row| Ok(Position(row?.0.value().1))).collect()
}

fn read_parked(transaction: &WriteTransaction, ordinal: u32, position: Position) -> Result<Option<Parked>, StoreError> {
    let table = transaction.open_table(tables::PARKED)?;
    let row = table.get((ordinal, position.0))?;
    row.map(|row| decode_parked(row.value())).transpose()
}

fn write_parked(transaction: &WriteTransaction, ordinal: u32, parked: &Parked) -> Result<(), StoreError> {
    transaction.open_table(tables::PARKED)?.insert((ordinal, parked.event.position.0), encode_parked(parked).as_slice())?;
    transaction.open_table(tables::PARKED_SUBJECTS)?.insert((ordinal, parked.event.subject.as_str(), parked.event.position.0), ())?;
    Ok(())
}

fn unpark(transaction: &WriteTransaction, ordinal: u32, position: Position) -> Result<(), StoreError> {
    if let Some(parked) = read_parked(transaction, ordinal, position)? {
        transaction.open_table(tables::PARKED)?.remove((ordinal, position.0))?;
        transaction.open_table(tables::PARKED_SUBJECTS)?.remove((ordinal, parked.event.subject.as_str(), position.0))?;
    }
    Ok(())
}

/// Parks an event. A new one behind events that wait to be tried again waits too; one that was
/// parked before and failed again holds back all of its subject.
fn park(transaction: &WriteTransaction, ordinal: u32, event: &ParkedEvent) -> Result<(), StoreError> {
    let again = read_parked(transaction, ordinal, event.position)?.is_some();
    let others = subject_positions(transaction, ordinal, &event.subject)?;
    let mut released = false;
    for position in others {
        if let Some(mut other) = read_parked(transaction, ordinal, position)? {
            released = other.released;
            if again && other.released {
                other.released = false;
                write_parked(transaction, ordinal, &other)?;
            }
        }
    }
    write_parked(transaction, ordinal, &Parked { event: event.clone(), released: released && !again })
}

/// The parked positions of a subject. An event without a subject parks alone.
fn subject_positions(transaction: &WriteTransaction, ordinal: u32, subject: &str) -> Result<Vec<Position>, StoreError> {
    if subject.is_empty() { Ok(Vec::new()) } else { positions_about(transaction, ordinal, subject) }
}

/// The parked positions with this subject, or without any.
fn positions_about(transaction: &WriteTransaction, ordinal: u32, subject: &str) -> Result<Vec<Position>, StoreError> {
    let table = transaction.open_table(tables::PARKED_SUBJECTS)?;
    let rows = table.range((ordinal, subject, 0)..=(ordinal, subject, u64::MAX))?;
    rows.map(|row| Ok(Position(row?.0.value().2))).collect()
}

/// The parked events that an operator means.
fn meant(transaction: &WriteTransaction, ordinal: u32, which: &WhichParked) -> Result<Vec<Position>, StoreError> {
    match which {
        WhichParked::All => parked_positions(transaction, ordinal),
        WhichParked::Subject(subject) => positions_about(transaction, ordinal, subject),
        WhichParked::One(position) => Ok(vec![*position]),
    }
}

/// Has an event tried again. `first`: only if it waits behind no other of its subject.
fn release(transaction: &WriteTransaction, ordinal: u32, position: Position, first: bool) -> Result<(), StoreError> {
    let Some(mut parked) = read_parked(transaction, ordinal, position)?.filter(|parked| !parked.released) else { return Ok(()) };
    if first && subject_positions(transaction, ordinal, &parked.event.subject)?.first().is_some_and(|first| *first < position) {
        return Ok(());
    }
    parked.released = true;
    write_parked(transaction, ordinal, &parked)
}

/// Has all that is parked after a position tried again, but for what waits behind something earlier.
fn release_after(transaction: &WriteTransaction, ordinal: u32, after: Position) -> Result<(), StoreError> {
    for position in parked_positions(transaction, ordinal)?.into_iter().filter(|position| *position > after) {
        let Some(mut parked) = read_parked(transaction, ordinal, position)? else { continue };
        let first = subject_positions(transaction, ordinal, &parked.event.subject)?.first().copied();
        if first.is_none_or(|first| first > after) {
            parked.released = true;
            write_parked(transaction, ordinal, &parked)?;
        }
    }
    Ok(())
}

fn count_parked(transaction: &WriteTransaction, function: &str, mirror: &mut Mirror) -> Result<(), StoreError> {
    let Some(row) = mirror.function_mut(function) else { return Ok(()) };
    let table = transaction.open_table(tables::PARKED)?;
    (row.parked, row.released) = count(&table, row.ordinal)?;
    Ok(())
}

/// How many events of a function are parked, and how many of them released.
pub fn count(table: &impl ReadableTable<(u32, u64), &'static [u8]>, ordinal: u32) -> Result<(u64, u64), StoreError> {
    let (mut parked, mut released) = (0, 0);
    for row in table.range((ordinal, 0)..=(ordinal, u64::MAX))? {
        parked += 1;
        released += u64::from(row?.1.value().first() == Some(&1));
    }
    Ok((parked, released))
}

/// Brings the stored rows of functions and modules up to the mirror.
pub fn write_rows(transaction: &WriteTransaction, mirror: &mut Mirror) -> Result<(), StoreError> {
    schemas::write(transaction, mirror)?;
    let Dirty { functions, kept, cursors, modules, schemas: _, retold, outside, state_slots: _ } = std::mem::take(&mut mirror.dirty);
    if let Some(to) = mirror.retold.filter(|_| retold) {
        transaction.open_table(tables::META)?.insert(RETOLD, to.0.to_le_bytes().as_slice())?;
    }
    if !outside.is_empty() {
        let mut table = transaction.open_table(tables::OUTSIDE_COUNTS)?;
        for (ordinal, counts) in outside.iter().filter_map(|ordinal| mirror.outside.get(ordinal).map(|counts| (ordinal, counts))) {
            table.insert(ordinal, (counts.timers, counts.requests, counts.requests_held, counts.outputs_held))?;
        }
    }
    if !functions.is_empty() || !kept.is_empty() {
        let mut table = transaction.open_table(tables::FUNCTIONS)?;
        for row in functions.union(&kept).filter_map(|name| mirror.function(name)) {
            table.insert(row.name.as_str(), row.encode().as_slice())?;
        }
    }
    if !cursors.is_empty() {
        let mut table = transaction.open_table(tables::CURSORS)?;
        for row in cursors.iter().filter_map(|name| mirror.function(name)) {
            table.insert(row.ordinal, (row.cursor.0, row.epoch))?;
        }
    }
    if !modules.is_empty() {
        let mut table = transaction.open_table(tables::DEPLOYMENTS)?;
        for row in modules.iter().filter_map(|ordinal| mirror.modules.get(ordinal)) {
            table.insert(row.ordinal, row.encode().as_slice())?;
        }
    }
    Ok(())
}
