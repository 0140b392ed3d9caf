//! Pending timers and requests as the writer sees them: the tables as they were before the group.

use redb::{ReadOnlyTable, ReadTransaction, ReadableDatabase, TableError};

use super::super::error::StoreError;
use super::super::shared::Shared;
use super::super::tables;
use super::rows::OutboxRow;
use crate::model::{ByteReader, Emitted, NextOccurrence, Position, Timestamp};

/// A table that a head from before it was thought of doesn't have.
pub fn open<K: redb::Key + 'static, V: redb::Value + 'static>(
    transaction: &ReadTransaction,
    table: redb::TableDefinition<K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, StoreError> {
    match transaction.open_table(table) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        table => Ok(Some(table?)),
    }
}

/// What is durable.
pub struct Durable(ReadTransaction);

impl Durable {
    pub fn of(shared: &Shared) -> Result<Durable, StoreError> {
        Ok(Durable(shared.head.begin_read()?))
    }

    pub fn keys(&self) -> Result<TimerKeys, StoreError> {
        Ok(TimerKeys(open(&self.0, tables::TIMER_KEYS)?))
    }

    pub fn request(&self, request: Position) -> Result<Option<OutboxRow>, StoreError> {
        let Some(table) = open(&self.0, tables::OUTBOX)? else { return Ok(None) };
        let row = table.get(request.0)?;
        row.map(|row| OutboxRow::decode(row.value())).transpose().map_err(StoreError::malformed("head.redb", request))
    }

    pub fn schedule(&self, ordinal: u32, key: &str) -> Result<Option<NextOccurrence>, StoreError> {
        let Some(table) = open(&self.0, tables::SCHEDULES)? else { return Ok(None) };
        let row = table.get((ordinal, key))?;
        let next = row.map(|row| NextOccurrence::decode(&mut ByteReader::new(row.value()))).transpose();
        next.map_err(StoreError::malformed("head.redb", Position::START))
    }

    /// A held output, and the module version that made it.
    pub fn held(&self, ordinal: u32, cause: Position, id: &str) -> Result<Option<(u32, Emitted)>, StoreError> {
        let Some(table) = open(&self.0, tables::HELD)? else { return Ok(None) };
        let row = table.get((ordinal, cause.0, id))?;
        row.map(|row| decode_held(row.value())).transpose()
    }
}

type Keys = ReadOnlyTable<(u32, &'static str), (u64, u64)>;

pub struct TimerKeys(Option<Keys>);

impl TimerKeys {
    pub fn get(&self, ordinal: u32, key: &str) -> Result<Option<(Timestamp, Position)>, StoreError> {
        let Some(table) = &self.0 else { return Ok(None) };
        let row = table.get((ordinal, key))?.map(|row| row.value());
        Ok(row.map(|(due, position)| (Timestamp(due), Position(position))))
    }
}

pub fn decode_held(bytes: &[u8]) -> Result<(u32, Emitted), StoreError> {
    let mut reader = ByteReader::new(bytes);
    let mut read = || Ok((reader.u32("module")?, Emitted::decode(&mut reader)?));
    read().map_err(StoreError::malformed("head.redb", Position::START))
}
