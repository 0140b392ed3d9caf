//! Rows that nobody needs any more, deleted a few with each commit and more in idle moments, so that no
//! commit waits long for it: those of the log that a segment holds now, and those of dropped slots.

use redb::{ReadableTable, WriteTransaction};

use super::error::StoreError;
use super::shared::View;
use super::slots::Slots;
use super::tables;

/// A measure of deletion.
#[derive(Clone, Copy, Debug)]
pub struct Deleted {
    pub rows: usize,
    /// redb reads a row to delete it.
    pub bytes: usize,
}

impl Deleted {
    /// With a commit of so many bytes: this, or somewhat more than the commit itself brings.
    pub fn with_commit(bytes: usize) -> Deleted {
        Deleted { rows: 64, bytes: (256 << 10).max(bytes + bytes / 2) }
    }

    /// One step where nobody waits: whoever comes meanwhile waits for the end of it.
    pub const IDLE: Deleted = Deleted { rows: 1_024, bytes: 1 << 20 };

    fn reached(self, rows: usize, bytes: usize) -> bool {
        rows == self.rows || (bytes >= self.bytes && rows > 0)
    }
}

/// Deletes rows of the log that segments hold, oldest first; answers whether some are left.
pub fn delete_sealed(transaction: &WriteTransaction, view: &View, most: Deleted) -> Result<bool, StoreError> {
    let Some(sealed) = view.segments.last().map(|segment| segment.commit_last) else { return Ok(false) };
    let mut log = transaction.open_table(tables::LOG)?;
    let mut keys = Vec::new();
    let (mut bytes, mut left) = (0, false);
    for row in log.iter()? {
        let (key, value) = row?;
        if key.value().1 > sealed {
            break;
        }
        if most.reached(keys.len(), bytes) {
            left = true;
            break;
        }
        bytes += value.value().len();
        keys.push(key.value());
    }
    for key in keys {
        log.remove(key)?;
    }
    Ok(left)
}

/// Deletes rows of dropped slots, one slot after the other.
pub fn delete_dropped(transaction: &WriteTransaction, slots: &mut Slots, most: Deleted) -> Result<(), StoreError> {
    let (mut rows, mut bytes) = (0, 0);
    while let Some(slot) = slots.next_dropped() {
        let mut state = transaction.open_table(tables::STATE)?;
        let mut keys = Vec::new();
        let mut left = false;
        for row in state.range::<&[u8]>(slot.to_be_bytes().as_slice()..)? {
            let (key, value) = row?;
            if !key.value().starts_with(&slot.to_be_bytes()) {
                break;
            }
            if most.reached(rows, bytes) {
                left = true;
                break;
            }
            rows += 1;
            bytes += key.value().len() + value.value().len();
            keys.push(key.value().to_vec());
        }
        for key in keys {
            state.remove(key.as_slice())?;
        }
        if left {
            break;
        }
        slots.emptied(slot);
    }
    Ok(())
}
