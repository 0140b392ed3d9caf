//! `Store`: the one writer of a namespace.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::append::note_broken;
use super::apply::apply;
use super::deletion::{Deleted, delete_dropped, delete_sealed};
use super::error::StoreError;
use super::group::Group;
use super::head::NOTE;
use super::mirror::Mirror;
use super::outside::{InGroup, RowChange};
use super::proposal::{Accepted, Proposal, Refused};
use super::reader::Reader;
use super::shared::{Shared, View};
use super::subject::write_snapshots;
use super::tables;
use crate::model::{Commit, Position, Record, RecordBuilder, StatePart, StateWrite, SubjectSnapshot, Timestamp};

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
    /// Goes into the next commit: see [`Store::follow_noting`].
    pub(super) note: Option<Vec<u8>>,
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
        Store { shared, mirror, cache: Vec::new(), broken: VecDeque::new(), recorded, sealed_rows_left, note: None }
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
            forgotten: shared.forgotten()?,
            mirror: &mut self.mirror,
            cache: &mut self.cache,
            broken: &mut self.broken,
            builder,
            state: StatePart::default(),
            snapshots: Vec::new(),
            prepared: Vec::new(),
            finished: Vec::new(),
            outside: InGroup::default(),
            chain,
        };
        for proposal in proposals {
            answers.push(group.judge(proposal)?);
        }
        group.finish_record();
        let (commits, snapshots) = (std::mem::take(&mut group.finished), std::mem::take(&mut group.snapshots));
        let prepared = std::mem::take(&mut group.prepared);
        let rows = std::mem::take(&mut group.outside.rows);
        drop(group);
        let nothing_beside = snapshots.is_empty() && prepared.is_empty() && rows.is_empty() && self.mirror.dirty.kept.is_empty();
        let nothing_new = commits.is_empty() && nothing_beside;
        if nothing_new && !self.rows_left() {
            return Ok(Committed { answers, changes: Changes::default() });
        }
        let changes = self.write(commits, &snapshots, &prepared, &rows)?;
        shared.tail_mut().committed(&changes.records);
        self.show(&changes.records);
        Ok(Committed { answers, changes })
    }

    /// Makes commits durable that the mirror has taken into account. Nobody sees them yet.
    pub(super) fn write(
        &mut self,
        commits: Vec<Commit>,
        snapshots: &[SubjectSnapshot],
        prepared: &[(u32, Vec<StateWrite>)],
        rows: &[RowChange],
    ) -> Result<Changes, StoreError> {
        let (shared, view) = (self.shared.clone(), self.shared.view());
        let dirty = &self.mirror.dirty;
        let changed = !dirty.functions.is_empty() || !dirty.modules.is_empty() || !dirty.schemas.is_empty();
        let functions = changed || parking_changed(&commits);
        let (delete, note) = (self.sealed_rows_left, self.note.take());
        let bytes: usize = commits.iter().map(|commit| commit.record.bytes().len()).sum();
        let most = Deleted::with_commit(bytes);
        let mut left = false;
        apply(&shared, prepared, &commits, rows, &mut self.mirror, |transaction, mirror| {
            write_snapshots(transaction, snapshots, mirror)?;
            if let Some(note) = &note {
                transaction.open_table(tables::META)?.insert(NOTE, note.as_slice())?;
            }
            if delete {
                left = delete_sealed(transaction, &view, most)?;
            }
            delete_dropped(transaction, &mut mirror.slots, most)
        })?;
        self.sealed_rows_left = left;
        Ok(Changes { records: commits.into_iter().map(|commit| Arc::new(commit.record)).collect(), functions })
    }

    /// Shows everybody what is durable now, up to the last of these records.
    pub(super) fn show(&self, records: &[Arc<Record>]) {
        let view = self.shared.view();
        let (head, commit, chain, recorded) = records.last().map_or((view.head, view.commit, view.chain, view.recorded), |last| {
            (last.last(), last.commit, last.chain, last.recorded_last())
        });
        self.shared.set_view(View {
            head,
            commit,
            chain,
            recorded,
            retold: self.mirror.retold,
            forgotten: self.mirror.forgotten,
            effects: self.mirror.effects,
            outside: self.mirror.outside.clone(),
            segments: view.segments.clone(),
            functions: self.mirror.functions.clone(),
            modules: self.mirror.modules.clone(),
            upcasting: self.mirror.upcasting.clone(),
            schemas: self.mirror.schemas.clone(),
        });
    }

    /// Deletes rows of the log that a segment holds now, and state that nobody keeps any more. For idle
    /// moments; answers whether more are left.
    pub fn delete_leftover_rows(&mut self) -> Result<bool, StoreError> {
        if !self.rows_left() {
            return Ok(false);
        }
        self.unless_poisoned(|store| {
            let view = store.shared.view();
            let transaction = store.shared.head.begin_write()?;
            store.sealed_rows_left = delete_sealed(&transaction, &view, Deleted::IDLE)?;
            delete_dropped(&transaction, &mut store.mirror.slots, Deleted::IDLE)?;
            transaction.commit()?;
            Ok(store.rows_left())
        })
    }

    fn rows_left(&self) -> bool {
        self.sealed_rows_left || self.mirror.slots.next_dropped().is_some()
    }
}

fn parking_changed(commits: &[Commit]) -> bool {
    commits.iter().any(|commit| {
        commit.record.processing().is_ok_and(|entries| {
            entries.iter().any(|entry| match entry {
                crate::model::Processing::Reaction { parked, unparked, .. } => !parked.is_empty() || !unparked.is_empty(),
                crate::model::Processing::Released { .. } | crate::model::Processing::Skipped { .. } => true,
                _ => false,
            })
        })
    })
}
