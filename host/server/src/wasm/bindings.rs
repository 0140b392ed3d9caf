//! The records of `retold:module/types` as the canonical ABI moves them. Written by hand, not
//! generated, so that events go into a guest from where they lie: nothing is copied on the way.
//!
//! The order of fields and cases is the order in `wit/retold.wit`; wasmtime holds both against each
//! other when a module is loaded.
#![expect(
    dead_code,
    reason = "values come out of a guest's memory, where only wasmtime sees them made; what isn't built yet is never read"
)]

use retold_engine::model::{self, EventRef};
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
    r#type: String,
    subject: String,
    #[component(name = "content-type")]
    content_type: Option<String>,
    data: Vec<u8>,
    key: Option<String>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Timer {
    key: String,
    due: u64,
    #[component(name = "type")]
    r#type: String,
    subject: String,
    data: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Header {
    name: String,
    value: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct HttpRequest {
    method: String,
    url: String,
    headers: Vec<Header>,
    body: Vec<u8>,
    key: Option<String>,
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
    event: u32,
    kind: FailureKind,
    message: String,
}

impl From<Failure> for model::Failure {
    fn from(failure: Failure) -> model::Failure {
        let kind = match failure.kind {
            FailureKind::Retry => model::FailureKind::Retry,
            FailureKind::Reject => model::FailureKind::Reject,
        };
        model::Failure { event: failure.event, kind, message: failure.message }
    }
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

/// What `handler.handle` takes and gives.
pub(super) type HandleParams<'a> = (&'a str, &'a [Event<'a>]);
pub(super) type HandleResult = (Result<Vec<Reaction>, Failure>,);
