//! Writing a backup beside the writer: up to the head that was there at the beginning, a snapshot for each portion.

use super::super::error::StoreError;
use super::super::reader::Reader;
use super::frames::{BEGIN, BackupBegin, BackupEnd, END, FORGOTTEN, FORGOTTEN_PER_FRAME, RECORD, write_frame};
use crate::model::{Digest, Digesting, Position};

/// Where an earlier backup of the same log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupFrom {
    pub commit: u64,
    pub chain: Digest,
}

/// A stretch of the log on its way out.
pub struct BackupStream {
    reader: Reader,
    begin: Option<BackupBegin>,
    end: BackupEnd,
    /// The last commit that was written, and its last position.
    commit: u64,
    last: Position,
    digesting: Digesting,
    ended: bool,
}

impl Reader {
    /// Begins a backup of what came after `from`, or of everything. A log that doesn't have that commit, with that
    /// chain, is another history: [`StoreError::Backup`].
    pub fn backup(&self, namespace: &str, generation: u64, from: Option<BackupFrom>) -> Result<BackupStream, StoreError> {
        let snapshot = self.snapshot()?;
        let (mut commit, mut last, mut chain) = (0, Position::START, Digest::ZERO);
        if let Some(from) = from.filter(|from| from.commit > 0) {
            let other = |what: &str| {
                let refused = format!("the backup is of another history than {namespace}: {what}; back it up into another folder");
                StoreError::Backup(refused)
            };
            if from.commit > snapshot.commit() {
                return Err(other(&format!("it ends with commit {}, and the log ends with commit {}", from.commit, snapshot.commit())));
            }
            snapshot.records(from.commit - 1, Position::START, &mut |record| {
                (commit, last, chain) = (record.commit, record.last(), record.chain);
                Ok(false)
            })?;
            if (commit, chain) != (from.commit, from.chain) {
                return Err(other(&format!("commit {} is not the same in both", from.commit)));
            }
        }
        let mut modules = Vec::new();
        for module in snapshot.modules() {
            if !modules.contains(&module.digest) && snapshot.has_component(module.digest)? {
                modules.push(module.digest);
            }
        }
        let begin = BackupBegin {
            namespace: namespace.to_owned(),
            generation,
            forget_key: self.forget_key(),
            after_commit: commit,
            after: last,
            chain,
        };
        let end = BackupEnd { commit: snapshot.commit(), last: snapshot.head(), chain: snapshot.chain(), modules };
        Ok(BackupStream { reader: self.clone(), begin: Some(begin), end, commit, last, digesting: Digesting::default(), ended: false })
    }
}

impl BackupStream {
    /// The next frames, about `bytes` of them or one record; `None` after the last.
    pub fn next(&mut self, bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let mut out = Vec::new();
        if let Some(begin) = self.begin.take() {
            write_frame(&mut out, BEGIN, &begin.encode());
        }
        if self.commit < self.end.commit {
            self.write_records(bytes, &mut out)?;
        }
        let whole = self.commit == self.end.commit;
        if whole {
            self.write_forgotten(&mut out)?;
        }
        self.digesting.take(&out);
        if whole {
            write_frame(&mut out, END, &self.end.encode(self.digesting.so_far()));
            self.ended = true;
        }
        Ok(Some(out))
    }

    fn write_records(&mut self, bytes: usize, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let (upto, mut commit, mut last) = (self.end.commit, self.commit, self.last);
        self.reader.snapshot()?.records(self.commit, self.last, &mut |record| {
            write_frame(out, RECORD, record.bytes());
            (commit, last) = (record.commit, record.last());
            Ok(commit < upto && out.len() < bytes)
        })?;
        assert!(commit > self.commit, "commit {} is missing in the log", self.commit + 1);
        (self.commit, self.last) = (commit, last);
        Ok(())
    }

    /// All of it each time: what a fork or a retelling took over from another log is in no record of this one.
    fn write_forgotten(&self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let mut hashes = Vec::new();
        self.reader.snapshot()?.forgotten(&mut |hash| hashes.push(hash))?;
        for some in hashes.chunks(FORGOTTEN_PER_FRAME) {
            write_frame(out, FORGOTTEN, some.as_flattened());
        }
        Ok(())
    }
}
