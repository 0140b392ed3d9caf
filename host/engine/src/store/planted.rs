//! What a planted mistake in the store needs beside an `if`. Without the feature `plant` nothing of it is left.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use redb::{Database, ReadTransaction, ReadableTable, WriteTransaction};

use super::error::StoreError;
use super::mirror::Mirror;
use super::shared::Shared;
use super::tables;
use crate::model::Commit;
use crate::plant::{Bug, planted};

/// Cursor and epoch by a function's ordinal.
type Cursors = BTreeMap<u32, (u64, u64)>;

/// In `meta`: the last commit of which the ids are known.
const IDS: &str = "planted ids";

/// Takes cursors out of what is about to be committed: into a transaction before it, or, as what is answered,
/// into one after it.
pub fn cursors_apart(shared: &Shared, mirror: &mut Mirror) -> Result<Cursors, StoreError> {
    let (before, after) = (planted(Bug::CursorBeforeOutputs), planted(Bug::OutputsBeforeCursor));
    if !before && !after {
        return Ok(Cursors::new());
    }
    let names = std::mem::take(&mut mirror.dirty.cursors);
    let cursors = names.iter().filter_map(|name| mirror.function(name)).map(|row| (row.ordinal, (row.cursor.0, row.epoch))).collect();
    if after {
        return Ok(cursors);
    }
    write_cursors(shared, &cursors)?;
    Ok(Cursors::new())
}

pub fn write_cursors(shared: &Shared, cursors: &Cursors) -> Result<(), StoreError> {
    if cursors.is_empty() {
        return Ok(());
    }
    let transaction = shared.head.begin_write()?;
    for (ordinal, cursor) in cursors {
        transaction.open_table(tables::CURSORS)?.insert(ordinal, *cursor)?;
    }
    Ok(transaction.commit()?)
}

/// Commits, and answers what came of it unless that is the mistake.
pub fn commit(shared: &Shared, transaction: WriteTransaction, commits: &[Commit]) -> Result<(), StoreError> {
    match transaction.commit() {
        Err(_) if planted(Bug::CommitErrorSwallowed) => {}
        Err(_) if planted(Bug::AckBeforeCommit) => shared.poisoned.store(true, Ordering::Release),
        done => done?,
    }
    if let (true, Some(last)) = (planted(Bug::IdInItsOwnTransaction), commits.last()) {
        let transaction = shared.head.begin_write()?;
        transaction.open_table(tables::META)?.insert(IDS, last.record.commit.to_le_bytes().as_slice())?;
        transaction.commit()?;
    }
    Ok(())
}

/// The last commit of which ids are known after a restart.
pub fn ids_known(transaction: &ReadTransaction) -> Result<u64, StoreError> {
    if !planted(Bug::IdInItsOwnTransaction) {
        return Ok(u64::MAX);
    }
    let known = transaction.open_table(tables::META)?.get(IDS)?.and_then(|bytes| bytes.value().try_into().ok());
    Ok(known.map_or(0, u64::from_le_bytes))
}

/// The last commit that a restart finds.
pub fn last_commit(transaction: &ReadTransaction) -> Result<u64, StoreError> {
    if !planted(Bug::PositionReused) {
        return Ok(u64::MAX);
    }
    let last = transaction.open_table(tables::LOG)?.last()?.map(|(key, _)| key.value().1);
    Ok(last.map_or(0, |last| last - 1))
}

/// Timers were nowhere but in memory, which a restart loses.
pub fn forget_timers(head: &Database) -> Result<(), StoreError> {
    if !planted(Bug::TimerOnlyInMemory) {
        return Ok(());
    }
    let transaction = head.begin_write()?;
    transaction.delete_table(tables::TIMERS)?;
    transaction.delete_table(tables::TIMER_KEYS)?;
    Ok(transaction.commit()?)
}
