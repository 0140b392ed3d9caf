//! The records of `retold:module/types` as the canonical ABI moves them. Written by hand, not
//! generated, so that events go into a guest from where they lie: nothing is copied on the way.
//!
//! The order of fields and cases is the order in `wit/retold.wit`; wasmtime holds both against each
//! other when a module is loaded.
#![expect(dead_code, reason = "values come out of a guest's memory, where only wasmtime sees them made")]

use std::ops::Deref;

use retold_engine::model::{self, CommandRef, EventRef};
use wasmtime::component::{ComponentType, Lift, Lower};

/// An event on its way into a guest.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Event<'a> {
    position: u64,
    #[component(name = "type")]
    r#type: &'a str,
    subject: &'a str,
    time: u64,
    data: &'a [u8],
}

impl<'a> From<&EventRef<'a>> for Event<'a> {
    fn from(event: &EventRef<'a>) -> Event<'a> {
        Event { position: event.position.0, r#type: event.r#type, subject: event.subject, time: event.time.0, data: event.data }
    }
}

/// The events of one call. One alone, the usual case of a log at rest, needs no allocation.
pub(super) enum Events<'a> {
    One([Event<'a>; 1]),
    Many(Vec<Event<'a>>),
}

impl<'a> Events<'a> {
    pub(super) fn of(events: &[EventRef<'a>]) -> Events<'a> {
        match events {
            [event] => Events::One([Event::from(event)]),
            events => Events::Many(events.iter().map(Event::from).collect()),
        }
    }
}

impl<'a> Deref for Events<'a> {
    type Target = [Event<'a>];

    fn deref(&self) -> &[Event<'a>] {
        match self {
            Events::One(event) => event,
            Events::Many(events) => events,
        }
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
#[component(variant)]
pub(super) enum Output {
    #[component(name = "emit")]
    Emit(NewEvent),
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

/// What the functions of the contract take and give.
pub(super) type HandleParams<'a> = (&'a str, &'a [Event<'a>]);
pub(super) type HandleResult = (Result<Vec<Reaction>, Failure>,);
/// Function, subject, state, command.
pub(super) type DecideParams<'a> = (&'a str, &'a str, Option<&'a [u8]>, CommandToDecide<'a>);
pub(super) type DecideResult = (Result<Vec<NewEvent>, Rejection>,);
/// Function, subject, state, events.
pub(super) type EvolveParams<'a> = (&'a str, &'a str, Option<&'a [u8]>, &'a [Event<'a>]);
pub(super) type EvolveResult = (Result<Vec<u8>, Failure>,);
pub(super) type ProjectParams<'a> = (&'a str, &'a [Event<'a>]);
pub(super) type ProjectResult = (Result<(), Failure>,);
pub(super) type QueryParams<'a> = (&'a str, Query<'a>);
pub(super) type QueryResult = (Result<Payload, Rejection>,);
pub(super) type UpcastParams<'a> = (&'a [Event<'a>],);
pub(super) type UpcastResult = (Result<Vec<Vec<NewEvent>>, Failure>,);
pub(super) type AcceptParams<'a> = (&'a str, RequestToAccept<'a>);
pub(super) type AcceptResult = (Result<Vec<NewEvent>, HttpResponse>,);
