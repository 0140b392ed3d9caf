//! The tables that the log can make again, made from nothing: what its processing entries say of
//! functions, modules, schemas, parked events and what is forgotten; and what its entries about timers and
//! requests say of those. No other event is read.

use redb::WriteTransaction;

use super::apply::{write_parking, write_rows};
use super::error::StoreError;
use super::mirror::Mirror;
use super::outside::{OutsideTables, RowChange, write_row_changes};
use crate::model::{Position, Processing, Record};

/// Takes the entries of records in their order, and writes the tables of a head that has no rows yet.
pub struct MirrorOf<'t> {
    transaction: &'t WriteTransaction,
    mirror: Mirror,
}

impl<'t> MirrorOf<'t> {
    /// Of a log whose requests leave, or are held.
    pub fn new(transaction: &'t WriteTransaction, effects: bool) -> MirrorOf<'t> {
        MirrorOf { transaction, mirror: Mirror { effects, ..Mirror::default() } }
    }

    /// The entries of the record of `commit`; `first` is its first position, for an error to tell.
    pub fn take(&mut self, entries: &[Processing], commit: u64, first: Position) -> Result<(), StoreError> {
        for entry in entries {
            self.mirror.apply(entry, commit).map_err(StoreError::malformed("the log", first))?;
            write_parking(self.transaction, entry, &mut self.mirror)?;
        }
        Ok(())
    }

    /// The entries about timers and requests of a record, after what its processing said.
    pub fn take_outside(&mut self, record: &Record) -> Result<(), StoreError> {
        match record.is_outside() {
            true => OutsideTables::open(self.transaction)?.take(record, &mut self.mirror),
            false => Ok(()),
        }
    }

    /// What no record speaks of, after the records.
    pub fn change(&mut self, changes: &[RowChange]) -> Result<(), StoreError> {
        write_row_changes(self.transaction, changes, &mut self.mirror)
    }

    /// Functions and modules as they stand after what was taken; `change` may have its way with them before
    /// they are written.
    pub fn finish(mut self, change: impl FnOnce(&mut Mirror)) -> Result<Mirror, StoreError> {
        change(&mut self.mirror);
        write_rows(self.transaction, &mut self.mirror)?;
        Ok(self.mirror)
    }
}
