//! What an entry of the log is made of, before it is written into a record.

use std::borrow::Cow;

use super::event::{Class, Kind, NewEvent};
use super::plan::Emitted;
use super::{ByteWriter, Position, Timestamp};

pub struct Parts<'a> {
    pub kind: Kind,
    pub class: Class,
    pub id: &'a str,
    pub source: &'a str,
    pub r#type: &'a str,
    pub subject: &'a str,
    pub time: Timestamp,
    pub time_given: bool,
    pub recorded: Timestamp,
    pub content_type: &'a str,
    pub data: &'a [u8],
    pub hops: u8,
    pub cause: Option<Position>,
    pub causation_id: &'a str,
    pub correlation_id: &'a str,
    pub module: Option<u32>,
    pub tags: Texts<'a>,
    pub extensions: Pairs<'a>,
}

/// Tags, as a caller lists them or as they lie in a record.
#[derive(Clone, Copy)]
pub enum Texts<'a> {
    Listed(&'a [String]),
    Encoded(&'a [u8]),
}

/// Extensions, in the same two ways.
#[derive(Clone, Copy)]
pub enum Pairs<'a> {
    Listed(&'a [(String, String)]),
    Encoded(&'a [u8]),
}

impl<'a> Texts<'a> {
    pub fn is_empty(self) -> bool {
        match self {
            Texts::Listed(tags) => tags.is_empty(),
            Texts::Encoded(bytes) => bytes.is_empty(),
        }
    }

    pub fn encoded(self) -> Cow<'a, [u8]> {
        match self {
            Texts::Encoded(bytes) => Cow::Borrowed(bytes),
            Texts::Listed(tags) => {
                let mut out = ByteWriter::default();
                tags.iter().for_each(|tag| out.text(tag));
                Cow::Owned(out.bytes)
            }
        }
    }
}

impl<'a> Pairs<'a> {
    pub fn is_empty(self) -> bool {
        match self {
            Pairs::Listed(extensions) => extensions.is_empty(),
            Pairs::Encoded(bytes) => bytes.is_empty(),
        }
    }

    pub fn encoded(self) -> Cow<'a, [u8]> {
        match self {
            Pairs::Encoded(bytes) => Cow::Borrowed(bytes),
            Pairs::Listed(extensions) => {
                let mut out = ByteWriter::default();
                for (name, value) in extensions {
                    out.text(name);
                    out.text(value);
                }
                Cow::Owned(out.bytes)
            }
        }
    }
}

pub fn source_parts(event: &NewEvent, recorded: Timestamp) -> Parts<'_> {
    Parts {
        kind: Kind::Event,
        class: Class::Source,
        id: &event.id,
        source: &event.source,
        r#type: &event.r#type,
        subject: &event.subject,
        time: event.time.unwrap_or(recorded),
        time_given: event.time.is_some(),
        recorded,
        content_type: &event.content_type,
        data: &event.data,
        hops: 0,
        cause: None,
        causation_id: event.causation_id.as_deref().unwrap_or_default(),
        correlation_id: event.correlation_id.as_deref().filter(|id| *id != event.id).unwrap_or_default(),
        module: None,
        tags: Texts::Listed(&event.tags),
        extensions: Pairs::Listed(&event.extensions),
    }
}

pub fn derived_parts<'a>(source: &'a str, module: u32, event: &'a Emitted, recorded: Timestamp) -> Parts<'a> {
    Parts {
        kind: event.kind,
        class: Class::Derived,
        id: &event.id,
        source,
        r#type: &event.r#type,
        subject: &event.subject,
        time: event.time,
        time_given: true,
        recorded,
        content_type: &event.content_type,
        data: &event.data,
        hops: event.hops,
        cause: Some(event.cause),
        causation_id: &event.causation_id,
        correlation_id: &event.correlation_id,
        module: Some(module),
        tags: Texts::Listed(&event.tags),
        extensions: Pairs::Listed(&event.extensions),
    }
}
