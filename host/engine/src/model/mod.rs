//! The words of Retold as types, and its formats as bytes. No I/O, no clock, nothing that can block.

mod bytes;
mod consumer;
mod decided;
mod digest;
mod entry;
mod event;
mod firing;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod glance;
mod guest;
mod ids;
pub mod limits;
mod manifest;
mod manifest_bytes;
mod manifest_check;
mod names;
mod output;
mod outside;
mod parking;
mod pattern;
mod place;
mod plan;
mod processing;
mod reactions;
mod record;
mod record_builder;
#[cfg(test)]
mod record_tests;
mod words;

pub use bytes::{Malformed, Reader as ByteReader, Writer as ByteWriter};
pub use consumer::{ConsumerEntry, ConsumerPlace, ConsumerRow, ConsumerSettings, Endpoint, EndpointForm, EntryStanding, LeaseRow};
pub use decided::{NotAllowed, decided};
pub use digest::{Digest, Digesting};
pub(crate) use event::Attributes;
pub use event::{Class, Event, EventRef, Extensions, ImportedEntry, Kind, NewEvent, Producer};
pub use firing::{OutsideChange, answer, answered, fired, is_same_request, occurrence};
pub use glance::Glance;
pub use guest::{
    AggregateCall, Answer, CallLimits, Calls, CommandRef, Failure, FailureKind, Guest, GuestFault, IngressAnswer, IngressRequest, LogLevel,
    NotAnswered, Payload, Query, Rejection, StateError,
};
pub use ids::{DERIVED_ID_BYTES, DerivedId, OutputKind, derived_id, derived_id_bytes};
pub use manifest::{FailurePolicy, FunctionKind, FunctionManifest, LimitsAsked, Manifest, ManifestError, Missed, Schedule, Schema, Start};
pub use names::{
    NameError, aggregate_of, aggregate_source, function_source, is_reserved_source, is_reserved_type, valid_function_name,
    valid_module_name, valid_namespace_name,
};
pub use output::{CommandDraft, EventDraft, Output, Reaction, RequestDraft, TimerDraft};
pub use outside::{
    ADDRESSEE, ANSWERS, COMMAND_REFUSED, DUE_MAX, REQUEST_FAILED, REQUEST_HEADERS, REQUEST_KEY, REQUEST_MADE, REQUEST_METHOD,
    REQUEST_REPLIED, REQUEST_URL, TIMER_CANCELLED, TIMER_DUE, TIMER_KEY, authority, check_key, function_of, host_allowed, is_outside,
    request_source, timer_source,
};
pub use parking::WhichParked;
pub use pattern::TypePattern;
pub use place::{Position, Timestamp};
pub use plan::{Emitted, FoldedSubject, ParkedEvent, Plan, PlanMode, StateWrite, SubjectSnapshot, state_digest};
pub use processing::{NextOccurrence, Processing};
pub use reactions::{Ends, EventDraftRef, Misplaced, OutputRef, Reactions};
pub use record::{Commit, Events, FORMAT as RECORD_FORMAT, Record, RecordHead, StatePart};
pub use record_builder::{Mark, RecordBuilder};
