//! A log that is made anew out of records, as a restored and a rebuilt namespace's is: sealed into segments as they
//! come. What is not sealed at the end is for the head.

use std::sync::Arc;

use super::error::StoreError;
use super::folder::Folder;
use super::scan::Portion;
use super::segment::{Segment, build, segment_file, segment_file_beside};
use super::terms::TermHasher;
use crate::model::limits::{TAIL_BYTES_MAX, TAIL_EVENTS_MAX};
use crate::model::{Digest, Position, Record};

/// A segment's size, as live sealing makes them.
pub const SEALED_PART: Portion = Portion { events: TAIL_EVENTS_MAX, bytes: TAIL_BYTES_MAX };

/// The records so far.
pub struct LogOf<'a> {
    folder: &'a dyn Folder,
    hasher: TermHasher,
    part: Portion,
    pub segments: Vec<Arc<Segment>>,
    pub tail: Vec<Arc<Record>>,
    tail_size: Portion,
}

impl<'a> LogOf<'a> {
    /// An empty log, with segments of about the size of `part`. They have names that no file of the folder has.
    pub fn new(folder: &'a dyn Folder, hasher: TermHasher, part: Portion) -> LogOf<'a> {
        LogOf { folder, hasher, part, segments: Vec::new(), tail: Vec::new(), tail_size: Portion { events: 0, bytes: 0 } }
    }

    pub fn head(&self) -> Position {
        let sealed = self.segments.last().map_or(Position::START, |segment| segment.last);
        self.tail.last().map_or(sealed, |record| record.last())
    }

    pub fn files(&self) -> Vec<String> {
        self.segments.iter().map(|segment| segment.file.clone()).collect()
    }

    /// Takes the next record, which must follow the one before.
    pub fn take(&mut self, record: Arc<Record>) -> Result<(), StoreError> {
        self.tail_size.events += record.count as usize;
        self.tail_size.bytes += record.bytes().len();
        self.tail.push(record);
        let Portion { events, bytes } = self.tail_size;
        if events > 0 && (events >= self.part.events || bytes >= self.part.bytes) {
            self.seal()?;
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), StoreError> {
        let records = std::mem::take(&mut self.tail);
        self.tail_size = Portion { events: 0, bytes: 0 };
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(()) };
        let file = self.free_name(first.commit, last.commit)?;
        let chain_before = self.segments.last().map_or(Digest::ZERO, |segment| segment.chain_end);
        let mut rest = records.iter().cloned();
        build(self.folder, &file, &self.hasher, chain_before, || Ok(rest.next()))?;
        self.segments.push(Arc::new(Segment::open(self.folder, &file, None)?));
        Ok(())
    }

    fn free_name(&self, first: u64, last: u64) -> Result<String, StoreError> {
        let names = self.folder.list().map_err(StoreError::io("the folder can't be listed"))?;
        let mut file = segment_file(first, last);
        let mut number = 2;
        while names.contains(&file) {
            file = segment_file_beside(first, last, number);
            number += 1;
        }
        Ok(file)
    }

    /// The record that holds `position`.
    pub fn record(&self, position: Position) -> Result<Option<Arc<Record>>, StoreError> {
        match self.segments.iter().find(|segment| segment.first <= position && position <= segment.last) {
            Some(segment) => segment.record(position),
            None => Ok(self.tail.iter().find(|record| record.first <= position && position <= record.last()).cloned()),
        }
    }
}
