//! `ViewSnapshot`: the rows of a view at one moment.

use std::ops::Bound;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata};
use sha2::{Digest as _, Sha256};

use super::error::StoreError;
use super::tables;
use crate::model::{Digest, Position};

/// Rows and the cursor that they belong to: both of one commit.
pub struct ViewSnapshot {
    cursor: Position,
    rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl ViewSnapshot {
    pub(super) fn new(transaction: &ReadTransaction, file: &str) -> Result<ViewSnapshot, StoreError> {
        let damaged = || StoreError::Damaged { file: file.to_owned(), position: Position::START, what: "the cursor".into() };
        let meta = transaction.open_table(tables::VIEW_META)?;
        let cursor = meta.get("cursor")?.ok_or_else(damaged)?;
        let cursor = Position(u64::from_le_bytes(cursor.value().try_into().map_err(|_| damaged())?));
        Ok(ViewSnapshot { cursor, rows: transaction.open_table(tables::VIEW_ROWS)? })
    }

    pub fn cursor(&self) -> Position {
        self.cursor
    }

    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.get(key.as_bytes())?.map(|value| value.value().to_vec()))
    }

    /// Rows whose key begins with `prefix` and comes after `after`, in key order, as long as `visit` says so.
    pub fn visit(&self, prefix: &str, after: Option<&str>, mut visit: impl FnMut(&str, &[u8]) -> bool) -> Result<(), StoreError> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.as_bytes()),
            _ => Bound::Included(prefix.as_bytes()),
        };
        for row in self.rows.range::<&[u8]>((from, Bound::Unbounded))? {
            let (key, value) = row?;
            if !key.value().starts_with(prefix.as_bytes()) {
                break;
            }
            let Ok(key) = std::str::from_utf8(key.value()) else { continue };
            if !visit(key, value.value()) {
                break;
            }
        }
        Ok(())
    }

    pub fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut found = Vec::new();
        if limit > 0 {
            self.visit(prefix, after, |key, value| {
                found.push((key.to_owned(), value.to_vec()));
                found.len() < limit
            })?;
        }
        Ok(found)
    }

    /// Bytes of all keys and values. Walks the whole table.
    pub fn stored_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.rows.stats()?.stored_bytes())
    }

    pub fn count(&self) -> Result<u64, StoreError> {
        Ok(self.rows.len()?)
    }

    /// SHA-256 over all rows in key order, each key and value with its length (u64, little-endian) before it.
    pub fn digest(&self) -> Result<Digest, StoreError> {
        let mut hash = Sha256::new();
        for row in self.rows.iter()? {
            let (key, value) = row?;
            for part in [key.value(), value.value()] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        Ok(Digest(hash.finalize().into()))
    }
}
