//! `apply`: the single way in. Writes commits into the head's tables.

use redb::WriteTransaction;

use super::error::StoreError;
use super::forgotten;
use super::head::RETOLD;
use super::mirror::{Dirty, Mirror};
use super::outside::{OutsideTables, RowChange, write_processing, write_row_changes};
use super::parked_rows::ParkedRows;
use super::planted;
use super::schemas;
use super::shared::Shared;
use super::snapshot::state_key;
use super::tables;
use crate::model::{Commit, FunctionKind, Processing, StateWrite};
use crate::plant::{Bug, planted};

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
    let late_cursors = planted::cursors_apart(shared, mirror)?;
    let mut transaction = shared.head.begin_write()?;
    if planted(Bug::DurabilityNone) {
        drop(transaction.set_durability(redb::Durability::None));
    }
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
    planted::commit(shared, transaction, commits)?;
    planted::write_cursors(shared, &late_cursors)
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
            change_parked(transaction, function, mirror, |rows, _| {
                unparked.iter().try_for_each(|position| rows.unpark(*position))?;
                parked.iter().try_for_each(|event| rows.park(event))
            })
        }
        Processing::Forgot { hashes } => forgotten::write(transaction, hashes),
        Processing::Released { function, which } => change_parked(transaction, function, mirror, |rows, _| rows.release(which)),
        Processing::Skipped { function, which } => change_parked(transaction, function, mirror, |rows, _| rows.skip(which)),
        Processing::Rewound { function, to, .. } => change_parked(transaction, function, mirror, |rows, kind| match kind {
            FunctionKind::Aggregate => rows.release_after(*to),
            _ => rows.forget_after(*to),
        }),
        Processing::Scheduled { .. } | Processing::Held { .. } | Processing::Unheld { .. } => write_processing(transaction, entry, mirror),
        _ => Ok(()),
    }
}

fn change_parked(
    transaction: &WriteTransaction,
    function: &str,
    mirror: &mut Mirror,
    change: impl FnOnce(&mut ParkedRows<'_>, FunctionKind) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let Some(row) = mirror.function_mut(function) else { return Ok(()) };
    let mut rows = ParkedRows::open(transaction, row.ordinal, (row.parked, row.released))?;
    change(&mut rows, row.manifest.kind)?;
    (row.parked, row.released) = (rows.parked, rows.released);
    Ok(())
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
