//! The stream of records in a segment: each with its length (u32) before it, cut into chunks that
//! just fill a power of two of pages, since redb rounds large values up to one.

use std::sync::Arc;

use redb::{AccessGuard, ReadOnlyTable};

use super::super::error::StoreError;
use crate::model::{Digest, Position, Record, RecordHead};

/// 64 KiB less redb's own bytes in a leaf of one pair: 4 for the header, 8 for the key, 4 for the
/// value's end.
pub const CHUNK_BYTES: usize = (64 << 10) - 16;

/// Cuts a stream into chunks.
pub struct ChunkWriter {
    chunk: Vec<u8>,
    next: u64,
}

impl ChunkWriter {
    pub fn new() -> Self {
        ChunkWriter { chunk: Vec::with_capacity(CHUNK_BYTES), next: 0 }
    }

    /// Offset in the stream of what is written next.
    pub fn offset(&self) -> u64 {
        self.next * CHUNK_BYTES as u64 + self.chunk.len() as u64
    }

    pub fn write<E>(&mut self, mut bytes: &[u8], chunk: &mut impl FnMut(u64, &[u8]) -> Result<(), E>) -> Result<(), E> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
            if self.chunk.len() == CHUNK_BYTES {
                chunk(self.next, &self.chunk)?;
                self.chunk.clear();
                self.next += 1;
            }
        }
        Ok(())
    }

    pub fn finish<E>(self, chunk: &mut impl FnMut(u64, &[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.chunk.is_empty() { Ok(()) } else { chunk(self.next, &self.chunk) }
    }
}

/// What the first bytes of a record say.
struct Header {
    length: usize,
    commit: u64,
    /// The position after its last event.
    end: u64,
}

/// Reads records one after the other from an offset on.
pub struct RecordStream<'a> {
    chunks: &'a ReadOnlyTable<u64, &'static [u8]>,
    file: &'a str,
    first: Position,
    offset: u64,
    end: u64,
    chunk: Option<(u64, AccessGuard<'static, &'static [u8]>)>,
}

impl<'a> RecordStream<'a> {
    pub fn new(chunks: &'a ReadOnlyTable<u64, &'static [u8]>, file: &'a str, first: Position, offset: u64, end: u64) -> Self {
        RecordStream { chunks, file, first, offset, end, chunk: None }
    }

    fn damaged(&self, what: &str) -> StoreError {
        StoreError::Damaged { file: self.file.to_owned(), position: self.first, what: what.to_owned() }
    }

    /// Appends the stream's bytes at `offset` to `out`.
    fn read(&mut self, mut offset: u64, mut length: usize, out: &mut Vec<u8>) -> Result<(), StoreError> {
        if offset + length as u64 > self.end {
            return Err(self.damaged("a record reaches over the end"));
        }
        while length > 0 {
            let number = offset / CHUNK_BYTES as u64;
            if self.chunk.as_ref().is_none_or(|(at_hand, _)| *at_hand != number) {
                let chunk = self.chunks.get(number)?.ok_or_else(|| self.damaged("a chunk is missing"))?;
                self.chunk = Some((number, chunk));
            }
            let Some((_, chunk)) = &self.chunk else { return Err(self.damaged("a chunk is missing")) };
            let from = (offset % CHUNK_BYTES as u64) as usize;
            let Some(bytes) = chunk.value().get(from..).filter(|rest| !rest.is_empty()) else {
                return Err(self.damaged("a chunk is short"));
            };
            let now = bytes.len().min(length);
            out.extend_from_slice(&bytes[..now]);
            offset += now as u64;
            length -= now;
        }
        Ok(())
    }

    fn length(&mut self) -> Result<Option<usize>, StoreError> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let mut length = Vec::with_capacity(4);
        self.read(self.offset, 4, &mut length)?;
        Ok(Some(u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize))
    }

    /// Where in the stream the next record begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The chain of the record before the next one; `None` at the start.
    pub fn chain_before(&mut self) -> Result<Option<Digest>, StoreError> {
        let Some(at) = self.offset.checked_sub(32) else { return Ok(None) };
        let mut chain = Vec::with_capacity(32);
        self.read(at, 32, &mut chain)?;
        Ok(chain.try_into().ok().map(Digest))
    }

    /// What stands before the events of the next record; its events are not read.
    pub fn next_head(&mut self) -> Result<Option<RecordHead>, StoreError> {
        /// Enough for the head of most records.
        const FEW: usize = 1_024;
        let Some(length) = self.length()? else { return Ok(None) };
        let (mut bytes, mut wanted) = (Vec::with_capacity(FEW), FEW);
        loop {
            bytes.clear();
            self.read(self.offset + 4, wanted.min(length), &mut bytes)?;
            match RecordHead::parse(&bytes) {
                Ok(head) => {
                    self.offset += 4 + length as u64;
                    self.first = head.first;
                    return Ok(Some(head));
                }
                Err(malformed) if wanted >= length => return Err(StoreError::malformed(self.file, self.first)(malformed)),
                Err(_) => wanted *= 4,
            }
        }
    }

    /// Passes over records that end before `position`, looking at no more than their headers.
    pub fn seek(&mut self, position: Position) -> Result<(), StoreError> {
        while let Some(header) = self.header()? {
            if header.end > position.0 {
                return Ok(());
            }
            self.offset += 4 + header.length as u64;
        }
        Ok(())
    }

    /// Passes over records up to this commit, looking at no more than their headers.
    pub fn pass(&mut self, commit: u64) -> Result<(), StoreError> {
        while let Some(header) = self.header()? {
            if header.commit > commit {
                return Ok(());
            }
            self.offset += 4 + header.length as u64;
        }
        Ok(())
    }

    /// The commit of the next record.
    pub fn commit(&mut self) -> Result<Option<u64>, StoreError> {
        Ok(self.header()?.map(|header| header.commit))
    }

    fn header(&mut self) -> Result<Option<Header>, StoreError> {
        const HEADER: usize = 1 + 8 + 8 + 4;
        let Some(length) = self.length()? else { return Ok(None) };
        let mut header = Vec::with_capacity(HEADER);
        self.read(self.offset + 4, HEADER.min(length), &mut header)?;
        if header.len() < HEADER {
            return Err(self.damaged("a record is short"));
        }
        let number = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap_or_default());
        let count = u64::from(u32::from_le_bytes([header[17], header[18], header[19], header[20]]));
        let end = number(9).checked_add(count).ok_or_else(|| self.damaged("a record reaches over the last position"))?;
        Ok(Some(Header { length, commit: number(1), end }))
    }

    pub fn next(&mut self) -> Result<Option<Arc<Record>>, StoreError> {
        let Some(length) = self.length()? else { return Ok(None) };
        if length as u64 > self.end - self.offset {
            return Err(self.damaged("a record reaches over the end"));
        }
        let mut bytes = Vec::with_capacity(length);
        self.read(self.offset + 4, length, &mut bytes)?;
        self.offset += 4 + length as u64;
        let record = Record::parse(bytes.into_boxed_slice()).map_err(StoreError::malformed(self.file, self.first))?;
        self.first = record.first;
        Ok(Some(Arc::new(record)))
    }
}
