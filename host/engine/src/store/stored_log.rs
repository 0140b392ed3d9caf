//! A namespace's log as its files hold it, read without anything that was derived from it; and what else a head keeps
//! that no record speaks of.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable};

use super::error::StoreError;
use super::folder::Folder;
use super::head::{HEAD, Meta, NOTE, read_meta};
use super::outside::{EFFECTS, OutboxRow, open_if_there};
use super::segment::RawSegment;
use super::tables;
use crate::model::{Digest, Position, Record};

const CACHE_BYTES: usize = 16 << 20;

pub struct StoredLog {
    folder: Arc<dyn Folder>,
    head: Database,
    pub meta: Meta,
}

/// What a head keeps that no record speaks of.
#[derive(Debug, Default)]
pub struct Beside {
    /// Whether timers fire and requests leave.
    pub effects: bool,
    /// What a log that is made elsewhere notes of itself.
    pub note: Option<Vec<u8>>,
    /// Of what was erased for good; some of it a fork or a retelling has of another log.
    pub forgotten: Vec<[u8; 16]>,
    /// By the position of the request.
    pub outbox: Vec<(Position, OutboxRow)>,
    /// What of these could not be read, in words, and what follows from it.
    pub lost: Vec<String>,
}

impl StoredLog {
    /// Opens the head and reads the list of segments. A file that was closed cleanly is not written; one that wasn't is
    /// repaired first, as at any start.
    pub fn open(folder: Arc<dyn Folder>) -> Result<StoredLog, StoreError> {
        let sealed = readable(Position::START, HEAD, || {
            let backend = folder.open_sealed(HEAD).map_err(StoreError::io("head.redb can't be opened"))?;
            Ok(Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend)?)
        });
        let head = sealed.or_else(|_| {
            readable(Position::START, HEAD, || {
                let backend = folder.open(HEAD).map_err(StoreError::io("head.redb can't be opened"))?;
                Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend).map_err(|error| match error {
                    redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse("the namespace".into()),
                    other => other.into(),
                })
            })
        })?;
        let meta = readable(Position::START, HEAD, || read_meta(&head))?;
        Ok(StoredLog { folder, head, meta })
    }

    /// Shows `visit` every record in order. A record that can't be read, doesn't follow the one before it or is missing
    /// is [`StoreError::Damaged`], with the file and the first position that is lost.
    pub fn records(&self, visit: &mut dyn FnMut(Arc<Record>) -> Result<(), StoreError>) -> Result<Read, StoreError> {
        let mut read = Read::default();
        for file in &self.meta.segments {
            let at = read.last.next();
            let segment = readable(at, file, || RawSegment::open(&*self.folder, file, self.meta.caps.get(file).copied()))?;
            let mut records = segment.records();
            while let Some(record) = readable(read.last.next(), file, || records.next())? {
                read.take(&record, file)?;
                visit(record)?;
            }
            if read.commit != segment.commit_last {
                let what = format!("it ends with commit {}, and goes on to commit {} by its name", read.commit, segment.commit_last);
                return Err(StoreError::Damaged { file: file.clone(), position: read.last.next(), what });
            }
        }
        let sealed = read.commit;
        let transaction = readable(read.last.next(), HEAD, || Ok(self.head.begin_read()?))?;
        let log = readable(read.last.next(), HEAD, || Ok(transaction.open_table(tables::LOG)?))?;
        let mut rows = readable(read.last.next(), HEAD, || Ok(log.iter()?))?;
        loop {
            let row = readable(read.last.next(), HEAD, || {
                let Some(row) = rows.next() else { return Ok(None) };
                let (key, bytes) = row?;
                // Rows of sealed records go a few with each commit.
                let record = (key.value().1 > sealed).then(|| Record::parse(bytes.value().into()));
                record.transpose().map(Some).map_err(StoreError::malformed(HEAD, read.last))
            })?;
            match row {
                None => return Ok(read),
                Some(None) => {}
                Some(Some(record)) => {
                    read.take(&record, HEAD)?;
                    visit(Arc::new(record))?;
                }
            }
        }
    }

    /// The component with this digest; `None` if it isn't kept, or isn't what its digest says.
    pub fn component(&self, digest: Digest) -> Option<Vec<u8>> {
        let found = readable(Position::START, HEAD, || {
            let modules = self.head.begin_read()?.open_table(tables::MODULES)?;
            Ok(modules.get(digest.0.as_slice())?.map(|bytes| bytes.value().to_vec()))
        });
        found.ok().flatten().filter(|component| Digest::of(component) == digest)
    }

    pub fn beside(&self) -> Beside {
        let mut beside = Beside::default();
        let mut lost = Vec::new();
        match readable(Position::START, HEAD, || self.read_meta_row(EFFECTS)) {
            Ok(effects) => beside.effects = effects.is_none_or(|byte| byte.first() != Some(&0)),
            Err(_) => lost.push("whether its timers fire and its requests leave: they don't now".to_owned()),
        }
        match readable(Position::START, HEAD, || self.read_meta_row(NOTE)) {
            Ok(note) => beside.note = note,
            Err(_) => lost.push("what was noted of the retelling that made it".to_owned()),
        }
        match readable(Position::START, HEAD, || self.read_forgotten()) {
            Ok(forgotten) => beside.forgotten = forgotten,
            Err(_) => lost.push("what had been erased in the log that it came of: that may be appended again".to_owned()),
        }
        match readable(Position::START, HEAD, || self.read_outbox()) {
            Ok(outbox) => beside.outbox = outbox,
            Err(_) => lost.push("which requests were held, and how often each was tried: all are held now".to_owned()),
        }
        Beside { lost, ..beside }
    }

    fn read_meta_row(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let meta = self.head.begin_read()?.open_table(tables::META)?;
        Ok(meta.get(name)?.map(|row| row.value().to_vec()))
    }

    fn read_forgotten(&self) -> Result<Vec<[u8; 16]>, StoreError> {
        let Some(table) = open_if_there(&self.head.begin_read()?, tables::FORGOTTEN)? else { return Ok(Vec::new()) };
        table.iter()?.map(|row| Ok(row?.0.value())).collect()
    }

    fn read_outbox(&self) -> Result<Vec<(Position, OutboxRow)>, StoreError> {
        let Some(table) = open_if_there(&self.head.begin_read()?, tables::OUTBOX)? else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        for row in table.iter()? {
            let (position, bytes) = row?;
            let position = Position(position.value());
            rows.push((position, OutboxRow::decode(bytes.value()).map_err(StoreError::malformed(HEAD, position))?));
        }
        Ok(rows)
    }
}

/// How far the log was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    pub last: Position,
    pub commit: u64,
    pub chain: Digest,
}

impl Read {
    fn take(&mut self, record: &Record, file: &str) -> Result<(), StoreError> {
        let what = if record.first != self.last.next() || record.commit != self.commit + 1 {
            "a gap in the log"
        } else if !record.follows(self.chain) {
            "the hash chain is broken"
        } else if record.events().count() != record.count as usize {
            "an event can't be read"
        } else {
            *self = Read { last: record.last(), commit: record.commit, chain: record.chain };
            return Ok(());
        };
        Err(StoreError::Damaged { file: file.to_owned(), position: self.last.next(), what: what.to_owned() })
    }
}

/// What `read` answers of bytes that may be anything: redb asserts some of what it expects of a file. Whatever it makes of
/// them is damage, at this position, but for what another host or a newer format explains.
fn readable<T>(position: Position, file: &str, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let damaged = |what: String| StoreError::Damaged { file: file.to_owned(), position, what };
    match catch_unwind(AssertUnwindSafe(read)) {
        Err(_) => Err(damaged("its pages make no sense".into())),
        Ok(Err(StoreError::Damaged { what, .. })) => Err(damaged(what)),
        Ok(Err(StoreError::Disk(error))) => Err(damaged(error.to_string())),
        Ok(answer) => answer,
    }
}
