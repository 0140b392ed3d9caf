//! `Reader`: the handle to a namespace for everybody but its writer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::consumer_file::{ConsumerFile, StoredConsumer};
use super::error::StoreError;
use super::function::{FunctionRow, ModuleRow};
use super::head::HEAD;
use super::schemas::SchemaRow;
use super::shared::Shared;
use super::snapshot::Snapshot;
use super::upcasting::Upcasting;
use super::view_file::{Made, ViewFile, ViewOpened, sweep_views};
use crate::model::{Digest, Position, Record};

/// Cheap to clone; reads never wait for the writer's disk.
#[derive(Clone)]
pub struct Reader {
    pub(super) shared: Arc<Shared>,
}

impl Reader {
    /// The last durable position.
    pub fn head(&self) -> Position {
        self.shared.view().head
    }

    /// Tells this namespace's log from all others.
    pub fn log_identity(&self) -> Digest {
        self.shared.identity
    }

    /// Functions as they stand, by name. Opens no snapshot.
    pub fn functions(&self) -> Arc<BTreeMap<String, Arc<FunctionRow>>> {
        self.shared.view().functions.clone()
    }

    /// Module versions, by ordinal.
    pub fn modules(&self) -> Arc<BTreeMap<u32, Arc<ModuleRow>>> {
        self.shared.view().modules.clone()
    }

    pub fn upcasting(&self) -> Arc<Upcasting> {
        self.shared.view().upcasting.clone()
    }

    /// The schemas in force, by event type. Opens no snapshot.
    pub fn schemas(&self) -> Arc<BTreeMap<String, SchemaRow>> {
        self.shared.view().schemas.clone()
    }

    /// Keeps in memory from now on what tells new ids from known ones, so that no append waits for it to be read.
    pub fn hold_filters(&self) -> Result<(), StoreError> {
        self.shared.holds_filters.store(true, Ordering::Release);
        self.shared.view().segments.iter().try_for_each(|segment| segment.filter().map(drop))
    }

    /// Gives that memory back: nothing is appended here any more.
    pub fn release_filters(&self) {
        self.shared.holds_filters.store(false, Ordering::Release);
        self.shared.view().segments.iter().for_each(|segment| segment.release_filter());
    }

    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::new(self.shared.clone())
    }

    /// Code identity of a function as it stands.
    pub fn identity(&self, row: &FunctionRow) -> Digest {
        let view = self.shared.view();
        view.upcasting.identity(row, &view.modules)
    }

    /// Opens the file of a view that is made by this code, which lies beside the log; made new if it is
    /// of no use.
    pub fn open_view(&self, function: &str, identity: Digest, cache_bytes: usize) -> Result<(ViewFile, ViewOpened), StoreError> {
        ViewFile::open(&self.shared.folder, Made::View, function, identity, self.log_identity(), self.head(), cache_bytes)
    }

    /// Removes the files of views but those of these names.
    pub fn sweep_views(&self, keep: &BTreeSet<String>) -> Result<Vec<String>, StoreError> {
        sweep_views(&*self.shared.folder, Made::View, keep)
    }

    /// Opens the shadow in which this code is replayed, with how far the replay got; made new if it is of no
    /// use.
    pub fn open_shadow(&self, function: &str, identity: Digest, cache_bytes: usize) -> Result<(ViewFile, ViewOpened), StoreError> {
        ViewFile::open(&self.shared.folder, Made::Shadow, function, identity, self.log_identity(), self.head(), cache_bytes)
    }

    /// Removes shadows but those of these names.
    pub fn sweep_shadows(&self, keep: &BTreeSet<String>) -> Result<Vec<String>, StoreError> {
        sweep_views(&*self.shared.folder, Made::Shadow, keep)
    }

    /// Makes what is known of the log's consumers anew.
    pub fn make_consumers(&self, generation: u64, all: &BTreeMap<String, StoredConsumer>) -> Result<ConsumerFile, StoreError> {
        ConsumerFile::make(&self.shared.folder, generation, all)
    }

    /// What is known of the log's consumers, if it ever had one.
    pub fn find_consumers(&self) -> Result<Option<ConsumerFile>, StoreError> {
        ConsumerFile::find(&self.shared.folder)
    }

    /// The durable event with this source and id up to `upto`, and the record that holds it.
    pub fn find(&self, source: &str, id: &str, upto: Position) -> Result<Option<(Arc<Record>, Position)>, StoreError> {
        for position in self.shared.positions_of_id(self.shared.hasher.id(source, id))? {
            if position <= upto {
                let recent = self.shared.tail().recent(position);
                let record = recent.map_or_else(|| self.shared.stored_record(&self.shared.view(), position), Ok)?;
                if record.event(position).is_some_and(|event| event.source == source && event.id == id) {
                    return Ok(Some((record, position)));
                }
            }
        }
        Ok(None)
    }

    /// Bytes that `head.redb` takes on the disk; 0 where the folder doesn't say.
    pub fn head_bytes(&self) -> u64 {
        self.shared.folder.allocated(HEAD).unwrap_or_default()
    }

    /// Commits since the oldest snapshot that is read at the moment was taken.
    pub fn oldest_snapshot_commits(&self) -> u64 {
        // In this order: the commit that a snapshot sees is there before the snapshot is.
        let oldest = self.shared.open_snapshots.oldest();
        oldest.map_or(0, |oldest| self.shared.view().commit.saturating_sub(oldest))
    }

    /// Whether the writer has stopped for good because the disk failed.
    pub fn is_poisoned(&self) -> bool {
        self.shared.poisoned.load(std::sync::atomic::Ordering::Acquire)
    }
}
