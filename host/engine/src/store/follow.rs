//! Commits made elsewhere, taken in as they are: by a replica, and by a log that retells another.

use std::sync::Arc;

use redb::ReadableDatabase;

use super::error::StoreError;
use super::head;
use super::mirror::Mirror;
use super::reader::Reader;
use super::shared::{Shared, View};
use super::tail::Indexed;
use super::writer::{Changes, Store};
use crate::model::{Commit, Digest, Malformed, Position, Processing, Record, RecordBuilder, Timestamp, state_digest};

/// Where a log ends: what the next record must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextRecord {
    pub commit: u64,
    pub first: Position,
    /// The chain that it is linked to.
    pub chain: Digest,
    /// Recorded time never goes back before this.
    pub recorded: Timestamp,
}

impl NextRecord {
    /// Begins the record; it is finished with `chain`.
    pub fn builder(&self, recorded: Timestamp) -> RecordBuilder {
        RecordBuilder::new(self.commit, self.first, recorded.max(self.recorded))
    }

    /// What comes after `record`, which must be the next one.
    pub fn after(record: &Record) -> NextRecord {
        NextRecord { commit: record.commit + 1, first: record.last().next(), chain: record.chain, recorded: record.recorded_last() }
    }

    fn of(view: &View) -> NextRecord {
        NextRecord { commit: view.commit + 1, first: view.head.next(), chain: view.chain, recorded: view.recorded }
    }
}

impl Reader {
    /// What the next record of this log must follow.
    pub fn next_record(&self) -> NextRecord {
        NextRecord::of(&self.shared.view())
    }

    /// Up to where this log retells another; `None` for one that doesn't.
    pub fn retold(&self) -> Option<Position> {
        self.shared.view().retold
    }

    /// What was noted last by [`Store::follow_noting`].
    pub fn note(&self) -> Result<Option<Vec<u8>>, StoreError> {
        head::note(&self.shared.head.begin_read()?)
    }
}

impl Store {
    /// [`Store::follow`], with a note that is there as soon as they are, and not before.
    pub fn follow_noting(&mut self, commits: Vec<Commit>, note: Vec<u8>) -> Result<Changes, StoreError> {
        self.note = Some(note);
        let followed = self.follow(commits);
        self.note = None;
        followed
    }

    /// Takes commits that were made elsewhere, all in one transaction with one sync. The first must be
    /// the next one of this log, each other the next after the one before it: else
    /// [`StoreError::NotNext`], which says what is wrong, and nothing is taken.
    ///
    /// After any other `Err` the store writes no more: nobody knows what reached the disk.
    pub fn follow(&mut self, commits: Vec<Commit>) -> Result<Changes, StoreError> {
        let mut mirror = self.mirror.clone();
        let mut next = self.reader().next_record();
        for commit in &commits {
            let not_next = |what: String| StoreError::NotNext { commit: commit.record.commit, what };
            check(commit, next).map_err(not_next)?;
            take(commit, &mut mirror).map_err(not_next)?;
            next = NextRecord::after(&commit.record);
        }
        if commits.is_empty() {
            return Ok(Changes::default());
        }
        self.unless_poisoned(|store| {
            store.mirror = mirror;
            store.recorded = store.recorded.max(next.recorded);
            let changes = store.write(commits, &[], &[], &[])?;
            index(&store.shared, &changes.records);
            store.show(&changes.records);
            Ok(changes)
        })
    }
}

fn check(commit: &Commit, next: NextRecord) -> Result<(), String> {
    let record = &commit.record;
    if record.commit != next.commit {
        return Err(format!("the next one here is {}", next.commit));
    }
    if record.first != next.first {
        return Err(format!("its first position is {}, and the next one here is {}", record.first, next.first));
    }
    if record.recorded < next.recorded {
        return Err("it was recorded before the one before it".into());
    }
    if !record.follows(next.chain) {
        return Err("its chain is not linked to what is here".into());
    }
    if record.events().count() != record.count as usize {
        return Err("an event can't be read".into());
    }
    Ok(())
}

/// Takes the processing into account, and holds the state part against it.
fn take(commit: &Commit, mirror: &mut Mirror) -> Result<(), String> {
    let text = |malformed: Malformed| malformed.to_string();
    let mut writes = commit.state.writes.iter();
    for entry in commit.record.processing().map_err(text)? {
        mirror.apply(&entry, commit.record.commit).map_err(text)?;
        match &entry {
            Processing::Reaction { function, state: Some(digest), .. } => {
                let written = writes.next().filter(|(name, _)| name == function);
                if written.and_then(|(_, writes)| state_digest(writes)) != Some(*digest) {
                    return Err(format!("the state that function {function:?} wrote is missing or another"));
                }
            }
            Processing::Deployed { digest, name, version, .. } => {
                let known = mirror.modules.values().filter(|module| module.digest == *digest).count() > 1;
                if !known && !commit.state.modules.iter().any(|(module, _)| module == digest) {
                    return Err(format!("the component of module {name:?} {version} is missing"));
                }
            }
            _ => {}
        }
    }
    match writes.next() {
        Some((function, _)) => Err(format!("it has state of function {function:?} that no reaction speaks of")),
        None => Ok(()),
    }
}

/// Enters durable records into the tail's index. A part of the tail may end after any of them.
fn index(shared: &Shared, records: &[Arc<Record>]) {
    let mut tail = shared.tail_mut();
    for record in records {
        for event in record.events() {
            let id_hash = shared.hasher.id(event.source, event.id);
            let entry = Indexed { id_hash, kind: event.kind, r#type: event.r#type, subject: event.subject };
            tail.push(&shared.hasher, event.position, entry, event.tags());
        }
        tail.committed(std::slice::from_ref(record));
    }
}
