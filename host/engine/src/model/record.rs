//! The commit record: the one encoding of a change. Stored log, backup and replication use it whole.
//!
//! Layout, integers little-endian, `varint` as in LEB128:
//!
//! | part | bytes |
//! |---|---|
//! | format | u8: 1; 2 if an event has a recorded time of its own; [`FORMAT`] if an entry is about a timer or a request |
//! | commit, first position, count, recorded time | u64, u64, u32, u64 |
//! | dictionary | varint count, then texts: types, sources, content types of the events below |
//! | processing | varint count, then entries ([`Processing`]) |
//! | events | each: varint length, body |
//! | chain | 32 bytes: SHA-256 of the previous record's chain and of all bytes before this field |

use std::sync::OnceLock;

use super::event::EventRef;
use super::glance::Glance;
use super::plan::StateWrite;
use super::processing::Processing;
use super::words::Words;
use super::{ByteReader, Digest, Malformed, Position, Timestamp};

pub const FORMAT: u8 = 3;
/// Of a record with an event that was recorded before it.
pub(super) const FORMAT_APART: u8 = 2;
/// Of a record all of whose events were recorded with it.
pub(super) const FORMAT_PLAIN: u8 = 1;
pub(super) const HEADER_BYTES: usize = 1 + 8 + 8 + 4 + 8;
pub(super) const CHAIN_BYTES: usize = 32;

/// The part of a change that functions can make again: applied, sent to followers, never logged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatePart {
    /// By function, in the order of the reactions in the record.
    pub writes: Vec<(String, Vec<StateWrite>)>,
    pub modules: Vec<(Digest, Vec<u8>)>,
}

/// One change of a namespace, ready to apply.
#[derive(Clone, Debug)]
pub struct Commit {
    pub record: Record,
    pub state: StatePart,
}

/// A record whose frame has been checked; events are decoded where they lie.
#[derive(Clone, Debug)]
pub struct Record {
    pub(super) bytes: Box<[u8]>,
    pub commit: u64,
    pub first: Position,
    pub count: u32,
    pub recorded: Timestamp,
    pub chain: Digest,
    pub(super) words: Words,
    pub(super) processing_at: u32,
    pub(super) events_at: u32,
    /// Where each event begins, found when one is first asked for.
    pub(super) offsets: OnceLock<Box<[u32]>>,
}

impl Record {
    /// When the last of its events was recorded: what comes after it was not recorded before.
    pub fn recorded_last(&self) -> Timestamp {
        let apart = self.bytes.first() != Some(&FORMAT_PLAIN);
        let last = if apart { self.event(self.last()) } else { None };
        last.map_or(self.recorded, |event| event.recorded.max(self.recorded))
    }

    /// Reads the frame. Does not check the chain: see [`Record::follows`].
    pub fn parse(bytes: Box<[u8]>) -> Result<Record, Malformed> {
        if bytes.len() < HEADER_BYTES + CHAIN_BYTES {
            return Err(Malformed { what: "record length", at: 0 });
        }
        let body = &bytes[..bytes.len() - CHAIN_BYTES];
        let mut reader = ByteReader::new(body);
        if !(FORMAT_PLAIN..=FORMAT).contains(&reader.u8("record format")?) {
            return Err(Malformed { what: "record format", at: 0 });
        }
        let (commit, first) = (reader.u64("commit")?, Position(reader.u64("first position")?));
        let (count, recorded) = (reader.u32("count")?, Timestamp(reader.u64("recorded time")?));
        check_positions(first, count)?;
        let texts = reader.length("dictionary")?;
        let mut words = Words::with_capacity(texts);
        for _ in 0..texts {
            words.push(reader.text("dictionary text")?);
        }
        let processing_bytes = reader.length("processing")?;
        let processing_at = reader.position() as u32;
        reader.raw(processing_bytes, "processing")?;
        let events_at = reader.position() as u32;
        // Each takes a byte at least: what isn't there can't ask for memory.
        if count as usize > body.len() - reader.position() {
            return Err(Malformed { what: "count", at: COUNT_AT });
        }
        let mut chain = [0; CHAIN_BYTES];
        chain.copy_from_slice(&bytes[bytes.len() - CHAIN_BYTES..]);
        Ok(Record {
            commit,
            first,
            count,
            recorded,
            chain: Digest(chain),
            words,
            processing_at,
            events_at,
            offsets: OnceLock::new(),
            bytes,
        })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The last position that this record holds, or the one before `first` if it has no events.
    pub fn last(&self) -> Position {
        Position(self.first.0 + u64::from(self.count) - 1)
    }

    /// Whether the chain says that this record comes right after the one whose chain is `previous`.
    pub fn follows(&self, previous: Digest) -> bool {
        Digest::link(previous, self.body()) == self.chain
    }

    /// Whether any entry is about timers or requests.
    pub fn is_outside(&self) -> bool {
        self.bytes[0] >= FORMAT
    }

    /// The types, sources and content types of the events, each once.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter()
    }

    /// The events, oldest first. Ends early only on bytes that no writer of ours wrote.
    pub fn events(&self) -> Events<'_> {
        let reader = ByteReader::at(self.body(), self.events_at as usize);
        Events { record: self, reader, next: self.first, left: self.count }
    }

    /// The event at `position`, which must lie in this record.
    pub fn event(&self, position: Position) -> Option<EventRef<'_>> {
        self.glance(position)?.event()
    }

    /// The same, to be decoded as far as it is asked for.
    pub fn glance(&self, position: Position) -> Option<Glance<'_>> {
        let index = position.0.checked_sub(self.first.0).filter(|index| *index < u64::from(self.count))? as usize;
        self.glance_at(*self.offsets().get(index)?, position)
    }

    /// The same by where it lies, as [`Glance::offset`] said.
    #[inline]
    pub fn glance_at(&self, offset: u32, position: Position) -> Option<Glance<'_>> {
        let body = ByteReader::at(self.body(), offset as usize).blob("event").ok()?;
        Some(Glance { position, offset, words: &self.words, recorded: self.recorded, body })
    }

    /// Something of what lies there, so that it is near the processor when it is decoded.
    #[inline]
    pub fn fetch_at(&self, offset: u32) -> u8 {
        const CACHE_LINE_BYTES: usize = 64;
        /// Most events are no longer; of longer ones the processor finds the rest itself.
        const LINES: usize = 3;
        let byte = |line: usize| self.bytes.get(offset as usize + line * CACHE_LINE_BYTES).copied().unwrap_or_default();
        (0..LINES).fold(0, |all, line| all ^ byte(line))
    }

    fn body(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - CHAIN_BYTES]
    }

    fn offsets(&self) -> &[u32] {
        self.offsets.get_or_init(|| {
            let mut reader = ByteReader::at(self.body(), self.events_at as usize);
            let mut offsets = Vec::with_capacity(self.count as usize);
            for _ in 0..self.count {
                offsets.push(reader.position() as u32);
                if reader.blob("event").is_err() {
                    break;
                }
            }
            offsets.into_boxed_slice()
        })
    }

    pub fn processing(&self) -> Result<Vec<Processing>, Malformed> {
        let bytes = &self.bytes[..self.events_at as usize];
        let mut reader = ByteReader::at(bytes, self.processing_at as usize);
        let mut entries = Vec::new();
        while !reader.is_empty() {
            entries.push(Processing::decode(&mut reader)?);
        }
        Ok(entries)
    }
}

/// What stands before a record's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHead {
    pub commit: u64,
    pub first: Position,
    pub count: u32,
    /// Whether any entry is about timers or requests.
    pub is_outside: bool,
    pub processing: Vec<Processing>,
}

impl RecordHead {
    /// Reads the head of a record from its first bytes; an error if these are too few.
    pub fn parse(bytes: &[u8]) -> Result<RecordHead, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let format = reader.u8("record format")?;
        if !(FORMAT_PLAIN..=FORMAT).contains(&format) {
            return Err(Malformed { what: "record format", at: 0 });
        }
        let (commit, first) = (reader.u64("commit")?, Position(reader.u64("first position")?));
        let count = reader.u32("count")?;
        check_positions(first, count)?;
        reader.u64("recorded time")?;
        for _ in 0..reader.varint("dictionary")? {
            reader.blob("dictionary text")?;
        }
        let mut entries = ByteReader::new(reader.blob("processing")?);
        let mut processing = Vec::new();
        while !entries.is_empty() {
            processing.push(Processing::decode(&mut entries)?);
        }
        Ok(RecordHead { commit, first, count, is_outside: format >= FORMAT, processing })
    }
}

/// Where a record's header has the number of its events.
const COUNT_AT: usize = 1 + 8 + 8;

/// Positions begin at 1, and there is one after the last.
fn check_positions(first: Position, count: u32) -> Result<(), Malformed> {
    match first.0.checked_add(u64::from(count)) {
        Some(_) if first > Position::START => Ok(()),
        _ => Err(Malformed { what: "first position", at: 1 + 8 }),
    }
}

/// Comes by the events of a record one after the other.
pub struct Events<'a> {
    record: &'a Record,
    reader: ByteReader<'a>,
    next: Position,
    left: u32,
}

impl Events<'_> {
    /// Passes over `count` events.
    pub fn pass(&mut self, count: u64) {
        for _ in 0..count {
            if self.left == 0 || self.reader.blob("event").is_err() {
                self.left = 0;
                return;
            }
            self.left -= 1;
            self.next = self.next.next();
        }
    }

    /// Which words of the dictionary may name a type that `wanted` accepts. Lets a reader pass over a
    /// whole record.
    pub fn wanted_words(&self, wanted: impl Fn(&str) -> bool) -> Vec<bool> {
        self.record.words().map(wanted).collect()
    }
}

impl<'a> Events<'a> {
    /// The next event whose type is one of these words, or any if there are no words.
    pub fn next_wanted(&mut self, wanted: &[bool]) -> Option<Glance<'a>> {
        while self.left > 0 {
            let (position, offset) = (self.next, self.reader.position() as u32);
            (self.left, self.next) = (self.left - 1, position.next());
            let Ok(body) = self.reader.blob("event") else { break };
            let glance = Glance { position, offset, words: &self.record.words, recorded: self.record.recorded, body };
            if wanted.is_empty() || glance.type_word().is_none_or(|word| wanted.get(word) != Some(&false)) {
                return Some(glance);
            }
        }
        self.left = 0;
        None
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = EventRef<'a>;

    fn next(&mut self) -> Option<EventRef<'a>> {
        let event = self.next_wanted(&[])?.event();
        self.left = if event.is_some() { self.left } else { 0 };
        event
    }
}
