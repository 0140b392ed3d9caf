//! Slots: the rows of one version of a function's state lie together in the table of state, under a
//! number of their own. So a version is made ready, switched and dropped without touching another.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use redb::ReadableTable;

use super::error::StoreError;
use super::function::FunctionRow;
use super::kept::Kept;

/// What has no rows in the table of state has this one: views have files of their own.
pub const NO_SLOT: u32 = 0;

/// Gives slots out, and knows those whose rows nobody needs any more.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    /// The highest that was given out. No slot is given out twice while rows of it may be there.
    last: u32,
    /// Nobody's. Their rows are deleted a few at a time.
    dropped: BTreeSet<u32>,
}

impl Slots {
    /// What the rows of functions and of state say.
    pub fn found(
        functions: &BTreeMap<String, Arc<FunctionRow>>,
        state: &impl ReadableTable<&'static [u8], &'static [u8]>,
    ) -> Result<Slots, StoreError> {
        let owned: BTreeSet<u32> = functions.values().flat_map(|row| owned(row)).collect();
        let filled = filled(state)?;
        let ordinals = functions.values().map(|row| row.ordinal);
        let last = ordinals.chain(owned.iter().copied()).chain(filled.iter().copied()).max().unwrap_or_default();
        Ok(Slots { last, dropped: filled.difference(&owned).copied().collect() })
    }

    /// A slot without rows.
    pub fn fresh(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    /// Nobody reads or writes it from here on.
    pub fn abandon(&mut self, slot: u32) {
        if slot != NO_SLOT {
            self.dropped.insert(slot);
        }
    }

    pub fn next_dropped(&self) -> Option<u32> {
        self.dropped.first().copied()
    }

    /// The rows of a dropped slot are gone.
    pub fn emptied(&mut self, slot: u32) {
        self.dropped.remove(&slot);
    }
}

fn owned(row: &FunctionRow) -> impl Iterator<Item = u32> {
    row.kept.iter().map(|kept: &Kept| kept.slot).chain([row.slot])
}

/// The slots that have rows: a look-up for each, however many rows it has.
fn filled(state: &impl ReadableTable<&'static [u8], &'static [u8]>) -> Result<BTreeSet<u32>, StoreError> {
    let mut found = BTreeSet::new();
    let mut from = Bound::Unbounded;
    loop {
        let bounds = (from.as_ref().map(|from: &[u8; 4]| from.as_slice()), Bound::Unbounded);
        let Some(row) = state.range::<&[u8]>(bounds)?.next() else { return Ok(found) };
        let Some(slot) = row?.0.value().first_chunk().copied().map(u32::from_be_bytes) else { return Ok(found) };
        found.insert(slot);
        let Some(next) = slot.checked_add(1) else { return Ok(found) };
        from = Bound::Included(next.to_be_bytes());
    }
}
