//! `Store`: the one writer of a namespace.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::ReadableTable;

use super::append::note_broken;
use super::apply::apply;
use super::error::StoreError;
use super::group::Group;
use super::mirror::Mirror;
use super::proposal::{Accepted, Proposal, Refused};
use super::reader::Reader;
use super::shared::{Shared, View};
use super::subject::write_snapshots;
use super::tables;
use crate::model::{Position, Record, RecordBuilder, StatePart, Timestamp};

/// What of the log's rows that a segment holds now is deleted with a commit, so that no commit waits
/// long for it: this, or somewhat more than the commit itself brings.
const DELETED_PER_COMMIT: Deleted = Deleted { rows: 64, bytes: 256 << 10 };

/// A measure of deletion.
#[derive(Clone, Copy, Debug)]
struct Deleted {
    rows: usize,
    /// redb reads a row to delete it.
    bytes: usize,
}

pub struct Store {
    pub(super) shared: Arc<Shared>,
    pub(super) mirror: Mirror,
    /// Records of events that were asked for again.
    cache: Vec<Arc<Record>>,
    broken: VecDeque<u64>,
    /// Time of the last record: recorded time never goes back.
    pub(super) recorded: Timestamp,
    /// Whether rows of the log that a segment holds are still there.
    pub(super) sealed_rows_left: bool,
}

/// What a commit changed, with an answer for each proposal.
#[derive(Debug)]
pub struct Committed {
    pub answers: Vec<Result<Accepted, Refused>>,
    pub changes: Changes,
}

#[derive(Debug, Default)]
pub struct Changes {
    pub records: Vec<Arc<Record>>,
    /// Some function, module or schema is no longer what it was, beyond a function's cursor.
    pub functions: bool,
}

impl Store {
    pub(super) fn new(shared: Arc<Shared>, mirror: Mirror, recorded: Timestamp, sealed_rows_left: bool) -> Store {
        Store { shared, mirror, cache: Vec::new(), broken: VecDeque::new(), recorded, sealed_rows_left }
    }

    pub fn reader(&self) -> Reader {
        Reader { shared: self.shared.clone() }
    }

    /// Refuses what is still to come of a stream, as after a refused append.
    pub fn break_stream(&mut self, stream: u64) {
        note_broken(&mut self.broken, stream);
    }

    /// The last durable position.
    pub fn head(&self) -> Position {
        self.shared.view().head
    }

    /// Judges the proposals in order, each on top of those before it, and makes what was accepted
    /// durable, all in one transaction with one sync. A refused one leaves no trace.
    ///
    /// After an `Err` the store writes no more: nobody knows what reached the disk.
    pub fn commit(&mut self, proposals: impl IntoIterator<Item = Proposal>, now: Timestamp) -> Result<Committed, StoreError> {
        self.unless_poisoned(|store| store.commit_or_fail(proposals, now))
    }

    /// Writes, if nothing has failed yet; what fails now was the last attempt.
    pub(super) fn unless_poisoned<T>(&mut self, write: impl FnOnce(&mut Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.shared.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned("an earlier write failed".into()));
        }
        write(self).map_err(|error| {
            self.shared.poisoned.store(true, Ordering::Release);
            match &error {
                StoreError::Disk(disk) if StoreError::is_full(disk) => StoreError::Full,
                _ => StoreError::Poisoned(error.to_string().into()),
            }
        })
    }

    fn commit_or_fail(&mut self, proposals: impl IntoIterator<Item = Proposal>, now: Timestamp) -> Result<Committed, StoreError> {
        self.recorded = self.recorded.max(now);
        let shared = self.shared.clone();
        let view = shared.view();
        let chain = view.chain;
        let mut answers = Vec::new();
        let builder = RecordBuilder::new(view.commit + 1, view.head.next(), self.recorded);
        let mut group = Group {
            shared: &shared,
            view: view.clone(),
            tail: shared.tail_mut(),
            mirror: &mut self.mirror,
            cache: &mut self.cache,
            broken: &mut self.broken,
            builder,
            state: StatePart::default(),
            snapshots: Vec::new(),
            finished: Vec::new(),
            chain,
        };
        for proposal in proposals {
            answers.push(group.judge(proposal)?);
        }
        group.finish_record();
        let (commits, snapshots) = (std::mem::take(&mut group.finished), std::mem::take(&mut group.snapshots));
        drop(group);
        if commits.is_empty() && snapshots.is_empty() && !self.sealed_rows_left {
            return Ok(Committed { answers, changes: Changes::default() });
        }
        let dirty = &self.mirror.dirty;
        let changed = !dirty.functions.is_empty() || !dirty.modules.is_empty() || !dirty.schemas.is_empty();
        let functions = changed || parking_changed(&commits);
        let delete = self.sealed_rows_left;
        let bytes: usize = commits.iter().map(|commit| commit.record.bytes().len()).sum();
        let most = Deleted { bytes: DELETED_PER_COMMIT.bytes.max(bytes + bytes / 2), ..DELETED_PER_COMMIT };
        let mut left = false;
        apply(&shared, &commits, &mut self.mirror, |transaction, mirror| {
            write_snapshots(transaction, &snapshots, mirror)?;
            if delete {
                left = delete_sealed(transaction, &view, most)?;
            }
            Ok(())
        })?;
        self.sealed_rows_left = left;
        let records: Vec<Arc<Record>> = commits.into_iter().map(|commit| Arc::new(commit.record)).collect();
        if let Some(last) = records.last() {
            shared.tail_mut().committed(&records);
            shared.set_view(View {
                head: last.last(),
                commit: last.commit,
                chain: last.chain,
                segments: view.segments.clone(),
                functions: self.mirror.functions.clone(),
                modules: self.mirror.modules.clone(),
                upcasting: self.mirror.upcasting.clone(),
                schemas: self.mirror.schemas.clone(),
            });
        }
        Ok(Committed { answers, changes: Changes { records, functions } })
    }

    /// Deletes rows of the log that a segment holds now. For idle moments; answers whether more are left.
    pub fn delete_sealed_rows(&mut self) -> Result<bool, StoreError> {
        const IDLE: Deleted = Deleted { rows: 4_096, bytes: 4 << 20 };
        if !self.sealed_rows_left {
            return Ok(false);
        }
        self.unless_poisoned(|store| {
            let view = store.shared.view();
            let transaction = store.shared.head.begin_write()?;
            store.sealed_rows_left = delete_sealed(&transaction, &view, IDLE)?;
            transaction.commit()?;
            Ok(store.sealed_rows_left)
        })
    }
}

fn parking_changed(commits: &[crate::model::Commit]) -> bool {
    commits.iter().any(|commit| {
        commit.record.processing().is_ok_and(|entries| {
            entries.iter().any(|entry| match entry {
                crate::model::Processing::Reaction { parked, unparked, .. } => !parked.is_empty() || !unparked.is_empty(),
                crate::model::Processing::Released { .. } => true,
                _ => false,
            })
        })
    })
}

/// Deletes rows that segments hold, oldest first; answers whether some are left.
fn delete_sealed(transaction: &redb::WriteTransaction, view: &View, most: Deleted) -> Result<bool, StoreError> {
    let Some(sealed) = view.segments.last().map(|segment| segment.commit_last) else { return Ok(false) };
    let mut log = transaction.open_table(tables::LOG)?;
    let mut keys = Vec::new();
    let (mut bytes, mut left) = (0, false);
    for row in log.iter()? {
        let (key, value) = row?;
        if key.value().1 > sealed {
            break;
        }
        if keys.len() == most.rows || (bytes >= most.bytes && !keys.is_empty()) {
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
