//! What the writer and its readers share.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::{Database, ReadableDatabase, ReadableTableMetadata};

use super::error::StoreError;
use super::folder::Folder;
use super::forgotten::ForgetKey;
use super::function::{FunctionRow, ModuleRow};
use super::open_snapshots::OpenSnapshots;
use super::outside::OutsideCounts;
use super::schemas::SchemaRow;
use super::segment::Segment;
use super::tables;
use super::tail::Tail;
use super::terms::TermHasher;
use super::upcasting::Upcasting;
use crate::model::{Digest, Position, Record, Timestamp};

pub struct Shared {
    pub folder: Arc<dyn Folder>,
    pub head: Database,
    pub hasher: TermHasher,
    pub forget_key: ForgetKey,
    /// Tells this log from all others.
    pub identity: Digest,
    /// Set when a commit failed: no more writes.
    pub poisoned: AtomicBool,
    pub open_snapshots: OpenSnapshots,
    /// Whether the filters of all segments are kept in memory.
    pub holds_filters: AtomicBool,
    view: RwLock<Arc<View>>,
    tail: RwLock<Tail>,
}

/// What is durable now, swapped whole after each commit.
#[derive(Clone, Debug)]
pub struct View {
    /// The last position that is durable.
    pub head: Position,
    pub commit: u64,
    pub chain: Digest,
    /// When the last record was made.
    pub recorded: Timestamp,
    /// Up to where this log retells another.
    pub retold: Option<Position>,
    /// Whether any event was ever erased for good.
    pub forgotten: bool,
    /// Whether timers fire here and requests leave.
    pub effects: bool,
    /// By function ordinal: what is pending.
    pub outside: Arc<BTreeMap<u32, OutsideCounts>>,
    /// Oldest first, without gaps.
    pub segments: Arc<Vec<Arc<Segment>>>,
    pub functions: Arc<BTreeMap<String, Arc<FunctionRow>>>,
    pub modules: Arc<BTreeMap<u32, Arc<ModuleRow>>>,
    pub upcasting: Arc<Upcasting>,
    /// By event type.
    pub schemas: Arc<BTreeMap<String, SchemaRow>>,
}

/// What is drawn once a namespace, and what follows from it.
pub struct Keys {
    pub hasher: TermHasher,
    pub forget_key: ForgetKey,
    pub identity: Digest,
}

impl View {
    /// The last position in a segment.
    pub fn sealed(&self) -> Position {
        self.segments.last().map_or(Position::START, |segment| segment.last)
    }

    pub fn segment(&self, position: Position) -> Option<&Arc<Segment>> {
        let index = self.segments.partition_point(|segment| segment.last < position);
        self.segments.get(index).filter(|segment| segment.first <= position)
    }
}

impl Shared {
    pub fn new(folder: Arc<dyn Folder>, head: Database, keys: Keys, view: View, tail: Tail) -> Shared {
        let Keys { hasher, forget_key, identity } = keys;
        Shared {
            folder,
            head,
            hasher,
            forget_key,
            identity,
            poisoned: AtomicBool::new(false),
            open_snapshots: OpenSnapshots::default(),
            holds_filters: AtomicBool::new(false),
            view: RwLock::new(Arc::new(view)),
            tail: RwLock::new(tail),
        }
    }

    pub fn view(&self) -> Arc<View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_view(&self, view: View) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }

    pub fn tail(&self) -> RwLockReadGuard<'_, Tail> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the writer alone.
    pub fn tail_mut(&self) -> RwLockWriteGuard<'_, Tail> {
        self.tail.write().unwrap_or_else(PoisonError::into_inner)
    }
}

// What the writer needs of the stored log while it holds the tail's lock, and readers too.
impl Shared {
    /// Positions of events whose id may have this hash, as of now: the tail's, then the segments',
    /// newest first. In this order, since what the tail forgets is in a segment by then.
    pub fn positions_of_id(&self, hash: u64) -> Result<Vec<Position>, StoreError> {
        let mut positions: Vec<Position> = self.tail().with_id(hash).collect();
        for segment in self.view().segments.iter().rev() {
            positions.extend(segment.with_id(hash)?);
        }
        Ok(positions)
    }

    /// The stored record that holds a position. Doesn't take the tail's lock.
    pub fn stored_record(&self, view: &View, position: Position) -> Result<Arc<Record>, StoreError> {
        let missing = || StoreError::Damaged { file: "the log".into(), position, what: "the record is missing".into() };
        if let Some(segment) = view.segment(position) {
            return segment.record(position)?.ok_or_else(missing);
        }
        let log = self.head.begin_read()?.open_table(tables::LOG)?;
        let row = log.range(..=(position.0, u64::MAX))?.next_back().ok_or_else(missing)??;
        Ok(Arc::new(Record::parse(row.1.value().into()).map_err(StoreError::malformed("head.redb", position))?))
    }

    /// Whether there are any rows in a slot.
    pub fn has_state(&self, slot: u32) -> Result<bool, StoreError> {
        let state = self.head.begin_read()?.open_table(tables::STATE)?;
        let first = state.range::<&[u8]>(slot.to_be_bytes().as_slice()..)?.next().transpose()?;
        Ok(first.is_some_and(|(key, _)| key.value().starts_with(&slot.to_be_bytes())))
    }

    /// Bytes of the head's pages in use.
    pub fn head_bytes(&self) -> Result<u64, StoreError> {
        let log = self.head.begin_read()?.open_table(tables::LOG)?;
        let state = self.head.begin_read()?.open_table(tables::STATE)?;
        let of = |stats: redb::TableStats| stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
        let kept = match self.head.begin_read()?.open_table(tables::SNAPSHOTS) {
            Ok(snapshots) => of(snapshots.stats()?),
            // The namespace is from before there were any.
            Err(redb::TableError::TableDoesNotExist(_)) => 0,
            Err(error) => return Err(error.into()),
        };
        Ok(of(log.stats()?) + of(state.stats()?) + kept)
    }
}
