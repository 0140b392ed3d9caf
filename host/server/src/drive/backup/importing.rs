//! Lines of an export as the bytes of a backup: an import is the restore of a log that came as lines.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use retold_engine::model::Digest;
use retold_engine::store::BackupPacker;

use super::super::types::DriveError;
use super::folder::refused;
use crate::cloudevents::exported_entry;

/// The last line of an export is empty: one that breaks off, wherever that is, has none.
pub const EXPORT_END: &str = "\n";

/// A line that can't be taken; nothing of the import is there then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1 on.
    pub line: u64,
    pub what: String,
}

/// Where a reader of [`ImportBytes`] looks for why they broke off.
pub type ImportEnd = Rc<RefCell<Option<BadLine>>>;

/// The bytes of a backup, made of lines as they are read. They break off at the first bad line.
pub struct ImportBytes<R> {
    lines: R,
    packer: Option<BackupPacker>,
    line: u64,
    /// The line read last was the end of an export.
    is_whole: bool,
    /// Hashes of (source, id): none comes twice.
    known: BTreeSet<[u8; 16]>,
    ready: Vec<u8>,
    at: usize,
    end: ImportEnd,
}

impl<R: BufRead> ImportBytes<R> {
    /// For the namespace of this name.
    pub fn new(namespace: &str, lines: R) -> Result<ImportBytes<R>, DriveError> {
        let mut forget_key = [0; 16];
        getrandom::fill(&mut forget_key).map_err(|error| refused(format!("this machine gives no randomness: {error}")))?;
        let packer = Some(BackupPacker::new(namespace, forget_key));
        Ok(ImportBytes {
            lines,
            packer,
            line: 0,
            is_whole: false,
            known: BTreeSet::new(),
            ready: Vec::new(),
            at: 0,
            end: ImportEnd::default(),
        })
    }

    pub fn end(&self) -> ImportEnd {
        self.end.clone()
    }

    /// Takes the next line; after the last, the end of the backup is ready.
    fn take_line(&mut self) -> io::Result<()> {
        let Some(packer) = &mut self.packer else { return Ok(()) };
        let mut line = String::new();
        self.line += 1;
        if self.lines.read_line(&mut line)? == 0 {
            if !self.is_whole {
                let what = "the empty line that an export ends with is missing: it broke off, so export again";
                return Err(self.refuse(what.to_owned()));
            }
            self.ready = self.packer.take().map(BackupPacker::finish).unwrap_or_default();
            return Ok(());
        }
        self.is_whole = line.trim().is_empty();
        if self.is_whole {
            return Ok(());
        }
        let taken = take(packer, &mut self.known, line.trim_end_matches(['\r', '\n']));
        self.ready = packer.take();
        taken.map_err(|what| self.refuse(what))
    }

    fn refuse(&self, what: String) -> io::Error {
        let message = format!("line {}: {what}", self.line);
        *self.end.borrow_mut() = Some(BadLine { line: self.line, what });
        io::Error::other(message)
    }
}

fn take(packer: &mut BackupPacker, known: &mut BTreeSet<[u8; 16]>, line: &str) -> Result<(), String> {
    let (position, entry) = exported_entry(line).map_err(|bad| match bad.field {
        Some(field) => format!("`{field}` {}", bad.what),
        None => bad.what,
    })?;
    let next = packer.next();
    if position != next {
        return Err(format!("`position` is {position}, and {next} comes next: import a whole export, from position 1 on without gaps"));
    }
    let event = &entry.event;
    let mut hash = [0; 16];
    hash.copy_from_slice(&Digest::of(format!("{}\0{}", event.source, event.id).as_bytes()).0[..16]);
    if !known.insert(hash) {
        return Err(format!("`id` {:?} of {} came in an earlier line already", event.id, event.source));
    }
    packer.add(&entry);
    Ok(())
}

impl<R: BufRead> Read for ImportBytes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() && self.packer.is_some() {
            self.at = 0;
            self.ready.clear();
            self.take_line()?;
        }
        let length = buffer.len().min(self.ready.len() - self.at);
        buffer[..length].copy_from_slice(&self.ready[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}
