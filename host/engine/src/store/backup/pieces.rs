//! Reading a backup: bytes in, in any portions, and pieces out, each held against those before it.

use super::super::error::StoreError;
use super::frames::{BEGIN, BackupBegin, BackupEnd, END, FORGOTTEN, FORMAT, FRAME_BYTES_MAX, MODULE, RECORD, TAG_AND_LENGTH_BYTES};
use crate::model::{Digest, Digesting, Malformed, Position, Record};

/// One frame that was found right.
#[derive(Debug)]
pub enum BackupPiece {
    Begin(BackupBegin),
    /// The next one of the log.
    Record(Record),
    /// Hashes of events that were erased.
    Forgotten(Vec<[u8; 16]>),
    /// Everything since `Begin` is as it was written.
    End(BackupEnd),
    /// A component, behind the log.
    Module(Vec<u8>),
}

/// Cuts bytes into pieces. What comes out follows what came before, stretch after stretch of one log; that a stretch
/// is as it was written is known with its `End`.
#[derive(Default)]
pub struct BackupPieces {
    bytes: Vec<u8>,
    /// Of `bytes`, dealt with.
    at: usize,
    digesting: Digesting,
    forget_key: Option<[u8; 16]>,
    commit: u64,
    last: Position,
    chain: Digest,
    /// What a stretch follows isn't looked at.
    unfollowed: bool,
    /// Between `Begin` and `End`.
    inside: bool,
    /// A stretch was read whole.
    any: bool,
}

impl BackupPieces {
    /// Reads on from where an earlier stretch ended: for one that is looked at by itself.
    pub fn after(begin: &BackupBegin) -> BackupPieces {
        BackupPieces {
            forget_key: Some(begin.forget_key),
            commit: begin.after_commit,
            last: begin.after,
            chain: begin.chain,
            ..BackupPieces::default()
        }
    }

    /// For the first piece of a stretch alone: what it follows isn't looked at.
    pub fn unfollowed() -> BackupPieces {
        BackupPieces { unfollowed: true, ..BackupPieces::default() }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next piece; `None` if more bytes are needed. [`StoreError::Backup`] says what is wrong and where.
    pub fn take(&mut self) -> Result<Option<BackupPiece>, StoreError> {
        let rest = &self.bytes[self.at..];
        let Some((head, content)) = rest.split_at_checked(TAG_AND_LENGTH_BYTES) else { return Ok(None) };
        let (tag, length) = (head[0], u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize);
        if !(BEGIN..=MODULE).contains(&tag) || length > FRAME_BYTES_MAX {
            return Err(self.wrong("these bytes are no part of a backup"));
        }
        if content.len() < length {
            return Ok(None);
        }
        let content = content[..length].to_vec();
        let piece = self.piece(tag, content)?;
        let end = self.at + TAG_AND_LENGTH_BYTES + length;
        match tag {
            END => self.digesting = Digesting::default(),
            MODULE => {}
            _ => self.digesting.take(&self.bytes[self.at..end]),
        }
        self.at = end;
        Ok(Some(piece))
    }

    /// Refuses an end of the bytes that is not the end of a stretch.
    pub fn end(&self) -> Result<(), StoreError> {
        match self.inside || self.at < self.bytes.len() || !self.any {
            true => Err(self.wrong("it is cut short")),
            false => Ok(()),
        }
    }

    fn piece(&mut self, tag: u8, content: Vec<u8>) -> Result<BackupPiece, StoreError> {
        if matches!(tag, BEGIN | MODULE) == self.inside || (tag == MODULE && !self.any) {
            return Err(self.wrong("its parts are not in their order"));
        }
        match tag {
            BEGIN => self.begin(&content).map(BackupPiece::Begin),
            RECORD => self.record(content).map(BackupPiece::Record),
            FORGOTTEN => match content.as_chunks() {
                (hashes, []) => Ok(BackupPiece::Forgotten(hashes.to_vec())),
                _ => Err(self.wrong("what is forgotten can't be read")),
            },
            END => self.ends(&content).map(BackupPiece::End),
            _ => Ok(BackupPiece::Module(content)),
        }
    }

    fn begin(&mut self, content: &[u8]) -> Result<BackupBegin, StoreError> {
        let begin = match BackupBegin::decode(content).map_err(|malformed| self.malformed(&malformed))? {
            Ok(begin) => begin,
            Err(format) => return Err(self.wrong(&format!("it has format {format}, and this host reads {FORMAT}"))),
        };
        if !self.unfollowed && (begin.after_commit, begin.after, begin.chain) != (self.commit, self.last, self.chain) {
            let what = format!(
                "it begins after commit {} and position {}: a part is missing, or is of another history",
                begin.after_commit, begin.after
            );
            return Err(self.wrong(&what));
        }
        if self.forget_key.is_some_and(|key| key != begin.forget_key) {
            return Err(self.wrong("it is of another log than the parts before it"));
        }
        self.forget_key = Some(begin.forget_key);
        self.inside = true;
        Ok(begin)
    }

    fn record(&mut self, content: Vec<u8>) -> Result<Record, StoreError> {
        let record = Record::parse(content.into()).map_err(|malformed| self.malformed(&malformed))?;
        if record.commit != self.commit + 1 || record.first != self.last.next() {
            return Err(self.wrong("a gap in the log"));
        }
        if !record.follows(self.chain) {
            return Err(self.wrong("the hash chain is broken"));
        }
        if record.events().count() != record.count as usize {
            return Err(self.wrong("an event can't be read"));
        }
        (self.commit, self.last, self.chain) = (record.commit, record.last(), record.chain);
        Ok(record)
    }

    fn ends(&mut self, content: &[u8]) -> Result<BackupEnd, StoreError> {
        let end = BackupEnd::decode(content, self.digesting.so_far()).map_err(|malformed| self.malformed(&malformed))?;
        if (end.commit, end.last, end.chain) != (self.commit, self.last, self.chain) {
            return Err(self.wrong("it ends elsewhere than it says"));
        }
        (self.inside, self.any) = (false, true);
        Ok(end)
    }

    fn malformed(&self, malformed: &Malformed) -> StoreError {
        self.wrong(&malformed.to_string())
    }

    fn wrong(&self, what: &str) -> StoreError {
        let place = format!("after commit {} and position {}", self.commit, self.last);
        StoreError::Backup(format!("the backup is damaged {place}: {what}; use another copy of it"))
    }
}
