//! An event while its attributes come in, one by one and in any order.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use retold_engine::model::{NewEvent, is_reserved_source, is_reserved_type, limits};
use serde_json::value::RawValue;

use super::bad_event::BadEvent;
use super::content::{checked_json, is_json, kept_json};
use super::timestamps::parse_timestamp;

pub const DEFAULT_CONTENT_TYPE: &str = "application/json";

/// What an attribute's name means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Attribute {
    SpecVersion,
    Id,
    Source,
    Type,
    Subject,
    Time,
    ContentType,
    Tags,
    CausationId,
    CorrelationId,
    Data,
    DataBase64,
    /// The host's to say: ignored.
    Host,
    Extension,
}

impl Attribute {
    #[inline]
    pub fn of(name: &str) -> Attribute {
        match name {
            "specversion" => Attribute::SpecVersion,
            "id" => Attribute::Id,
            "source" => Attribute::Source,
            "type" => Attribute::Type,
            "subject" => Attribute::Subject,
            "time" => Attribute::Time,
            "datacontenttype" => Attribute::ContentType,
            "tags" => Attribute::Tags,
            "causationid" => Attribute::CausationId,
            "correlationid" => Attribute::CorrelationId,
            "data" => Attribute::Data,
            "data_base64" => Attribute::DataBase64,
            "position" | "recordedtime" | "causeposition" | "entrykind" => Attribute::Host,
            _ => Attribute::Extension,
        }
    }
}

/// Where an event comes from, and so what it may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody who appends it.
    Caller,
    /// A log that was exported: sources and types of the host's are taken.
    Log,
}

enum Data<'a> {
    None,
    Json(&'a RawValue),
    Base64(Cow<'a, str>),
    /// As it is, with nothing said of its form but the content type.
    Bytes(&'a [u8]),
}

pub struct Draft<'a> {
    event: NewEvent,
    /// A bit for each [`Attribute`] that has come.
    come: u16,
    data: Data<'a>,
}

impl<'a> Draft<'a> {
    pub fn new() -> Draft<'a> {
        Draft { event: NewEvent::default(), come: 0, data: Data::None }
    }

    /// Refuses what comes twice. To be called with every name, an unset one's too.
    #[inline]
    pub fn begin(&mut self, attribute: Attribute, name: &str) -> Result<(), BadEvent> {
        let bit = 1 << attribute as u8;
        let twice = match attribute {
            Attribute::Host => false,
            Attribute::Extension => self.event.extensions.iter().any(|(known, _)| known == name),
            _ => self.come & bit != 0,
        };
        self.come |= bit;
        if twice { Err(BadEvent::field(name, "is given twice: give it once")) } else { Ok(()) }
    }

    /// Takes an attribute's text.
    pub fn set(&mut self, attribute: Attribute, name: &str, value: Cow<'a, str>) -> Result<(), BadEvent> {
        let event = &mut self.event;
        match attribute {
            Attribute::SpecVersion if value == "1.0" => {}
            Attribute::SpecVersion => {
                return Err(BadEvent::field(name, format!("is {:?}: this host takes \"1.0\"", value.chars().take(20).collect::<String>())));
            }
            Attribute::Id => event.id = value.into_owned(),
            Attribute::Source => event.source = value.into_owned(),
            Attribute::Type => event.r#type = value.into_owned(),
            Attribute::Subject => event.subject = value.into_owned(),
            Attribute::Time => event.time = Some(parse_timestamp(&value).map_err(|what| BadEvent::field(name, what))?),
            Attribute::ContentType => event.content_type = value.into_owned(),
            Attribute::Tags => event.tags = value.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
            Attribute::CausationId => event.causation_id = Some(value.into_owned()),
            Attribute::CorrelationId => event.correlation_id = Some(value.into_owned()),
            Attribute::Data | Attribute::Host => {}
            Attribute::DataBase64 => self.set_data(Data::Base64(value))?,
            Attribute::Extension => self.set_extension(name, value)?,
        }
        Ok(())
    }

    pub fn set_json(&mut self, value: &'a RawValue) -> Result<(), BadEvent> {
        self.set_data(Data::Json(value))
    }

    pub fn set_bytes(&mut self, bytes: &'a [u8]) {
        self.data = Data::Bytes(bytes);
    }

    fn set_data(&mut self, data: Data<'a>) -> Result<(), BadEvent> {
        if !matches!(self.data, Data::None) {
            return Err(BadEvent::field("data_base64", "stands beside `data`: give one of the two"));
        }
        self.data = data;
        Ok(())
    }

    fn set_extension(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), BadEvent> {
        if self.event.extensions.len() == limits::EXTENSIONS_PER_EVENT_MAX {
            return Err(BadEvent::field(
                name,
                format!("is one extension attribute too many: at most {}", limits::EXTENSIONS_PER_EVENT_MAX),
            ));
        }
        if name.is_empty() || name.len() > 20 || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            return Err(BadEvent::field(name, "is no name for an extension attribute: use 1 to 20 of a-z and 0-9, or put it into `data`"));
        }
        if value.chars().any(char::is_control) {
            return Err(BadEvent::field(name, "holds a control character: remove it, or put the text into `data`"));
        }
        self.event.extensions.push((name.to_owned(), value.into_owned()));
        Ok(())
    }

    /// The event, once everything has come. Lengths are left to the engine, which holds every event
    /// against its limits.
    pub fn finish(self, from: Origin) -> Result<NewEvent, BadEvent> {
        let Draft { mut event, come, data } = self;
        let missing = |attribute: Attribute| come & (1 << attribute as u8) == 0;
        if missing(Attribute::SpecVersion) {
            return Err(BadEvent::field(
                "specversion",
                "is missing: an event begins {\"specversion\":\"1.0\",\"id\":…,\"source\":…,\"type\":…}",
            ));
        }
        for (field, value) in [("id", &event.id), ("source", &event.source), ("type", &event.r#type)] {
            if value.is_empty() {
                return Err(BadEvent::field(field, "is missing or empty: every event has id, source and type"));
            }
        }
        if from == Origin::Caller && is_reserved_type(&event.r#type) {
            return Err(BadEvent::field("type", "begins with retold., which only the host records: use a type of your own"));
        }
        if from == Origin::Caller && is_reserved_source(&event.source) {
            return Err(BadEvent::field("source", format!("is {:?}, which only the host writes: use a source of your own", event.source)));
        }
        if event.content_type.is_empty() {
            event.content_type.push_str(DEFAULT_CONTENT_TYPE);
        }
        // What a function made need not be what its content type says: then it was exported in base64.
        let is_kept = from == Origin::Log && matches!(data, Data::Base64(_));
        event.data = data.bytes(!is_kept && is_json(&event.content_type))?;
        if event.extensions.len() > 1 {
            event.extensions.sort_unstable();
        }
        if from == Origin::Log {
            event.extensions.sort_by_key(|(name, _)| place(name));
        }
        Ok(event)
    }
}

/// Attributes stand in the order of their names, behind those that say which code made the event: the host writes
/// these first where it knows them, and so they come in the same order once they are nothing but attributes.
fn place(name: &str) -> usize {
    let first = ["module", "moduleversion", "moduledigest"];
    first.iter().position(|known| *known == name).unwrap_or(first.len())
}

impl Data<'_> {
    fn bytes(self, json: bool) -> Result<Vec<u8>, BadEvent> {
        let bad = |what: &str| BadEvent::field("data", what);
        match self {
            Data::None => Ok(Vec::new()),
            Data::Json(value) if json => kept_json(value.get()).map_err(bad),
            Data::Json(value) => serde_json::from_str::<Cow<'_, str>>(value.get())
                .map(|text| text.into_owned().into_bytes())
                .map_err(|_| bad("is JSON, and `datacontenttype` says that it isn't: use a JSON string, or `data_base64`")),
            Data::Base64(text) => {
                let bytes = STANDARD.decode(text.as_bytes()).map_err(|error| {
                    BadEvent::field("data_base64", format!("is not base64 ({error}): use the standard alphabet with padding"))
                })?;
                if json { checked_json(&bytes).map_err(|what| BadEvent::field("data_base64", what)) } else { Ok(bytes) }
            }
            Data::Bytes([]) => Ok(Vec::new()),
            Data::Bytes(bytes) if json => checked_json(bytes).map_err(|what| BadEvent::field("data", what)),
            Data::Bytes(bytes) => Ok(bytes.to_vec()),
        }
    }
}
