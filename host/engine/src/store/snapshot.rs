//! `Snapshot`: everything durable at one moment.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use redb::{ReadTransaction, ReadableTable};

use super::error::StoreError;
use super::function::{FunctionRow, ModuleRow};
use super::open_snapshots::OpenSnapshot;
use super::reader::Reader;
use super::schemas::SchemaRow;
use super::shared::{Shared, View};
use super::tables;
use super::upcasting::Upcasting;
use crate::model::{Digest, Event, ParkedEvent, Position, Record};

/// Everything durable at one moment. Hold it briefly: the head's file can't let go of old pages
/// while one lives.
pub struct Snapshot {
    pub(super) shared: Arc<Shared>,
    pub(super) view: Arc<View>,
    pub(super) head: Position,
    pub(super) transaction: ReadTransaction,
    log: OnceLock<redb::ReadOnlyTable<(u64, u64), &'static [u8]>>,
    _open: OpenSnapshot,
    /// Records looked up and index entries walked.
    #[cfg(test)]
    pub reads: std::sync::atomic::AtomicUsize,
}

/// A parked event, and whether it waits to be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    pub event: ParkedEvent,
    pub released: bool,
}

/// Some parked events of a function, oldest first.
#[derive(Clone, Debug, Default)]
pub struct ParkedPage {
    pub events: Vec<Parked>,
    pub more: bool,
}

impl Snapshot {
    pub(super) fn new(shared: Arc<Shared>) -> Result<Snapshot, StoreError> {
        // Head, cursors and epochs as they were before: the transaction may see a commit more, and a plan
        // that read its state then stands on an old cursor and is refused. The other way about, it would
        // stand on the new cursor and old state, and nobody could tell. The segments as they are after:
        // rows that the transaction no longer sees are in them.
        let before = shared.view();
        let open = OpenSnapshot::new(shared.clone(), before.commit);
        let transaction = redb::ReadableDatabase::begin_read(&shared.head)?;
        let view = Arc::new(View { segments: shared.view().segments.clone(), ..(*before).clone() });
        Ok(Snapshot {
            head: view.head,
            shared,
            view,
            transaction,
            log: OnceLock::new(),
            _open: open,
            #[cfg(test)]
            reads: std::sync::atomic::AtomicUsize::new(0),
        })
    }

    /// The namespace, as it goes on after this moment.
    pub fn reader(&self) -> Reader {
        Reader { shared: self.shared.clone() }
    }

    /// The last position that this snapshot sees.
    pub fn head(&self) -> Position {
        self.head
    }

    pub fn commit(&self) -> u64 {
        self.view.commit
    }

    /// The chain's end.
    pub fn chain(&self) -> Digest {
        self.view.chain
    }

    /// Tells this namespace's log from all others, those that it is copied to aside.
    pub fn log_identity(&self) -> Digest {
        self.shared.identity
    }

    pub fn functions(&self) -> impl Iterator<Item = &Arc<FunctionRow>> {
        self.view.functions.values()
    }

    pub fn function(&self, name: &str) -> Option<&Arc<FunctionRow>> {
        self.view.functions.get(name)
    }

    /// Every module version that was ever deployed, oldest first.
    pub fn modules(&self) -> impl Iterator<Item = &Arc<ModuleRow>> {
        self.view.modules.values()
    }

    pub fn module(&self, ordinal: u32) -> Option<&Arc<ModuleRow>> {
        self.view.modules.get(&ordinal)
    }

    pub fn upcasting(&self) -> &Arc<Upcasting> {
        &self.view.upcasting
    }

    /// Code identity: changes with the function's module, and with the upcasters on its types.
    pub fn identity(&self, row: &FunctionRow) -> Digest {
        self.view.upcasting.identity(row, &self.view.modules)
    }

    /// The schemas in force, by event type.
    pub fn schemas(&self) -> &Arc<BTreeMap<String, SchemaRow>> {
        &self.view.schemas
    }

    /// The component of a module version.
    pub fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.transaction.open_table(tables::MODULES)?.get(digest.0.as_slice())?.map(|bytes| bytes.value().to_vec()))
    }

    /// Whether the component of a module version is kept.
    pub fn has_component(&self, digest: Digest) -> Result<bool, StoreError> {
        Ok(self.transaction.open_table(tables::MODULES)?.get(digest.0.as_slice())?.is_some())
    }

    /// Whether its rows of state are those of a later commit than the one that it tells of.
    pub fn rows_are_ahead(&self) -> Result<bool, StoreError> {
        let last = self.log()?.last()?.map(|(key, _)| key.value().1);
        Ok(last.is_some_and(|commit| commit > self.view.commit))
    }

    pub(super) fn log(&self) -> Result<&redb::ReadOnlyTable<(u64, u64), &'static [u8]>, StoreError> {
        if let Some(log) = self.log.get() {
            return Ok(log);
        }
        let log = self.transaction.open_table(tables::LOG)?;
        Ok(self.log.get_or_init(|| log))
    }

    /// The record that holds `position`.
    pub fn record(&self, position: Position) -> Result<Option<Arc<Record>>, StoreError> {
        #[cfg(test)]
        self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if position == Position::START || position > self.head {
            return Ok(None);
        }
        if let Some(record) = self.shared.tail().recent(position) {
            return Ok(Some(record));
        }
        if let Some(segment) = self.view.segment(position) {
            return segment.record(position);
        }
        match self.log()?.range(..=(position.0, u64::MAX))?.next_back() {
            Some(row) => {
                let bytes = row?.1.value().into();
                Ok(Some(Arc::new(Record::parse(bytes).map_err(StoreError::malformed("head.redb", position))?)))
            }
            None => Err(StoreError::Damaged { file: "head.redb".into(), position, what: "the record is missing".into() }),
        }
    }

    pub fn event(&self, position: Position) -> Result<Option<Event>, StoreError> {
        let record = self.record(position)?;
        Ok(record.and_then(|record| record.event(position).map(|event| event.to_event())))
    }

    /// Where the event with this source and id is.
    pub fn find(&self, source: &str, id: &str) -> Result<Option<Position>, StoreError> {
        for position in self.positions_of_id(source, id)? {
            if let Some(record) = self.record(position)?
                && record.event(position).is_some_and(|event| event.source == source && event.id == id)
            {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// Where entries with the hash of this source and id are.
    pub(super) fn positions_of_id(&self, source: &str, id: &str) -> Result<impl Iterator<Item = Position>, StoreError> {
        let head = self.head;
        let positions = self.shared.positions_of_id(self.shared.hasher.id(source, id))?;
        Ok(positions.into_iter().filter(move |position| *position <= head))
    }

    /// A value of a function's state. `slot` is the function's, or one that is kept beside it.
    pub fn state(&self, slot: u32, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.transaction.open_table(tables::STATE)?.get(state_key(slot, key).as_slice())?.map(|value| value.value().to_vec()))
    }

    /// Entries of a slot in key order: those that begin with `prefix` and come after
    /// `after`, as long as `visit` says so.
    pub fn scan_state(
        &self,
        slot: u32,
        prefix: &str,
        after: Option<&str>,
        mut visit: impl FnMut(&str, &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let table = self.transaction.open_table(tables::STATE)?;
        let prefix_key = state_key(slot, prefix);
        let from = match after {
            Some(after) if after >= prefix => std::ops::Bound::Excluded(state_key(slot, after)),
            _ => std::ops::Bound::Included(prefix_key.clone()),
        };
        let from = from.as_ref().map(Vec::as_slice);
        for row in table.range::<&[u8]>((from, std::ops::Bound::Unbounded))? {
            let (key, value) = row?;
            if !key.value().starts_with(&prefix_key) {
                break;
            }
            let Ok(key) = std::str::from_utf8(&key.value()[4..]) else { continue };
            if !visit(key, value.value()) {
                break;
            }
        }
        Ok(())
    }

    pub fn has_state(&self, slot: u32) -> Result<bool, StoreError> {
        let mut any = false;
        self.scan_state(slot, "", None, |_, _| {
            any = true;
            false
        })?;
        Ok(any)
    }

    /// Whether an event of `subject` is parked for the function.
    pub fn is_parked(&self, ordinal: u32, subject: &str) -> Result<bool, StoreError> {
        let table = self.transaction.open_table(tables::PARKED_SUBJECTS)?;
        Ok(table.range((ordinal, subject, 0)..=(ordinal, subject, u64::MAX))?.next().is_some())
    }

    /// Parked events of a function after a position, at most `limit`.
    pub fn parked(&self, ordinal: u32, after: Position, limit: usize) -> Result<ParkedPage, StoreError> {
        let table = self.transaction.open_table(tables::PARKED)?;
        let mut page = ParkedPage::default();
        for row in table.range((ordinal, after.0.saturating_add(1))..=(ordinal, u64::MAX))? {
            if page.events.len() == limit {
                page.more = true;
                break;
            }
            page.events.push(decode_parked(row?.1.value())?);
        }
        Ok(page)
    }

    /// How many of a function's parked events have each reason: of the oldest so many.
    pub fn parked_reasons(&self, ordinal: u32, limit: usize) -> Result<BTreeMap<String, u64>, StoreError> {
        let table = self.transaction.open_table(tables::PARKED)?;
        let mut reasons = BTreeMap::new();
        for row in table.range((ordinal, 0)..=(ordinal, u64::MAX))?.take(limit) {
            *reasons.entry(decode_parked(row?.1.value())?.event.reason).or_default() += 1;
        }
        Ok(reasons)
    }

    /// The oldest parked event that waits to be tried again.
    pub fn first_released(&self, ordinal: u32) -> Result<Option<ParkedEvent>, StoreError> {
        let table = self.transaction.open_table(tables::PARKED)?;
        for row in table.range((ordinal, 0)..=(ordinal, u64::MAX))? {
            let parked = decode_parked(row?.1.value())?;
            if parked.released {
                return Ok(Some(parked.event));
            }
        }
        Ok(None)
    }

    /// Bytes that the namespace takes on the disk: the head's pages in use, and the segments whole.
    pub fn bytes_in_use(&self) -> Result<u64, StoreError> {
        let mut bytes = self.shared.head_bytes()?;
        for segment in self.view.segments.iter() {
            bytes += self.shared.folder.allocated(&segment.file).map_err(StoreError::io(format!("{} can't be measured", segment.file)))?;
        }
        Ok(bytes)
    }

    pub fn segments(&self) -> usize {
        self.view.segments.len()
    }
}

pub(super) fn state_key(slot: u32, key: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + key.len());
    bytes.extend_from_slice(&slot.to_be_bytes());
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

/// A parked row: whether it is released, then the event.
pub(super) fn encode_parked(parked: &Parked) -> Vec<u8> {
    let mut out = crate::model::ByteWriter::default();
    out.u8(u8::from(parked.released));
    parked.event.encode(&mut out);
    out.bytes
}

pub(super) fn decode_parked(bytes: &[u8]) -> Result<Parked, StoreError> {
    let mut reader = crate::model::ByteReader::new(bytes);
    let mut read = || Ok(Parked { released: reader.u8("released")? != 0, event: ParkedEvent::decode(&mut reader)? });
    read().map_err(StoreError::malformed("head.redb", Position::START))
}

#[cfg(test)]
mod tests {
    use crate::store::upgrade_testing::Shop;

    #[test]
    fn a_snapshot_taken_before_a_commit_is_shown_tells_that_its_rows_are_ahead() {
        let mut shop = Shop::new();
        shop.append(3);
        let before = (*shop.store.shared.view()).clone();
        shop.work(1);
        let after = (*shop.store.shared.view()).clone();
        let ahead = |shop: &Shop| shop.store.reader().snapshot().unwrap().rows_are_ahead().unwrap();
        shop.store.shared.set_view(before);
        assert!(ahead(&shop));
        shop.store.shared.set_view(after);
        assert!(!ahead(&shop));
    }
}
