//! `Store`: the one writer of a namespace.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::ReadableTable;

use super::apply::apply;
use super::error::StoreError;
use super::group::Group;
use super::mirror::Mirror;
use super::proposal::{Accepted, Proposal, Refused};
use super::reader::Reader;
use super::shared::{Shared, View};
use super::tables;
use crate::model::{Position, Record, RecordBuilder, StatePart, Timestamp};

/// Rows of the log that a segment holds now are deleted so many a commit, so that no commit waits
/// long for it.
const ROWS_DELETED_PER_COMMIT: usize = 128;

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
    /// Some function or module is no longer what it was, beyond its cursor.
    pub functions: bool,
}

impl Store {
    pub(super) fn new(shared: Arc<Shared>, mirror: Mirror, recorded: Timestamp, sealed_rows_left: bool) -> Store {
        Store { shared, mirror, cache: Vec::new(), broken: VecDeque::new(), recorded, sealed_rows_left }
    }

    pub fn reader(&self) -> Reader {
        Reader { shared: self.shared.clone() }
    }

    /// The last durable position.
    pub fn head(&self) -> Position {
        self.shared.position()
    }

    /// Judges the proposals in order, each on top of those before it, and makes what was accepted
    /// durable, all in one transaction with one sync. A refused one leaves no trace.
    ///
    /// After an `Err` the store writes no more: nobody knows what reached the disk.
    pub fn commit(&mut self, proposals: impl IntoIterator<Item = Proposal>, now: Timestamp) -> Result<Committed, StoreError> {
        if self.shared.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned("an earlier commit failed".into()));
        }
        self.commit_or_fail(proposals, now).map_err(|error| {
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
        let builder = RecordBuilder::new(view.commit + 1, self.head().next(), self.recorded);
        let mut group = Group { shared: &shared, view: view.clone(), tail: shared.tail_mut(), mirror: &mut self.mirror, cache: &mut self.cache, broken: &mut self.broken, builder, state: StatePart::default(), finished: Vec::new(), chain };
        for proposal in proposals {
            answers.push(group.judge(proposal)?);
        }
        group.finish_record();
        let commits = std::mem::take(&mut group.finished);
        drop(group);
        if commits.is_empty() && !self.sealed_rows_left {
            return Ok(Committed { answers, changes: Changes::default() });
        }
        let functions = !self.mirror.dirty.functions.is_empty() || !self.mirror.dirty.modules.is_empty() || parking_changed(&commits);
        let delete = self.sealed_rows_left;
        let mut left = false;
        apply(&shared, &commits, &mut self.mirror, |transaction| {
            if delete {
                left = delete_sealed(transaction, &view, ROWS_DELETED_PER_COMMIT)?;
            }
            Ok(())
        })?;
        self.sealed_rows_left = left;
        let records: Vec<Arc<Record>> = commits.into_iter().map(|commit| Arc::new(commit.record)).collect();
        if let Some(last) = records.last() {
            {
                let mut tail = shared.tail_mut();
                records.iter().for_each(|record| tail.committed(record.clone()));
            }
            shared.set_view(View { commit: last.commit, chain: last.chain, segments: view.segments.clone(), functions: self.mirror.functions.clone(), modules: self.mirror.modules.clone() });
            shared.set_position(last.last());
        }
        Ok(Committed { answers, changes: Changes { records, functions } })
    }

    /// Deletes rows of the log that a segment holds now. For idle moments; answers whether more are left.
    pub fn delete_sealed_rows(&mut self, rows: usize) -> Result<bool, StoreError> {
        if !self.sealed_rows_left {
            return Ok(false);
        }
        let view = self.shared.view();
        let transaction = self.shared.head.begin_write()?;
        self.sealed_rows_left = delete_sealed(&transaction, &view, rows)?;
        transaction.commit()?;
        Ok(self.sealed_rows_left)
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

/// Deletes at most `limit` rows that segments hold; answers whether some are left.
fn delete_sealed(transaction: &redb::WriteTransaction, view: &View, limit: usize) -> Result<bool, StoreError> {
    let Some(sealed) = view.segments.last().map(|segment| segment.commit_last) else { return Ok(false) };
    let mut log = transaction.open_table(tables::LOG)?;
    let mut keys = Vec::with_capacity(limit + 1);
    for row in log.iter()?.take(limit + 1) {
        let key = row?.0.value();
        if key.1 <= sealed {
            keys.push(key);
        }
    }
    let left = keys.len() > limit;
    for key in keys.into_iter().take(limit) {
        log.remove(key)?;
    }
    Ok(left)
}
