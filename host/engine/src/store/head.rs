//! `head.redb` before anything is in it: its tables, and the rows of `meta` that make a namespace what
//! it is.

use std::collections::BTreeMap;

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::error::StoreError;
use super::forgotten::ForgetKey;
use super::open::Options;
use super::segment::Cap;
use super::shared::Keys;
use super::tables::{self, FILE_FORMAT, FORKED_HEAD_FORMAT};
use super::terms::TermHasher;
use crate::model::{ByteReader, ByteWriter, Digest, Malformed, Position};

pub const HEAD: &str = "head.redb";
/// In `meta`: up to where this log retells another.
pub const RETOLD: &str = "retold";
/// What whoever made the last commits elsewhere wants to remember of them.
pub const NOTE: &str = "note";

/// What makes a namespace what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    pub term_key: [u8; 16],
    pub forget_key: ForgetKey,
    /// Drawn for a fork, which has the term key of its base.
    pub identity: Option<[u8; 16]>,
    /// Files, oldest first.
    pub segments: Vec<String>,
    /// By file: segments that are shared with a base and end here before they end there.
    pub caps: BTreeMap<String, Cap>,
}

impl Meta {
    /// Of a new, empty namespace.
    pub fn new(options: &Options) -> Meta {
        Meta {
            term_key: options.term_key,
            forget_key: ForgetKey(options.forget_key),
            identity: None,
            segments: Vec::new(),
            caps: BTreeMap::new(),
        }
    }

    pub fn keys(&self) -> Keys {
        let hasher = TermHasher::new(self.term_key);
        let identity = match &self.identity {
            Some(drawn) => Digest::link(hasher.identity(), drawn),
            None => hasher.identity(),
        };
        Keys { hasher, forget_key: self.forget_key, identity }
    }
}

/// Makes the tables of a head that is new.
pub fn make_tables(transaction: &WriteTransaction, meta: &Meta) -> Result<(), StoreError> {
    let mut rows = transaction.open_table(tables::META)?;
    let format = if meta.identity.is_some() { FORKED_HEAD_FORMAT } else { FILE_FORMAT };
    rows.insert("format", format.to_le_bytes().as_slice())?;
    rows.insert("term key", meta.term_key.as_slice())?;
    rows.insert("forget key", meta.forget_key.0.as_slice())?;
    rows.insert("segments", encode_segments(&meta.segments).as_slice())?;
    if let Some(identity) = &meta.identity {
        rows.insert("identity", identity.as_slice())?;
    }
    if !meta.caps.is_empty() {
        rows.insert("caps", Cap::encode_all(&meta.caps).as_slice())?;
    }
    transaction.open_table(tables::LOG)?;
    transaction.open_table(tables::MODULES)?;
    transaction.open_table(tables::DEPLOYMENTS)?;
    transaction.open_table(tables::FUNCTIONS)?;
    transaction.open_table(tables::CURSORS)?;
    transaction.open_table(tables::STATE)?;
    transaction.open_table(tables::PARKED)?;
    transaction.open_table(tables::PARKED_SUBJECTS)?;
    transaction.open_table(tables::SNAPSHOTS)?;
    transaction.open_table(tables::SCHEMAS)?;
    transaction.open_table(tables::FORGOTTEN)?;
    transaction.open_table(tables::TIMERS)?;
    transaction.open_table(tables::TIMER_KEYS)?;
    transaction.open_table(tables::SCHEDULES)?;
    transaction.open_table(tables::OUTBOX)?;
    transaction.open_table(tables::HELD)?;
    transaction.open_table(tables::OUTSIDE_COUNTS)?;
    Ok(())
}

pub fn encode_segments(files: &[String]) -> Vec<u8> {
    let mut out = ByteWriter::default();
    out.varint(files.len() as u64);
    files.iter().for_each(|file| out.text(file));
    out.bytes
}

fn decode_segments(bytes: &[u8]) -> Result<Vec<String>, Malformed> {
    let mut reader = ByteReader::new(bytes);
    let count = reader.length("segments")?;
    (0..count).map(|_| Ok(reader.text("segment")?.to_owned())).collect()
}

pub fn read_meta(head: &Database) -> Result<Meta, StoreError> {
    let damaged = |what: &str| StoreError::Damaged { file: HEAD.into(), position: Position::START, what: what.to_owned() };
    let malformed = |error| StoreError::malformed(HEAD, Position::START)(error);
    let meta = head.begin_read()?.open_table(tables::META)?;
    let maybe = |name: &str| -> Result<Option<Vec<u8>>, StoreError> { Ok(meta.get(name)?.map(|value| value.value().to_vec())) };
    let read = |name: &str| maybe(name)?.ok_or_else(|| damaged(name));
    let key = |name: &str, bytes: Vec<u8>| <[u8; 16]>::try_from(bytes).map_err(|_| damaged(name));
    let format = u32::from_le_bytes(read("format")?.try_into().map_err(|_| damaged("format"))?);
    if format > FORKED_HEAD_FORMAT {
        return Err(StoreError::NewerFormat { file: HEAD.into(), found: format, known: FORKED_HEAD_FORMAT });
    }
    let term_key = key("term key", read("term key")?)?;
    Ok(Meta {
        term_key,
        forget_key: match maybe("forget key")? {
            Some(bytes) => ForgetKey(key("forget key", bytes)?),
            None => ForgetKey::of_term_key(&term_key),
        },
        identity: maybe("identity")?.map(|bytes| key("identity", bytes)).transpose()?,
        segments: decode_segments(&read("segments")?).map_err(malformed)?,
        caps: match maybe("caps")? {
            Some(bytes) => Cap::decode_all(&bytes).map_err(malformed)?,
            None => BTreeMap::new(),
        },
    })
}

/// What was noted with commits that were made elsewhere.
pub fn note(transaction: &ReadTransaction) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(transaction.open_table(tables::META)?.get(NOTE)?.map(|note| note.value().to_vec()))
}

/// Up to where this log retells another; `None` for one that doesn't.
pub fn retold(transaction: &ReadTransaction) -> Result<Option<Position>, StoreError> {
    match transaction.open_table(tables::META)?.get(RETOLD)? {
        Some(bytes) => {
            let to = ByteReader::new(bytes.value()).u64(RETOLD).map_err(StoreError::malformed(HEAD, Position::START))?;
            Ok(Some(Position(to)))
        }
        None => Ok(None),
    }
}
