//! A restore: a backup becomes a namespace again. Its records are sealed into segments as they come; the head is made
//! out of them as a fork's is, and written last.

use std::collections::BTreeSet;
use std::sync::Arc;

use redb::Database;

use super::backup::BackupPiece;
use super::create::create;
use super::error::StoreError;
use super::folder::{Backend, Folder, Space};
use super::forgotten::{self, ForgetKey};
use super::head::{HEAD, Meta};
pub use super::head_of::Effects;
use super::head_of::{HeadOf, before_decision};
use super::log_of::{LogOf, SEALED_PART};
use super::open::{Options, remove_leftovers};
use super::scan::Portion;
use super::tables;
use super::terms::TermHasher;
use crate::model::{Digest, Event, Position, Record, Timestamp};

/// Up to where a log is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// All that the backup holds.
    End,
    Position(Position),
    /// What was recorded then or before.
    Time(Timestamp),
}

/// How a log is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreAs {
    pub until: Until,
    pub effects: Effects,
}

/// What a restore made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Of which namespace the backup is, and which generation of its log.
    pub namespace: String,
    pub generation: u64,
    /// Its head: where it was asked to end, or before the decision that this would have cut in two.
    pub at: Position,
    pub commit: u64,
    /// Functions whose state is made again before they go on.
    pub rebuilding: Vec<String>,
    /// Active modules whose code the backup doesn't hold.
    pub without_code: Vec<String>,
}

/// Where the pieces of a backup come from; `None` after the last.
pub type Pieces<'a> = &'a mut dyn FnMut() -> Result<Option<BackupPiece>, StoreError>;

/// Makes a namespace in `folder` out of a backup, whole or not at all; then it is opened like any other. What a
/// restore that didn't come to its end left there is removed. It has new keys for its indexes.
///
/// The log is the same, record for record; a record that the end would split is split as in a fork. Functions stand as
/// the log says. State isn't in it: a function that has some makes it by replay. What of requests is pending at the end is
/// pending again, or held.
pub fn restore(pieces: Pieces<'_>, how: RestoreAs, folder: Arc<dyn Folder>, options: &Options) -> Result<Restored, StoreError> {
    restore_in_parts(pieces, how, folder, options, SEALED_PART)
}

/// The same, with segments of about this size.
pub fn restore_in_parts(
    pieces: Pieces<'_>,
    RestoreAs { until, effects }: RestoreAs,
    folder: Arc<dyn Folder>,
    options: &Options,
    part: Portion,
) -> Result<Restored, StoreError> {
    let names = folder.list().map_err(StoreError::io("the folder can't be listed"))?;
    if names.iter().any(|name| name == HEAD) {
        return Err(StoreError::NotEmpty);
    }
    remove_leftovers(&*folder, &[])?;
    let hasher = TermHasher::new(options.term_key);
    let mut log = Log { of: LogOf::new(&*folder, hasher, part), beyond: None };
    let mut head = Head::new(options, effects);
    let module = head.take_log(pieces, until, &mut log)?;
    let at = log.end(until)?;
    let mut restored = Restored::default();
    create(&*folder, HEAD, Space::Reserved, |backend| {
        restored = head.write(backend, &log, at, module, pieces)?;
        Ok(())
    })?;
    Ok(restored)
}

/// The records so far, and the one that holds what comes after the end.
struct Log<'a> {
    of: LogOf<'a>,
    beyond: Option<Arc<Record>>,
}

impl Log<'_> {
    /// Takes the next record. Answers whether the log goes on after it.
    fn take(&mut self, record: Record, until: Until) -> Result<bool, StoreError> {
        let goes_on = match until {
            Until::End => true,
            Until::Position(at) => record.last() <= at,
            Until::Time(time) => record.recorded_last() <= time,
        };
        if !goes_on {
            self.beyond = Some(Arc::new(record)).filter(|record| record.count > 0);
            return Ok(false);
        }
        self.of.take(Arc::new(record))?;
        Ok(true)
    }

    /// Where the restored log ends.
    fn end(&self, until: Until) -> Result<Position, StoreError> {
        let head = self.of.head();
        let at = match until {
            Until::End => head,
            Until::Position(at) if self.beyond.is_none() && at > head => return Err(StoreError::BeyondHead { at, head }),
            Until::Position(at) => at,
            Until::Time(time) => {
                let later = self.beyond.iter().flat_map(|record| record.events());
                later.take_while(|event| event.recorded <= time).last().map_or(head, |event| event.position)
            }
        };
        let at = before_decision(at, &mut |position| self.event(position))?;
        match self.of.segments.last().filter(|segment| segment.last > at) {
            Some(_) => Err(StoreError::Backup(format!("the backup is damaged: a decision reaches back before position {at}"))),
            None => Ok(at),
        }
    }

    fn event(&self, position: Position) -> Result<Option<Event>, StoreError> {
        let beyond = self.beyond.iter().find(|record| record.first <= position && position <= record.last());
        let record = beyond.cloned().map_or_else(|| self.of.record(position), |record| Ok(Some(record)))?;
        Ok(record.and_then(|record| record.event(position).map(|event| event.to_event())))
    }
}

/// What the head needs beside the log.
struct Head<'a> {
    options: &'a Options,
    effects: Effects,
    restored: Restored,
    forget_key: [u8; 16],
    forgotten: BTreeSet<[u8; 16]>,
}

impl<'a> Head<'a> {
    fn new(options: &'a Options, effects: Effects) -> Head<'a> {
        Head { options, effects, restored: Restored::default(), forget_key: options.forget_key, forgotten: BTreeSet::new() }
    }

    /// Takes everything up to the first module, which is answered.
    fn take_log(&mut self, pieces: Pieces<'_>, until: Until, log: &mut Log<'_>) -> Result<Option<Vec<u8>>, StoreError> {
        let mut goes_on = true;
        while let Some(piece) = pieces()? {
            match piece {
                BackupPiece::Begin(begin) => {
                    (self.restored.namespace, self.restored.generation) = (begin.namespace, begin.generation);
                    self.forget_key = begin.forget_key;
                }
                // What comes after the end is read all the same: whether the backup is whole shows at its end.
                BackupPiece::Record(record) => goes_on = goes_on && log.take(record, until)?,
                BackupPiece::Forgotten(hashes) => self.forgotten.extend(hashes),
                BackupPiece::End(_) => {}
                BackupPiece::Module(component) => return Ok(Some(component)),
            }
        }
        Ok(None)
    }

    fn write(
        self,
        backend: Backend,
        log: &Log<'_>,
        at: Position,
        module: Option<Vec<u8>>,
        pieces: Pieces<'_>,
    ) -> Result<Restored, StoreError> {
        let database = Database::builder().set_cache_size(self.options.cache_bytes).create_with_backend(backend)?;
        let transaction = database.begin_write()?;
        let meta = Meta { forget_key: ForgetKey(self.forget_key), segments: log.of.files(), ..Meta::new(self.options) };
        let mut head = HeadOf::begin(&transaction, &meta, self.effects, at)?;
        for segment in &log.of.segments {
            head.take_segment(segment, None)?;
        }
        for record in log.of.tail.iter().chain(&log.beyond) {
            if !head.copy(record)? {
                break;
            }
        }
        let (taken, mirror, rebuilding) = head.finish()?;
        let mut missing: BTreeSet<Digest> = mirror.modules.values().map(|module| module.digest).collect();
        let mut next = module;
        while let Some(component) = next.take() {
            let digest = Digest::of(&component);
            if missing.remove(&digest) {
                transaction.open_table(tables::MODULES)?.insert(digest.0.as_slice(), component.as_slice())?;
            }
            if let Some(BackupPiece::Module(component)) = pieces()? {
                next = Some(component);
            }
        }
        forgotten::write(&transaction, &self.forgotten.into_iter().collect::<Vec<_>>())?;
        transaction.commit()?;
        let without_code = mirror.modules.values().filter(|module| module.active && missing.contains(&module.digest));
        Ok(Restored {
            at: taken.at,
            commit: taken.commit,
            rebuilding,
            without_code: without_code.map(|module| module.name.clone()).collect(),
            ..self.restored
        })
    }
}
