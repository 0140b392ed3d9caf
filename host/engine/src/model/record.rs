//! The commit record: the one encoding of a change. Stored log, backup and replication use it whole.
//!
//! Layout, integers little-endian, `varint` as in LEB128:
//!
//! | part | bytes |
//! |---|---|
//! | format | u8, [`FORMAT`] |
//! | commit, first position, count, recorded time | u64, u64, u32, u64 |
//! | dictionary | varint count, then texts: types, sources, content types of the events below |
//! | processing | varint count, then entries ([`Processing`]) |
//! | events | each: varint length, body |
//! | chain | 32 bytes: SHA-256 of the previous record's chain and of all bytes before this field |

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::event::{Class, EventRef, Kind, NewEvent, Producer};
use super::plan::{Emitted, ParkedEvent, StateWrite};
use super::{ByteReader, ByteWriter, Digest, Malformed, Position, Timestamp};

pub const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 1 + 8 + 8 + 4 + 8;
const CHAIN_BYTES: usize = 32;

/// In the byte of kind and class.
const COMMAND: u8 = 0x10;

const HAS_TAGS: u8 = 1 << 0;
const HAS_EXTENSIONS: u8 = 1 << 1;
const HAS_CAUSE: u8 = 1 << 2;
const HAS_CORRELATION: u8 = 1 << 3;
const HAS_PRODUCER: u8 = 1 << 4;
const TIME_GIVEN: u8 = 1 << 5;
const HAS_CAUSATION: u8 = 1 << 6;

/// What a commit carries beside its events, in the order in which it was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Processing {
    /// A function moved on. `rebuild`: only its state did, by replay of the commits up to this one.
    Reaction {
        function: String,
        module: u32,
        from: Position,
        to: Position,
        rebuild: Option<u64>,
        state: Option<Digest>,
        parked: Vec<ParkedEvent>,
        unparked: Vec<Position>,
        halted: Option<ParkedEvent>,
    },
    /// A module version became active. `manifest` is its encoded self-description.
    Deployed {
        module: u32,
        name: String,
        version: String,
        digest: Digest,
        manifest: Vec<u8>,
        at: Position,
    },
    /// A module's functions were retired.
    Removed {
        name: String,
    },
    Paused {
        function: String,
    },
    Resumed {
        function: String,
    },
    /// The function reads again from here; parked entries beyond are forgotten. `rebuild`: its state is
    /// dropped and made again by replay first.
    Rewound {
        function: String,
        to: Position,
        rebuild: bool,
    },
    /// Parked events will be tried again, oldest first.
    Released {
        function: String,
        subject: Option<String>,
    },
    /// The data of events of this type is checked against this JSON Schema from here on; `None`: against
    /// what the active modules say, if anything.
    SchemaSet {
        r#type: String,
        schema: Option<String>,
    },
}

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
    bytes: Box<[u8]>,
    pub commit: u64,
    pub first: Position,
    pub count: u32,
    pub recorded: Timestamp,
    pub chain: Digest,
    /// Byte ranges of the dictionary's texts.
    dictionary: Vec<(u32, u32)>,
    processing_at: u32,
    events_at: u32,
    /// Where each event begins, found when one is first asked for.
    offsets: OnceLock<Box<[u32]>>,
}

impl Record {
    /// Reads the frame. Does not check the chain: see [`Record::follows`].
    pub fn parse(bytes: Box<[u8]>) -> Result<Record, Malformed> {
        if bytes.len() < HEADER_BYTES + CHAIN_BYTES {
            return Err(Malformed { what: "record length", at: 0 });
        }
        let body = &bytes[..bytes.len() - CHAIN_BYTES];
        let mut reader = ByteReader::new(body);
        if reader.u8("record format")? != FORMAT {
            return Err(Malformed { what: "record format", at: 0 });
        }
        let (commit, first) = (reader.u64("commit")?, Position(reader.u64("first position")?));
        let (count, recorded) = (reader.u32("count")?, Timestamp(reader.u64("recorded time")?));
        let texts = reader.length("dictionary")?;
        let mut dictionary = Vec::with_capacity(texts);
        for _ in 0..texts {
            let text = reader.text("dictionary text")?;
            let end = reader.position() as u32;
            dictionary.push((end - text.len() as u32, end));
        }
        let processing_bytes = reader.length("processing")?;
        let processing_at = reader.position() as u32;
        reader.raw(processing_bytes, "processing")?;
        let events_at = reader.position() as u32;
        let mut chain = [0; CHAIN_BYTES];
        chain.copy_from_slice(&bytes[bytes.len() - CHAIN_BYTES..]);
        Ok(Record {
            commit,
            first,
            count,
            recorded,
            chain: Digest(chain),
            dictionary,
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
        Digest::link(previous, &self.bytes[..self.bytes.len() - CHAIN_BYTES]) == self.chain
    }

    /// The types, sources and content types of the events, each once.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        (0..self.dictionary.len()).map(|index| self.word(index))
    }

    fn word(&self, index: usize) -> &str {
        let (start, end) = self.dictionary[index];
        // The frame was checked by `parse`.
        std::str::from_utf8(&self.bytes[start as usize..end as usize]).unwrap_or_default()
    }

    /// The events, oldest first. Ends early only on bytes that no writer of ours wrote.
    pub fn events(&self) -> Events<'_> {
        let end = self.bytes.len() - CHAIN_BYTES;
        let words = self.words().collect();
        Events {
            words,
            reader: ByteReader::at(&self.bytes[..end], self.events_at as usize),
            next: self.first,
            left: self.count,
            recorded: self.recorded,
        }
    }

    /// The event at `position`, which must lie in this record.
    pub fn event(&self, position: Position) -> Option<EventRef<'_>> {
        let index = position.0.checked_sub(self.first.0).filter(|index| *index < u64::from(self.count))? as usize;
        let body = &self.bytes[..self.bytes.len() - CHAIN_BYTES];
        let offset = *self.offsets().get(index)?;
        let event = ByteReader::at(body, offset as usize).blob("event").ok()?;
        decode_event(event, position, self.recorded, |word| (word < self.dictionary.len()).then(|| self.word(word))).ok()
    }

    fn offsets(&self) -> &[u32] {
        self.offsets.get_or_init(|| {
            let mut reader = ByteReader::at(&self.bytes[..self.bytes.len() - CHAIN_BYTES], self.events_at as usize);
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

/// Decodes the events of a record one after the other.
pub struct Events<'a> {
    words: Vec<&'a str>,
    reader: ByteReader<'a>,
    next: Position,
    left: u32,
    recorded: Timestamp,
}

impl Events<'_> {
    /// The position of the event that comes next.
    pub fn upcoming(&self) -> Position {
        self.next
    }

    /// Passes over `count` events without decoding them.
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
    pub fn any_word(&self, wanted: impl Fn(&str) -> bool) -> bool {
        self.words.iter().any(|word| wanted(word))
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = EventRef<'a>;

    fn next(&mut self) -> Option<EventRef<'a>> {
        if self.left == 0 {
            return None;
        }
        let body = self.reader.blob("event").ok()?;
        let event = decode_event(body, self.next, self.recorded, |index| self.words.get(index).copied()).ok()?;
        self.left -= 1;
        self.next = self.next.next();
        Some(event)
    }
}

fn decode_event<'a>(
    body: &'a [u8],
    position: Position,
    recorded: Timestamp,
    word: impl Fn(usize) -> Option<&'a str>,
) -> Result<EventRef<'a>, Malformed> {
    let mut reader = ByteReader::new(body);
    let what = reader.u8("event kind")?;
    let flags = reader.u8("event flags")?;
    let dictionary = |what: &'static str, reader: &mut ByteReader<'a>| {
        let at = reader.position();
        word(reader.varint(what)? as usize).ok_or(Malformed { what, at })
    };
    let r#type = dictionary("type", &mut reader)?;
    let source = dictionary("source", &mut reader)?;
    let content_type = dictionary("content type", &mut reader)?;
    let id = reader.text("id")?;
    let subject = reader.text("subject")?;
    let time = Timestamp(recorded.0.wrapping_add_signed(reader.zigzag("time")?));
    let hops = reader.u8("hops")?;
    let optional = |flag: u8| flags & flag != 0;
    let tags = if optional(HAS_TAGS) { reader.blob("tags")? } else { &[] };
    let extensions = if optional(HAS_EXTENSIONS) { reader.blob("extensions")? } else { &[] };
    let cause = if optional(HAS_CAUSE) { Some(Position(position.0.wrapping_sub(reader.varint("cause")?))) } else { None };
    let causation_id = if optional(HAS_CAUSATION) { reader.text("causation id")? } else { "" };
    let correlation_id = if optional(HAS_CORRELATION) { reader.text("correlation id")? } else { "" };
    let producer = if optional(HAS_PRODUCER) { Some(Producer { module: reader.varint("producer")? as u32 }) } else { None };
    let data = &body[reader.position()..];
    Ok(EventRef {
        position,
        kind: if what & COMMAND == 0 { Kind::Event } else { Kind::Command },
        class: match what & 0x0f {
            0 => Class::Source,
            1 => Class::Derived,
            2 => Class::Record,
            _ => return Err(Malformed { what: "event class", at: 0 }),
        },
        id,
        source,
        r#type,
        subject,
        time,
        time_given: flags & TIME_GIVEN != 0,
        recorded,
        content_type,
        data,
        hops,
        cause,
        causation_id,
        correlation_id,
        producer,
        tags,
        extensions,
    })
}

/// Makes a record. Can go back to a mark, so that a refused request leaves no trace.
#[derive(Debug)]
pub struct RecordBuilder {
    commit: u64,
    first: Position,
    recorded: Timestamp,
    words: Vec<String>,
    /// Place of each word, kept only once there are many.
    places: BTreeMap<String, u32>,
    processing: ByteWriter,
    events: ByteWriter,
    /// Where an event's body is written before its length is known.
    body: ByteWriter,
    /// End of each event in `events`.
    ends: Vec<u32>,
}

/// A place in a [`RecordBuilder`] to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    words: usize,
    processing: usize,
    events: usize,
    count: usize,
}

impl RecordBuilder {
    pub fn new(commit: u64, first: Position, recorded: Timestamp) -> Self {
        RecordBuilder {
            commit,
            first,
            recorded,
            words: Vec::new(),
            places: BTreeMap::new(),
            processing: ByteWriter::default(),
            events: ByteWriter::default(),
            body: ByteWriter::default(),
            ends: Vec::new(),
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
        Mark { words: self.words.len(), processing: self.processing.bytes.len(), events: self.events.bytes.len(), count: self.ends.len() }
    }

    pub fn back_to(&mut self, mark: Mark) {
        self.words.truncate(mark.words);
        self.places.clear();
        self.processing.bytes.truncate(mark.processing);
        self.events.bytes.truncate(mark.events);
        self.ends.truncate(mark.count);
    }

    /// An event added since [`RecordBuilder::new`], by its position.
    pub fn event(&self, position: Position) -> Option<EventRef<'_>> {
        let index = position.0.checked_sub(self.first.0)? as usize;
        let end = *self.ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        let body = ByteReader::new(&self.events.bytes[start..end]).blob("event").ok()?;
        decode_event(body, position, self.recorded, |word| self.words.get(word).map(String::as_str)).ok()
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
                self.places = self.words.iter().cloned().zip(0..).collect();
            }
            if let Some(index) = self.places.get(text) {
                return u64::from(*index);
            }
            self.places.insert(text.to_owned(), self.words.len() as u32);
        }
        self.words.push(text.to_owned());
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
        self.add(Parts { class: Class::Source, ..derived_parts(source, module, event) })
    }

    /// Adds an event that `function` made.
    pub fn add_derived(&mut self, source: &str, module: u32, event: &Emitted) -> Position {
        self.add(derived_parts(source, module, event))
    }

    /// Adds an entry that the host makes about itself.
    pub fn add_record(&mut self, source: &str, r#type: &str, subject: &str, data: &[u8]) -> Position {
        let id = self.next().to_string();
        self.add(Parts {
            kind: Kind::Event,
            class: Class::Record,
            id: &id,
            source,
            r#type,
            subject,
            time: self.recorded,
            time_given: false,
            content_type: "application/json",
            data,
            hops: 0,
            cause: None,
            causation_id: "",
            correlation_id: "",
            module: None,
            tags: &[],
            extensions: &[],
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
        });
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        body.u8(flag(!parts.tags.is_empty(), HAS_TAGS)
            | flag(!parts.extensions.is_empty(), HAS_EXTENSIONS)
            | flag(parts.cause.is_some(), HAS_CAUSE)
            | flag(!parts.causation_id.is_empty(), HAS_CAUSATION)
            | flag(!parts.correlation_id.is_empty(), HAS_CORRELATION)
            | flag(parts.module.is_some(), HAS_PRODUCER)
            | flag(parts.time_given, TIME_GIVEN));
        for word in words {
            body.varint(word);
        }
        body.text(parts.id);
        body.text(parts.subject);
        body.zigzag(parts.time.0.wrapping_sub(self.recorded.0) as i64);
        body.u8(parts.hops);
        if !parts.tags.is_empty() {
            let mut tags = ByteWriter::default();
            parts.tags.iter().for_each(|tag| tags.text(tag));
            body.blob(&tags.bytes);
        }
        if !parts.extensions.is_empty() {
            let mut extensions = ByteWriter::default();
            for (name, value) in parts.extensions {
                extensions.text(name);
                extensions.text(value);
            }
            body.blob(&extensions.bytes);
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
        out.u8(FORMAT);
        out.u64(self.commit);
        out.u64(self.first.0);
        out.u32(self.ends.len() as u32);
        out.u64(self.recorded.0);
        out.varint(self.words.len() as u64);
        let mut dictionary = Vec::with_capacity(self.words.len());
        for word in &self.words {
            out.text(word);
            let end = out.bytes.len() as u32;
            dictionary.push((end - word.len() as u32, end));
        }
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
            dictionary,
            processing_at,
            events_at,
            offsets: OnceLock::new(),
        }
    }
}

struct Parts<'a> {
    kind: Kind,
    class: Class,
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    subject: &'a str,
    time: Timestamp,
    time_given: bool,
    content_type: &'a str,
    data: &'a [u8],
    hops: u8,
    cause: Option<Position>,
    causation_id: &'a str,
    correlation_id: &'a str,
    module: Option<u32>,
    tags: &'a [String],
    extensions: &'a [(String, String)],
}

fn source_parts(event: &NewEvent, recorded: Timestamp) -> Parts<'_> {
    Parts {
        kind: Kind::Event,
        class: Class::Source,
        id: &event.id,
        source: &event.source,
        r#type: &event.r#type,
        subject: &event.subject,
        time: event.time.unwrap_or(recorded),
        time_given: event.time.is_some(),
        content_type: &event.content_type,
        data: &event.data,
        hops: 0,
        cause: None,
        causation_id: event.causation_id.as_deref().unwrap_or_default(),
        correlation_id: event.correlation_id.as_deref().filter(|id| *id != event.id).unwrap_or_default(),
        module: None,
        tags: &event.tags,
        extensions: &event.extensions,
    }
}

fn derived_parts<'a>(source: &'a str, module: u32, event: &'a Emitted) -> Parts<'a> {
    Parts {
        kind: Kind::Event,
        class: Class::Derived,
        id: &event.id,
        source,
        r#type: &event.r#type,
        subject: &event.subject,
        time: event.time,
        time_given: true,
        content_type: &event.content_type,
        data: &event.data,
        hops: event.hops,
        cause: Some(event.cause),
        causation_id: &event.causation_id,
        correlation_id: &event.correlation_id,
        module: Some(module),
        tags: &event.tags,
        extensions: &[],
    }
}
