//! `Glance`: an event where it lies in its record. Who passes many events by decodes no more of them than it asks for.

use super::event::{Attributes, Class, EventRef, Kind, Producer};
use super::words::Words;
use super::{ByteReader, Position, Timestamp};

/// In the byte of kind and class.
pub(super) const COMMAND: u8 = 0x10;
pub(super) const TIMER: u8 = 0x20;
pub(super) const REQUEST: u8 = 0x30;
const KINDS: u8 = 0x30;

pub(super) const HAS_TAGS: u8 = 1 << 0;
pub(super) const HAS_EXTENSIONS: u8 = 1 << 1;
pub(super) const HAS_CAUSE: u8 = 1 << 2;
pub(super) const HAS_CORRELATION: u8 = 1 << 3;
pub(super) const HAS_PRODUCER: u8 = 1 << 4;
pub(super) const TIME_GIVEN: u8 = 1 << 5;
pub(super) const HAS_CAUSATION: u8 = 1 << 6;
pub(super) const HAS_RECORDED: u8 = 1 << 7;

/// Answers nothing, or what an event without it would, for bytes that no writer of ours wrote.
#[derive(Clone, Copy)]
pub struct Glance<'a> {
    pub position: Position,
    /// Where in the record it lies, with its length before it: see [`Record::glance_at`].
    ///
    /// [`Record::glance_at`]: super::Record::glance_at
    pub offset: u32,
    pub(super) words: &'a Words,
    /// When its record was recorded.
    pub(super) recorded: Timestamp,
    pub(super) body: &'a [u8],
}

/// What stands before an event's time.
struct Head<'a> {
    what: u8,
    flags: u8,
    /// Type, source and content type, by their places among the record's words.
    words: [usize; 3],
    id: &'a [u8],
    subject: &'a [u8],
    /// Where the id begins, without its length.
    id_at: usize,
    /// What comes after it.
    rest: ByteReader<'a>,
}

/// What stands between an event's subject and its data.
struct Rest<'a> {
    time: i64,
    hops: u8,
    /// When it was recorded, from when its record was.
    apart: i64,
    tags: &'a [u8],
    extensions: &'a [u8],
    cause: Option<Position>,
    causation_id: &'a [u8],
    correlation_id: &'a [u8],
    producer: Option<Producer>,
    data: &'a [u8],
}

impl<'a> Glance<'a> {
    /// About what it takes in memory.
    pub fn bytes(&self) -> usize {
        64 + self.body.len()
    }

    pub fn kind(&self) -> Kind {
        kind_of(self.body.first().copied().unwrap_or_default())
    }

    pub fn class(&self) -> Option<Class> {
        class_of(*self.body.first()?)
    }

    pub fn r#type(&self) -> &'a str {
        self.type_word().and_then(|word| self.words.get(word)).unwrap_or_default()
    }

    /// Where its type stands among the record's words.
    pub(super) fn type_word(&self) -> Option<usize> {
        /// Kind, class and flags.
        const BEFORE_TYPE: usize = 2;
        Some(ByteReader::at(self.body, BEFORE_TYPE).varint("type").ok()? as usize)
    }

    pub fn subject(&self) -> &'a str {
        self.head().and_then(|head| str::from_utf8(head.subject).ok()).unwrap_or_default()
    }

    pub fn source(&self) -> &'a str {
        self.head().and_then(|head| self.words.get(head.words[1])).unwrap_or_default()
    }

    /// The letters of its id.
    pub fn id(&self) -> &'a [u8] {
        self.head().map_or(&[], |head| head.id)
    }

    /// Whether it says the same as an entry of its id with these attributes, as [`Attributes::is_said_by`] finds.
    pub(crate) fn says(&self, kind: Kind, said: &Attributes<'_>) -> bool {
        let Some(head) = self.head() else { return false };
        // Few have any: for them all of it is decoded.
        if head.flags & (HAS_TAGS | HAS_EXTENSIONS) != 0 || !said.tags.is_empty() || !said.extensions.is_empty() {
            return self.event().is_some_and(|event| said.is_said_by(kind, &event));
        }
        let word = |number: usize| self.words.get(head.words[number]);
        kind_of(head.what) == kind
            && head.subject == said.subject.as_bytes()
            && word(0) == Some(said.r#type)
            && word(2) == Some(said.content_type)
            && Rest::read(head.flags, head.rest, self.position, self.body).is_some_and(|rest| rest.data == said.data)
    }

    /// What it came of, and what made it.
    pub fn origin(&self) -> (Option<Position>, Option<Producer>) {
        let rest = self.head().and_then(|head| Rest::read(head.flags, head.rest, self.position, self.body));
        rest.map_or((None, None), |rest| (rest.cause, rest.producer))
    }

    /// All of it.
    #[inline]
    pub fn event(&self) -> Option<EventRef<'a>> {
        let Head { what, flags, words, id, subject, id_at, rest } = self.head()?;
        let [r#type, source, content_type] = words;
        let (r#type, source, content_type) = (self.words.get(r#type)?, self.words.get(source)?, self.words.get(content_type)?);
        let (id, subject) = texts(self.body, id_at, id.len(), subject)?;
        let rest = Rest::read(flags, rest, self.position, self.body)?;
        let recorded = self.recorded;
        Some(EventRef {
            position: self.position,
            kind: kind_of(what),
            class: class_of(what)?,
            id,
            source,
            r#type,
            subject,
            time: Timestamp(recorded.0.wrapping_add_signed(rest.time)),
            time_given: flags & TIME_GIVEN != 0,
            recorded: Timestamp(recorded.0.wrapping_add_signed(rest.apart)),
            content_type,
            data: rest.data,
            hops: rest.hops,
            cause: rest.cause,
            causation_id: text(rest.causation_id)?,
            correlation_id: text(rest.correlation_id)?,
            producer: rest.producer,
            tags: rest.tags,
            extensions: rest.extensions,
        })
    }

    #[inline]
    fn head(&self) -> Option<Head<'a>> {
        let mut reader = ByteReader::new(self.body);
        let (what, flags) = (reader.u8("event kind").ok()?, reader.u8("event flags").ok()?);
        let mut word = |what| Some(reader.varint(what).ok()? as usize);
        let words = [word("type")?, word("source")?, word("content type")?];
        let id = reader.blob("id").ok()?;
        let id_at = reader.position() - id.len();
        let subject = reader.blob("subject").ok()?;
        Some(Head { what, flags, words, id, subject, id_at, rest: reader })
    }
}

impl<'a> Rest<'a> {
    #[inline]
    fn read(flags: u8, mut reader: ByteReader<'a>, position: Position, body: &'a [u8]) -> Option<Rest<'a>> {
        let has = |flag: u8| flags & flag != 0;
        let time = reader.zigzag("time").ok()?;
        let hops = reader.u8("hops").ok()?;
        let apart = if has(HAS_RECORDED) { reader.zigzag("recorded time").ok()? } else { 0 };
        let tags = if has(HAS_TAGS) { reader.blob("tags").ok()? } else { &[] };
        let extensions = if has(HAS_EXTENSIONS) { reader.blob("extensions").ok()? } else { &[] };
        let cause = if has(HAS_CAUSE) { Some(Position(position.0.wrapping_sub(reader.varint("cause").ok()?))) } else { None };
        let causation_id = if has(HAS_CAUSATION) { reader.blob("causation id").ok()? } else { &[] };
        let correlation_id = if has(HAS_CORRELATION) { reader.blob("correlation id").ok()? } else { &[] };
        let producer = if has(HAS_PRODUCER) { Some(Producer { module: reader.varint("producer").ok()? as u32 }) } else { None };
        let data = &body[reader.position()..];
        Some(Rest { time, hops, apart, tags, extensions, cause, causation_id, correlation_id, producer, data })
    }
}

/// Most events have neither of the two.
#[inline]
fn text(bytes: &[u8]) -> Option<&str> {
    if bytes.is_empty() { Some("") } else { str::from_utf8(bytes).ok() }
}

/// The id that begins there, and the subject that comes after it. One look at the letters of both does where the length
/// between them is of one byte: it counts as a letter then.
#[inline]
fn texts<'a>(body: &'a [u8], id_at: usize, id_bytes: usize, subject: &'a [u8]) -> Option<(&'a str, &'a str)> {
    const LENGTH: usize = 1;
    let both = body.get(id_at..id_at + id_bytes + LENGTH + subject.len()).filter(|both| both[id_bytes] < 0x80);
    match both {
        Some(both) => {
            let both = str::from_utf8(both).ok()?;
            Some((both.get(..id_bytes)?, both.get(id_bytes + LENGTH..)?))
        }
        None => Some((str::from_utf8(&body[id_at..id_at + id_bytes]).ok()?, str::from_utf8(subject).ok()?)),
    }
}

fn kind_of(what: u8) -> Kind {
    match what & KINDS {
        COMMAND => Kind::Command,
        TIMER => Kind::Timer,
        REQUEST => Kind::Request,
        _ => Kind::Event,
    }
}

fn class_of(what: u8) -> Option<Class> {
    match what & 0x0f {
        0 => Some(Class::Source),
        1 => Some(Class::Derived),
        2 => Some(Class::Record),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, Emitted, NewEvent, Record, RecordBuilder};

    /// Subjects whose lengths take one byte and two, of letters of one byte and more; every second event was made by a function.
    fn record() -> Record {
        let mut builder = RecordBuilder::new(3, Position(7), Timestamp(1_000));
        for (number, subject) in ["", "é/1", &"s".repeat(127), &"s".repeat(128), &"é".repeat(200)].into_iter().enumerate() {
            let (id, subject, tags) = (format!("é{number}"), subject.to_owned(), vec!["t".to_owned()]);
            let (r#type, data) = (format!("a.{number}"), vec![number as u8; number]);
            builder.add_source(&NewEvent {
                id: id.clone(),
                source: "/shop".into(),
                r#type: r#type.clone(),
                subject: subject.clone(),
                tags,
                data: data.clone(),
                ..NewEvent::default()
            });
            let cause = Position(number as u64 + 1);
            let content_type = "application/json".into();
            builder.add_derived("/pricing", 4, &Emitted { id, r#type, subject, data, content_type, cause, ..Emitted::default() });
        }
        builder.finish(Digest::ZERO)
    }

    #[test]
    fn a_glance_says_what_the_whole_event_says() {
        let record = record();
        assert_eq!(record.count, 10);
        for event in record.events() {
            let glance = record.glance(event.position).expect("it is there");
            let again = record.glance_at(glance.offset, event.position).expect("it is there");
            let whole = |glance: Glance<'_>| glance.event().map(|event| event.to_event());
            assert_eq!((whole(glance), whole(again)), (Some(event.to_event()), Some(event.to_event())));
            assert_eq!((glance.kind(), glance.class(), glance.r#type()), (event.kind, Some(event.class), event.r#type));
            assert_eq!((glance.subject(), glance.source(), glance.origin()), (event.subject, event.source, (event.cause, event.producer)));
        }
        let subjects: Vec<usize> = record.events().map(|event| event.subject.len()).collect();
        assert_eq!(subjects, [0, 0, 4, 4, 127, 127, 128, 128, 400, 400]);
    }

    #[test]
    fn what_it_says_is_compared_as_the_whole_event_is() {
        for event in record().events() {
            let tags: Vec<String> = event.tags().map(str::to_owned).collect();
            let said = || Attributes {
                id: "another",
                source: "/",
                r#type: event.r#type,
                subject: event.subject,
                content_type: event.content_type,
                data: event.data,
                tags: &tags,
                extensions: &[],
                causation_id: "",
                correlation_id: "",
            };
            let (record, other) = (record(), [String::from("u")]);
            let glance = record.glance(event.position).expect("it is there");
            let pair = [(String::from("a"), String::from("b"))];
            assert!(glance.says(event.kind, &said()) && said().is_said_by(event.kind, &event));
            assert!(!glance.says(Kind::Timer, &said()));
            for different in [
                Attributes { r#type: "a.9", ..said() },
                Attributes { subject: "s", ..said() },
                Attributes { content_type: "text/plain", ..said() },
                Attributes { data: b"9", ..said() },
                Attributes { tags: &other, ..said() },
                Attributes { extensions: &pair, ..said() },
            ] {
                assert!(!glance.says(event.kind, &different) && !different.is_said_by(event.kind, &event), "{:?}", event.position);
            }
        }
    }

    #[test]
    fn letters_that_are_none_are_not_read_as_text_wherever_they_stand() {
        let record = record();
        for event in record.events() {
            let glance = record.glance(event.position).expect("it is there");
            let head = glance.head().expect("it is whole");
            let (id_end, subject_end) = (head.id_at + head.id.len(), head.rest.position());
            for at in (head.id_at..id_end).chain(subject_end - head.subject.len()..subject_end) {
                // A byte that goes on with a letter, where one begins; and one that begins a letter, where it goes on.
                let broken = if glance.body[at] & 0xc0 == 0x80 { 0xc3 } else { 0x80 };
                let mut body = glance.body.to_vec();
                body[at] = broken;
                assert!(Glance { body: &body, ..glance }.event().is_none(), "{at} of {:?}", event.subject);
            }
        }
    }
}
