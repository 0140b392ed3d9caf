//! The records of `retold:module/types` as the canonical ABI moves them. Written by hand, not
//! generated, so that they borrow where they can.
//!
//! The order of fields and cases is the order in `wit/retold.wit`; wasmtime holds both against each
//! other when a module is loaded.
#![expect(dead_code, reason = "values come out of a guest's memory, where only wasmtime sees them made")]

use retold_engine::model::{self, CommandRef, EventRef};
use wasmtime::component::{ComponentType, Lift, Lower};

/// The events of one call on their way into a guest: what all of them are made of, as columns. Lists of numbers are moved
/// as they lie; of a list of records wasmtime would move each field by itself.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Events<'a> {
    positions: Vec<u64>,
    times: Vec<u64>,
    #[component(name = "type-indices")]
    type_indices: Vec<u32>,
    #[component(name = "subject-ends")]
    subject_ends: Vec<u32>,
    #[component(name = "data-ends")]
    data_ends: Vec<u32>,
    types: Vec<&'a str>,
    subjects: String,
    data: Vec<u8>,
}

/// How many of the types met last are looked through for an event's own.
const TYPES_LOOKED_THROUGH: usize = 16;

impl<'a> Events<'a> {
    /// A call's events are far fewer bytes than an offset can say: see `limits::BATCH_BYTES_MAX`.
    pub(super) fn of(events: &[EventRef<'a>]) -> Events<'a> {
        let add = |(subjects, data), event: &EventRef<'_>| (subjects + event.subject.len(), data + event.data.len());
        let (subjects, data) = events.iter().fold((0, 0), add);
        let mut packed = Events {
            positions: Vec::with_capacity(events.len()),
            times: Vec::with_capacity(events.len()),
            type_indices: Vec::with_capacity(events.len()),
            subject_ends: Vec::with_capacity(events.len()),
            data_ends: Vec::with_capacity(events.len()),
            types: Vec::new(),
            subjects: String::with_capacity(subjects),
            data: Vec::with_capacity(data),
        };
        for event in events {
            packed.positions.push(event.position.0);
            packed.times.push(event.time.0);
            let index = packed.type_index(event.r#type);
            packed.type_indices.push(index);
            packed.subjects.push_str(event.subject);
            packed.subject_ends.push(packed.subjects.len() as u32);
            packed.data.extend_from_slice(event.data);
            packed.data_ends.push(packed.data.len() as u32);
        }
        packed
    }

    fn type_index(&mut self, name: &'a str) -> u32 {
        let place = self.types.iter().rev().take(TYPES_LOOKED_THROUGH).position(|known| std::ptr::eq(*known, name) || *known == name);
        let place = place.map(|back| self.types.len() - 1 - back).unwrap_or_else(|| {
            self.types.push(name);
            self.types.len() - 1
        });
        place as u32
    }
}

/// A command on its way into an aggregate. It has no key: that named it for its id, which it has.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct CommandToDecide<'a> {
    #[component(name = "type")]
    r#type: &'a str,
    subject: &'a str,
    #[component(name = "content-type")]
    content_type: Option<&'a str>,
    data: &'a [u8],
    key: Option<&'a str>,
}

impl<'a> From<&CommandRef<'a>> for CommandToDecide<'a> {
    fn from(command: &CommandRef<'a>) -> CommandToDecide<'a> {
        CommandToDecide {
            r#type: command.r#type,
            subject: command.subject,
            content_type: Some(command.content_type),
            data: command.data,
            key: None,
        }
    }
}

/// A question on its way into a view.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Query<'a> {
    name: &'a str,
    #[component(name = "content-type")]
    content_type: Option<&'a str>,
    data: &'a [u8],
}

impl<'a> From<&'a model::Query> for Query<'a> {
    fn from(query: &'a model::Query) -> Query<'a> {
        Query { name: &query.name, content_type: query.content_type.as_deref(), data: &query.data }
    }
}

/// One line of a request's head on its way into a guest.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct HeaderToRead<'a> {
    name: &'a str,
    value: &'a str,
}

/// A foreign request on its way into an ingress function. It has no key: that names what a function makes.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct RequestToAccept<'a> {
    method: &'a str,
    url: &'a str,
    headers: Vec<HeaderToRead<'a>>,
    body: &'a [u8],
    key: Option<&'a str>,
}

impl<'a> From<&'a model::IngressRequest> for RequestToAccept<'a> {
    fn from(request: &'a model::IngressRequest) -> RequestToAccept<'a> {
        let headers = request.headers.iter().map(|(name, value)| HeaderToRead { name, value }).collect();
        RequestToAccept { method: &request.method, url: &request.url, headers, body: &request.body, key: None }
    }
}

/// An event's rarer attributes on their way into a guest.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct EventDetails {
    id: String,
    source: String,
    tags: Vec<String>,
    #[component(name = "content-type")]
    content_type: String,
    #[component(name = "recorded-time")]
    recorded_time: u64,
    #[component(name = "causation-id")]
    causation_id: Option<String>,
    #[component(name = "correlation-id")]
    correlation_id: String,
    extensions: Vec<(String, String)>,
}

impl From<model::Event> for EventDetails {
    fn from(event: model::Event) -> EventDetails {
        EventDetails {
            id: event.id,
            source: event.source,
            tags: event.tags,
            content_type: event.content_type,
            recorded_time: event.recorded.0,
            causation_id: event.causation_id,
            correlation_id: event.correlation_id,
            extensions: event.extensions,
        }
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct NewEvent {
    #[component(name = "type")]
    pub(super) r#type: String,
    pub(super) subject: String,
    pub(super) tags: Vec<String>,
    #[component(name = "content-type")]
    pub(super) content_type: Option<String>,
    pub(super) data: Vec<u8>,
    pub(super) key: Option<String>,
    pub(super) time: Option<u64>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Command {
    #[component(name = "type")]
    pub(super) r#type: String,
    pub(super) subject: String,
    #[component(name = "content-type")]
    pub(super) content_type: Option<String>,
    pub(super) data: Vec<u8>,
    pub(super) key: Option<String>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Timer {
    pub(super) key: String,
    pub(super) due: u64,
    #[component(name = "type")]
    pub(super) r#type: String,
    pub(super) subject: String,
    pub(super) data: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct HttpRequest {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<Header>,
    pub(super) body: Vec<u8>,
    pub(super) key: Option<String>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct HttpResponse {
    pub(super) status: u16,
    pub(super) headers: Vec<Header>,
    pub(super) body: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct EmittedEvent {
    #[component(name = "type")]
    pub(super) r#type: u32,
    #[component(name = "subject-end")]
    pub(super) subject_end: u32,
    #[component(name = "data-end")]
    pub(super) data_end: u32,
    #[component(name = "tags-end")]
    pub(super) tags_end: u32,
    #[component(name = "content-type")]
    pub(super) content_type: Option<String>,
    pub(super) key: Option<String>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum Output {
    #[component(name = "emit")]
    Emit(EmittedEvent),
    #[component(name = "command")]
    Command(Command),
    #[component(name = "schedule")]
    Schedule(Timer),
    #[component(name = "cancel")]
    Cancel(String),
    #[component(name = "request")]
    Request(HttpRequest),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Reaction {
    pub(super) cause: u32,
    pub(super) output: Output,
}

/// What a handler answers, with what its events are made of in four pieces.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Reactions {
    pub(super) each: Vec<Reaction>,
    pub(super) types: Vec<String>,
    pub(super) subjects: String,
    pub(super) data: Vec<u8>,
    pub(super) tags: Vec<String>,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum FailureKind {
    #[component(name = "retry")]
    Retry,
    #[component(name = "reject")]
    Reject,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Failure {
    pub(super) event: u32,
    pub(super) kind: FailureKind,
    pub(super) message: String,
}

impl From<FailureKind> for model::FailureKind {
    fn from(kind: FailureKind) -> model::FailureKind {
        match kind {
            FailureKind::Retry => model::FailureKind::Retry,
            FailureKind::Reject => model::FailureKind::Reject,
        }
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Rejection {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) data: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Payload {
    #[component(name = "content-type")]
    pub(super) content_type: String,
    pub(super) data: Vec<u8>,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

impl From<Level> for model::LogLevel {
    fn from(level: Level) -> model::LogLevel {
        match level {
            Level::Trace => model::LogLevel::Trace,
            Level::Debug => model::LogLevel::Debug,
            Level::Info => model::LogLevel::Info,
            Level::Warn => model::LogLevel::Warn,
            Level::Error => model::LogLevel::Error,
        }
    }
}

/// A row of a function's state on its way into a guest.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
}

/// One of several keys that are asked for together.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Key {
    pub(super) event: u32,
    pub(super) end: u32,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Keys {
    pub(super) each: Vec<Key>,
    pub(super) names: String,
}

/// Values on their way into a guest, in one piece.
#[derive(ComponentType, Lower, Default)]
#[component(record)]
pub(super) struct Values {
    pub(super) each: Vec<Option<u32>>,
    pub(super) bytes: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Write {
    pub(super) event: u32,
    #[component(name = "key-end")]
    pub(super) key_end: u32,
    #[component(name = "value-end")]
    pub(super) value_end: Option<u32>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Writes {
    pub(super) each: Vec<Write>,
    pub(super) names: String,
    pub(super) bytes: Vec<u8>,
}

/// What the functions of the contract take and give.
pub(super) type HandleParams<'a> = (&'a str, &'a Events<'a>);
pub(super) type HandleResult = (Result<Reactions, Failure>,);
/// Function, subject, state, command.
pub(super) type DecideParams<'a> = (&'a str, &'a str, Option<&'a [u8]>, CommandToDecide<'a>);
pub(super) type DecideResult = (Result<Vec<NewEvent>, Rejection>,);
/// Function, subject, state, events.
pub(super) type EvolveParams<'a> = (&'a str, &'a str, Option<&'a [u8]>, &'a Events<'a>);
pub(super) type EvolveResult = (Result<Vec<u8>, Failure>,);
pub(super) type ProjectParams<'a> = (&'a str, &'a Events<'a>);
pub(super) type ProjectResult = (Result<(), Failure>,);
pub(super) type QueryParams<'a> = (&'a str, Query<'a>);
pub(super) type QueryResult = (Result<Payload, Rejection>,);
pub(super) type UpcastParams<'a> = (&'a Events<'a>,);
pub(super) type UpcastResult = (Result<Vec<Vec<NewEvent>>, Failure>,);
pub(super) type AcceptParams<'a> = (&'a str, RequestToAccept<'a>);
pub(super) type AcceptResult = (Result<Vec<NewEvent>, HttpResponse>,);

#[cfg(test)]
mod tests {
    use retold_engine::model::{NewEvent, Position, RecordBuilder, Timestamp};

    use super::*;

    #[test]
    fn events_are_packed_into_pieces_and_types_that_were_met_lately_stand_there_once() {
        let met: Vec<u32> = [0, 1, 0, 1].into_iter().chain(2..20).chain([19, 0]).collect();
        let mut record = RecordBuilder::new(1, Position(1), Timestamp(7));
        for number in &met {
            let r#type = format!("type.{number}");
            record.add_source(&NewEvent { r#type, subject: "é".into(), data: b"{}".to_vec(), ..NewEvent::default() });
        }
        let events: Vec<EventRef<'_>> = (1..=met.len() as u64).map(|number| record.event(Position(number)).unwrap()).collect();
        let packed = Events::of(&events);
        let names: Vec<&str> = packed.type_indices.iter().map(|index| packed.types[*index as usize]).collect();
        assert_eq!(names, events.iter().map(|event| event.r#type).collect::<Vec<_>>());
        // The first was met too long ago when it came again.
        assert_eq!((packed.types.len(), packed.types[20]), (21, "type.0"));
        assert_eq!((packed.subjects.len(), packed.data.len()), (2 * met.len(), 2 * met.len()));
        assert_eq!([&packed.subject_ends[..3], &packed.data_ends[..3]], [[2, 4, 6]; 2]);
        assert_eq!(packed.positions, (1..=met.len() as u64).collect::<Vec<_>>());
        assert_eq!(packed.times, vec![7; met.len()]);
    }
}
