//! Events: as they come in (`NewEvent`), as they lie in a record (`EventRef`), as a value of their
//! own (`Event`).

use super::outside::{ADDRESSEE, ANSWERS};
use super::{ByteReader, Position, Timestamp, limits};

/// Umbrella over what a log entry is. Functions and append conditions see events only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    #[default]
    Event,
    /// A request with one addressee. From outside: one that an aggregate has accepted, whose events come right
    /// after it. From a function: one that its aggregate has still to decide, or has decided further on.
    Command,
    /// A function set a timer, or cancelled one. What fires later is an event caused by it.
    Timer,
    /// A function asked for an HTTP request to the outside. The reply is an event caused by it.
    Request,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Event => "event",
            Kind::Command => "command",
            Kind::Timer => "timer",
            Kind::Request => "request",
        }
    }
}

/// What an entry was made by, and so its fate in a retelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// From outside: kept.
    Source,
    /// By a function: made again.
    Derived,
    /// By the host about itself: not replayed.
    Record,
}

/// CloudEvents extension attributes, sorted by name.
pub type Extensions = Vec<(String, String)>;

/// An event that someone wants recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewEvent {
    pub id: String,
    pub source: String,
    pub r#type: String,
    pub subject: String,
    /// `None`: the time of recording.
    pub time: Option<Timestamp>,
    pub content_type: String,
    pub data: Vec<u8>,
    pub tags: Vec<String>,
    pub extensions: Extensions,
    pub causation_id: Option<String>,
    pub correlation_id: Option<String>,
}

impl NewEvent {
    /// About what it takes in a record.
    pub fn bytes(&self) -> usize {
        self.attributes().bytes()
    }

    /// Names the first attribute that is missing or too large, and what to do.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        self.attributes().check()
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes {
            id: &self.id,
            source: &self.source,
            r#type: &self.r#type,
            subject: &self.subject,
            content_type: &self.content_type,
            data: &self.data,
            tags: &self.tags,
            extensions: &self.extensions,
            causation_id: self.causation_id.as_deref().unwrap_or_default(),
            correlation_id: self.correlation_id.as_deref().unwrap_or_default(),
        }
    }
}

/// What an entry of the log says of itself, before it is one.
pub(crate) struct Attributes<'a> {
    pub id: &'a str,
    pub source: &'a str,
    pub r#type: &'a str,
    pub subject: &'a str,
    pub content_type: &'a str,
    pub data: &'a [u8],
    pub tags: &'a [String],
    pub extensions: &'a [(String, String)],
    pub causation_id: &'a str,
    pub correlation_id: &'a str,
}

impl Attributes<'_> {
    pub fn bytes(&self) -> usize {
        let tags: usize = self.tags.iter().map(|tag| tag.len() + 1).sum();
        let extensions: usize = self.extensions.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        64 + self.id.len() + self.source.len() + self.r#type.len() + self.subject.len() + self.data.len() + tags + extensions
    }

    pub fn check(&self) -> Result<(), (&'static str, String)> {
        text("id", self.id, 1, limits::ID_BYTES_MAX)?;
        text("source", self.source, 1, limits::SOURCE_BYTES_MAX)?;
        text("causationid", self.causation_id, 0, limits::ID_BYTES_MAX)?;
        text("correlationid", self.correlation_id, 0, limits::ID_BYTES_MAX)?;
        self.check_content()
    }

    /// The same of what is no id and no source: those of an output the host makes.
    pub fn check_content(&self) -> Result<(), (&'static str, String)> {
        text("type", self.r#type, 1, limits::TYPE_BYTES_MAX)?;
        if self.r#type.contains('*') {
            return Err(("type", "holds a *, which stands for patterns only".to_owned()));
        }
        text("subject", self.subject, 0, limits::SUBJECT_BYTES_MAX)?;
        text("datacontenttype", self.content_type, 1, limits::CONTENT_TYPE_BYTES_MAX)?;
        if self.data.len() > limits::EVENT_BYTES_MAX {
            return Err(("data", format!("has {} bytes: at most {}", self.data.len(), limits::EVENT_BYTES_MAX)));
        }
        if self.tags.len() > limits::TAGS_PER_EVENT_MAX {
            return Err(("tags", format!("has {} tags: at most {}", self.tags.len(), limits::TAGS_PER_EVENT_MAX)));
        }
        for tag in self.tags {
            text("tags", tag, 1, limits::TAG_BYTES_MAX)?;
            if tag.contains(',') {
                return Err(("tags", "hold one with a comma, which stands between tags".to_owned()));
            }
        }
        if self.extensions.len() > limits::EXTENSIONS_PER_EVENT_MAX {
            return Err(("extensions", format!("are {}: at most {}", self.extensions.len(), limits::EXTENSIONS_PER_EVENT_MAX)));
        }
        if self.extensions.iter().any(|(name, value)| name.len() + value.len() > limits::EXTENSION_BYTES_MAX) {
            return Err(("extensions", format!("hold one of more than {} bytes", limits::EXTENSION_BYTES_MAX)));
        }
        Ok(())
    }

    /// Whether an entry of the same id, made by a function, says the same. Its time is its cause's.
    pub fn is_said_by(&self, kind: Kind, stored: &EventRef<'_>) -> bool {
        stored.kind == kind
            && stored.r#type == self.r#type
            && stored.subject == self.subject
            && stored.data == self.data
            && stored.content_type == self.content_type
            && stored.tags().eq(self.tags.iter().map(String::as_str))
            && stored.extensions().eq(self.extensions.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

fn text(field: &'static str, value: &str, min: usize, max: usize) -> Result<(), (&'static str, String)> {
    if value.len() < min {
        Err((field, "is missing or empty".to_owned()))
    } else if value.len() > max {
        Err((field, format!("has {} bytes: at most {max}", value.len())))
    } else if has_control(value) {
        Err((field, "holds a control character: remove it".to_owned()))
    } else {
        Ok(())
    }
}

/// An entry of a log that was exported, as it is to be again.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedEntry {
    pub event: NewEvent,
    pub kind: Kind,
    pub class: Class,
    /// When it was first recorded.
    pub recorded: Timestamp,
    pub cause: Option<Position>,
}

/// Looks at bytes first, at all of them: nearly every text is plain ASCII, and has none.
fn has_control(text: &str) -> bool {
    let suspicious = text.bytes().fold(false, |found, byte| found | !(0x20..0x7f).contains(&byte));
    suspicious && text.chars().any(char::is_control)
}

/// The code that made a derived event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Ordinal of the module version in its namespace, as its deployment recorded it.
    pub module: u32,
}

/// An event where it lies: nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct EventRef<'a> {
    pub position: Position,
    pub kind: Kind,
    pub class: Class,
    pub id: &'a str,
    pub source: &'a str,
    pub r#type: &'a str,
    pub subject: &'a str,
    pub time: Timestamp,
    /// Whether the caller gave the time; it is then part of the content.
    pub time_given: bool,
    /// When it was first recorded: in a log that was retold, by the log that it is from.
    pub recorded: Timestamp,
    pub content_type: &'a str,
    pub data: &'a [u8],
    /// How many events stand between this one and its first cause.
    pub hops: u8,
    pub cause: Option<Position>,
    /// Empty if there is no cause.
    pub causation_id: &'a str,
    /// Empty if it is the event's own id.
    pub correlation_id: &'a str,
    pub producer: Option<Producer>,
    /// Count and texts, as [`EventRef::tags`] reads them.
    pub(crate) tags: &'a [u8],
    pub(crate) extensions: &'a [u8],
}

impl<'a> EventRef<'a> {
    pub fn tags(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut reader = ByteReader::new(self.tags);
        std::iter::from_fn(move || reader.text("tag").ok())
    }

    pub fn extensions(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut reader = ByteReader::new(self.extensions);
        std::iter::from_fn(move || Some((reader.text("name").ok()?, reader.text("value").ok()?)))
    }

    /// One extension attribute.
    pub fn extension(&self, name: &str) -> Option<&'a str> {
        self.extensions().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Whether a function reads it, if it subscribes to the type: what answers another function is for that
    /// one alone.
    pub fn is_for(&self, function: &str) -> bool {
        !ANSWERS.contains(&self.r#type) || self.extension(ADDRESSEE).is_none_or(|addressee| addressee == function)
    }

    /// The id that everything sprung from one first cause shares.
    pub fn correlation(&self) -> &'a str {
        if self.correlation_id.is_empty() { self.id } else { self.correlation_id }
    }

    /// Whether `new`, recorded as `kind`, says the same as this entry. Extensions don't count, nor does a
    /// time that the host gave.
    pub fn same_content(&self, kind: Kind, new: &NewEvent) -> bool {
        self.kind == kind
            && self.r#type == new.r#type
            && self.subject == new.subject
            && self.data == new.data
            && self.content_type == new.content_type
            && self.tags().eq(new.tags.iter().map(String::as_str))
            && match new.time {
                Some(time) => self.time_given && self.time == time,
                None => !self.time_given,
            }
    }

    pub fn to_event(&self) -> Event {
        Event {
            position: self.position,
            kind: self.kind,
            class: self.class,
            id: self.id.to_owned(),
            source: self.source.to_owned(),
            r#type: self.r#type.to_owned(),
            subject: self.subject.to_owned(),
            time: self.time,
            recorded: self.recorded,
            content_type: self.content_type.to_owned(),
            data: self.data.to_vec(),
            hops: self.hops,
            cause: self.cause,
            causation_id: (!self.causation_id.is_empty()).then(|| self.causation_id.to_owned()),
            correlation_id: self.correlation().to_owned(),
            producer: self.producer,
            tags: self.tags().map(str::to_owned).collect(),
            extensions: self.extensions().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }
}

/// An event as a value of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub position: Position,
    pub kind: Kind,
    pub class: Class,
    pub id: String,
    pub source: String,
    pub r#type: String,
    pub subject: String,
    pub time: Timestamp,
    pub recorded: Timestamp,
    pub content_type: String,
    pub data: Vec<u8>,
    pub hops: u8,
    pub cause: Option<Position>,
    pub causation_id: Option<String>,
    pub correlation_id: String,
    pub producer: Option<Producer>,
    pub tags: Vec<String>,
    pub extensions: Extensions,
}
