//! `RecordBuilder`: writes what [`record`](super::record) reads.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::entry::{Pairs, Parts, Texts, derived_parts, source_parts};
use super::event::{Class, EventRef, ImportedEntry, Kind, NewEvent};
use super::glance::{
    COMMAND, Glance, HAS_CAUSATION, HAS_CAUSE, HAS_CORRELATION, HAS_EXTENSIONS, HAS_PRODUCER, HAS_RECORDED, HAS_TAGS, REQUEST, TIME_GIVEN,
    TIMER,
};
use super::outside::is_outside;
use super::plan::Emitted;
use super::processing::Processing;
use super::record::{CHAIN_BYTES, FORMAT, FORMAT_APART, FORMAT_PLAIN, HEADER_BYTES, Record};
use super::words::Words;
use super::{ByteReader, ByteWriter, DerivedId, Digest, OutputKind, Position, Timestamp, derived_id};

/// Makes a record. Can go back to a mark, so that a refused request leaves no trace.
#[derive(Debug)]
pub struct RecordBuilder {
    commit: u64,
    first: Position,
    recorded: Timestamp,
    words: Words,
    /// Place of each word, kept only once there are many.
    places: BTreeMap<String, u32>,
    processing: ByteWriter,
    events: ByteWriter,
    /// Where an event's body is written before its length is known.
    body: ByteWriter,
    /// End of each event in `events`.
    ends: Vec<u32>,
    /// How many of them have a recorded time of their own.
    apart: usize,
    /// How many of them are about timers or requests.
    outside: usize,
}

/// A place in a [`RecordBuilder`] to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    words: usize,
    processing: usize,
    events: usize,
    count: usize,
    apart: usize,
    outside: usize,
}

impl RecordBuilder {
    pub fn new(commit: u64, first: Position, recorded: Timestamp) -> Self {
        RecordBuilder {
            commit,
            first,
            recorded,
            words: Words::default(),
            places: BTreeMap::new(),
            processing: ByteWriter::default(),
            events: ByteWriter::default(),
            body: ByteWriter::default(),
            ends: Vec::new(),
            apart: 0,
            outside: 0,
        }
    }

    pub fn first(&self) -> Position {
        self.first
    }

    pub fn next(&self) -> Position {
        Position(self.first.0 + self.ends.len() as u64)
    }

    pub fn recorded(&self) -> Timestamp {
        self.recorded
    }

    pub fn count(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.processing.bytes.is_empty()
    }

    pub fn bytes(&self) -> usize {
        self.events.bytes.len() + self.processing.bytes.len()
    }

    pub fn mark(&self) -> Mark {
        Mark {
            words: self.words.len(),
            processing: self.processing.bytes.len(),
            events: self.events.bytes.len(),
            count: self.ends.len(),
            apart: self.apart,
            outside: self.outside,
        }
    }

    pub fn back_to(&mut self, mark: Mark) {
        self.words.truncate(mark.words);
        self.places.clear();
        self.processing.bytes.truncate(mark.processing);
        self.events.bytes.truncate(mark.events);
        self.ends.truncate(mark.count);
        self.apart = mark.apart;
        self.outside = mark.outside;
    }

    /// An event added since [`RecordBuilder::new`], by its position.
    pub fn event(&self, position: Position) -> Option<EventRef<'_>> {
        let index = position.0.checked_sub(self.first.0)? as usize;
        let end = *self.ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        let body = ByteReader::new(&self.events.bytes[start..end]).blob("event").ok()?;
        Glance { position, offset: start as u32, words: &self.words, recorded: self.recorded, body }.event()
    }

    fn word(&mut self, text: &str) -> u64 {
        /// Up to here a look at each is the fastest; mostly there are three or four.
        const FEW: usize = 16;
        if self.words.len() <= FEW {
            if let Some(index) = self.words.iter().rposition(|word| word == text) {
                return index as u64;
            }
        } else {
            if self.places.is_empty() {
                self.places = self.words.iter().map(str::to_owned).zip(0..).collect();
            }
            if let Some(index) = self.places.get(text) {
                return u64::from(*index);
            }
            self.places.insert(text.to_owned(), self.words.len() as u32);
        }
        self.words.push(text);
        self.words.len() as u64 - 1
    }

    /// Adds an event from outside; its position is answered.
    pub fn add_source(&mut self, event: &NewEvent) -> Position {
        self.add(source_parts(event, self.recorded))
    }

    /// Adds a command from outside, which was decided at `decided_at`: its time, if it has none of its own.
    pub fn add_command(&mut self, command: &NewEvent, decided_at: Timestamp) -> Position {
        self.add(Parts { kind: Kind::Command, time: command.time.unwrap_or(decided_at), ..source_parts(command, self.recorded) })
    }

    /// Adds an event that an aggregate decided on, of a command from outside: a source event, as it is
    /// kept in a retelling.
    pub fn add_decided(&mut self, source: &str, module: u32, event: &Emitted) -> Position {
        self.add(Parts { class: Class::Source, ..derived_parts(source, module, event, self.recorded) })
    }

    /// Adds an event that `function` made.
    pub fn add_derived(&mut self, source: &str, module: u32, event: &Emitted) -> Position {
        self.add(derived_parts(source, module, event, self.recorded))
    }

    /// Adds an event that `function` made of one that was first recorded at another time than this record.
    pub fn add_derived_at(&mut self, source: &str, module: u32, event: &Emitted, recorded: Timestamp) -> Position {
        self.add(derived_parts(source, module, event, recorded))
    }

    /// Adds what a timer made, or what answers a request: no code of a module made it.
    pub fn add_outside(&mut self, class: Class, source: &str, event: &Emitted) -> Position {
        let cause = Some(event.cause).filter(|cause| *cause > Position::START);
        self.add(Parts { class, cause, module: None, ..derived_parts(source, 0, event, self.recorded) })
    }

    /// What a timer made, recorded at a given time.
    pub fn add_fired_at(&mut self, source: &str, event: &Emitted, recorded: Timestamp) -> Position {
        let cause = Some(event.cause).filter(|cause| *cause > Position::START);
        self.add(Parts { cause, module: None, ..derived_parts(source, 0, event, recorded) })
    }

    /// Adds an entry of another log as it is. Its cause and the module version that made it are those of
    /// this log; it keeps the time at which it was first recorded.
    pub fn add_retold(&mut self, event: &EventRef<'_>, cause: Option<Position>, producer: Option<u32>, recorded: Timestamp) -> Position {
        self.add(Parts {
            kind: event.kind,
            class: event.class,
            id: event.id,
            source: event.source,
            r#type: event.r#type,
            subject: event.subject,
            time: event.time,
            time_given: event.time_given,
            recorded,
            content_type: event.content_type,
            data: event.data,
            hops: event.hops,
            cause,
            causation_id: event.causation_id,
            correlation_id: event.correlation_id,
            module: producer,
            tags: Texts::Encoded(event.tags),
            extensions: Pairs::Encoded(event.extensions),
        })
    }

    /// Adds an entry that was exported; its cause lies before it.
    pub fn add_imported(&mut self, entry: &ImportedEntry) -> Position {
        let event = &entry.event;
        self.add(Parts {
            kind: entry.kind,
            class: entry.class,
            recorded: entry.recorded,
            time: event.time.unwrap_or(entry.recorded),
            cause: entry.cause,
            correlation_id: event.correlation_id.as_deref().unwrap_or_default(),
            ..source_parts(event, self.recorded)
        })
    }

    /// Adds an entry that the host makes about itself. Its id is made of its place and of what it says, so that
    /// logs of one namespace, told anew, never say two things under one id.
    pub fn add_record(&mut self, source: &str, r#type: &str, subject: &str, data: &[u8]) -> Position {
        let id = derived_id(&DerivedId {
            cause_source: source,
            cause_id: &self.next().to_string(),
            function: "",
            kind: OutputKind::Event,
            r#type,
            subject,
            key: Some(&Digest::of(data).to_string()),
            ordinal: 0,
        });
        self.add(Parts {
            kind: Kind::Event,
            class: Class::Record,
            id: &id,
            source,
            r#type,
            subject,
            time: self.recorded,
            time_given: false,
            recorded: self.recorded,
            content_type: "application/json",
            data,
            hops: 0,
            cause: None,
            causation_id: "",
            correlation_id: "",
            module: None,
            tags: Texts::Listed(&[]),
            extensions: Pairs::Listed(&[]),
        })
    }

    fn add(&mut self, parts: Parts<'_>) -> Position {
        let position = self.next();
        let words = [self.word(parts.r#type), self.word(parts.source), self.word(parts.content_type)];
        let mut body = std::mem::take(&mut self.body);
        body.bytes.clear();
        body.u8(match parts.class {
            Class::Source => 0,
            Class::Derived => 1,
            Class::Record => 2,
        } | match parts.kind {
            Kind::Event => 0,
            Kind::Command => COMMAND,
            Kind::Timer => TIMER,
            Kind::Request => REQUEST,
        });
        self.outside += usize::from(is_outside(parts.kind, parts.source));
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        body.u8(flag(!parts.tags.is_empty(), HAS_TAGS)
            | flag(!parts.extensions.is_empty(), HAS_EXTENSIONS)
            | flag(parts.cause.is_some(), HAS_CAUSE)
            | flag(!parts.causation_id.is_empty(), HAS_CAUSATION)
            | flag(!parts.correlation_id.is_empty(), HAS_CORRELATION)
            | flag(parts.module.is_some(), HAS_PRODUCER)
            | flag(parts.time_given, TIME_GIVEN)
            | flag(parts.recorded != self.recorded, HAS_RECORDED));
        for word in words {
            body.varint(word);
        }
        body.text(parts.id);
        body.text(parts.subject);
        body.zigzag(parts.time.0.wrapping_sub(self.recorded.0) as i64);
        body.u8(parts.hops);
        if parts.recorded != self.recorded {
            body.zigzag(parts.recorded.0.wrapping_sub(self.recorded.0) as i64);
            self.apart += 1;
        }
        if !parts.tags.is_empty() {
            body.blob(&parts.tags.encoded());
        }
        if !parts.extensions.is_empty() {
            body.blob(&parts.extensions.encoded());
        }
        if let Some(cause) = parts.cause {
            body.varint(position.0 - cause.0);
        }
        if !parts.causation_id.is_empty() {
            body.text(parts.causation_id);
        }
        if !parts.correlation_id.is_empty() {
            body.text(parts.correlation_id);
        }
        if let Some(module) = parts.module {
            body.varint(u64::from(module));
        }
        body.raw(parts.data);
        self.events.blob(&body.bytes);
        self.body = body;
        self.ends.push(self.events.bytes.len() as u32);
        position
    }

    pub fn add_processing(&mut self, entry: &Processing) {
        entry.encode(&mut self.processing);
    }

    /// Closes the record with its link to the record before it.
    pub fn finish(self, previous: Digest) -> Record {
        let words: usize = self.words.iter().map(|word| word.len() + 2).sum();
        let mut out = ByteWriter { bytes: Vec::with_capacity(HEADER_BYTES + CHAIN_BYTES + 20 + words + self.bytes()) };
        out.u8(match (self.outside, self.apart) {
            (0, 0) => FORMAT_PLAIN,
            (0, _) => FORMAT_APART,
            _ => FORMAT,
        });
        out.u64(self.commit);
        out.u64(self.first.0);
        out.u32(self.ends.len() as u32);
        out.u64(self.recorded.0);
        out.varint(self.words.len() as u64);
        self.words.iter().for_each(|word| out.text(word));
        out.varint(self.processing.bytes.len() as u64);
        let processing_at = out.bytes.len() as u32;
        out.raw(&self.processing.bytes);
        let events_at = out.bytes.len() as u32;
        out.raw(&self.events.bytes);
        let chain = Digest::link(previous, &out.bytes);
        out.raw(&chain.0);
        Record {
            bytes: out.bytes.into_boxed_slice(),
            commit: self.commit,
            first: self.first,
            count: self.ends.len() as u32,
            recorded: self.recorded,
            chain,
            words: self.words,
            processing_at,
            events_at,
            offsets: OnceLock::new(),
        }
    }
}
