//! Making a backup of entries that come from elsewhere: an import is the restore of one.

use super::frames::{BEGIN, BackupBegin, BackupEnd, END, RECORD, write_frame};
use crate::model::{Digest, Digesting, ImportedEntry, Kind, Position, RecordBuilder, Timestamp, limits};

/// A record is closed when it has so much; what a command was decided to goes into the record of the command.
const ENTRIES_PER_RECORD: usize = 1_024;
const BYTES_PER_RECORD: usize = 1 << 20;
const _: () = assert!(ENTRIES_PER_RECORD + limits::OUTPUTS_PER_CALL_MAX <= limits::EVENTS_PER_COMMIT_MAX);

/// Takes entries in the order of their positions, from 1 on without gaps, and writes a backup of them.
pub struct BackupPacker {
    out: Vec<u8>,
    record: RecordBuilder,
    /// The last command of the record under way.
    command: Option<Position>,
    /// Of the last record that was closed.
    chain: Digest,
    commit: u64,
    recorded: Timestamp,
    digesting: Digesting,
}

impl BackupPacker {
    /// `forget_key`: 16 random bytes.
    pub fn new(namespace: &str, forget_key: [u8; 16]) -> BackupPacker {
        let begin = BackupBegin {
            namespace: namespace.to_owned(),
            generation: 1,
            forget_key,
            after_commit: 0,
            after: Position::START,
            chain: Digest::ZERO,
        };
        let mut out = Vec::new();
        write_frame(&mut out, BEGIN, &begin.encode());
        let mut digesting = Digesting::default();
        digesting.take(&out);
        BackupPacker {
            out,
            record: RecordBuilder::new(1, Position(1), Timestamp(0)),
            command: None,
            chain: Digest::ZERO,
            commit: 0,
            recorded: Timestamp(0),
            digesting,
        }
    }

    /// The position of the next entry.
    pub fn next(&self) -> Position {
        self.record.next()
    }

    /// Its cause must have a lower position.
    pub fn add(&mut self, entry: &ImportedEntry) {
        let full = self.record.count() >= ENTRIES_PER_RECORD || self.record.bytes() >= BYTES_PER_RECORD;
        let decided = entry.cause.is_some() && entry.cause == self.command;
        if full && !decided {
            self.close();
        }
        if self.record.is_empty() {
            self.recorded = self.recorded.max(entry.recorded);
            self.record = RecordBuilder::new(self.commit + 1, self.record.first(), self.recorded);
        }
        let position = self.record.add_imported(entry);
        if entry.kind == Kind::Command {
            self.command = Some(position);
        }
    }

    /// What is ready of the backup.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// The rest of it.
    pub fn finish(mut self) -> Vec<u8> {
        self.close();
        let end = BackupEnd { commit: self.commit, last: Position(self.next().0 - 1), chain: self.chain, modules: Vec::new() };
        write_frame(&mut self.out, END, &end.encode(self.digesting.so_far()));
        self.out
    }

    fn close(&mut self) {
        if self.record.is_empty() {
            return;
        }
        let after = RecordBuilder::new(self.commit + 2, self.record.next(), self.recorded);
        let record = std::mem::replace(&mut self.record, after).finish(self.chain);
        (self.commit, self.chain, self.command) = (record.commit, record.chain, None);
        let from = self.out.len();
        write_frame(&mut self.out, RECORD, record.bytes());
        self.digesting.take(&self.out[from..]);
    }
}
