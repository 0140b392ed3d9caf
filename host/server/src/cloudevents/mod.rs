//! CloudEvents 1.0 in and out: JSON and HTTP header forms become `NewEvent`s, events of the log become
//! JSON. Knows no namespace and no request.
//!
//! What this host adds to the specification:
//!
//! - `position`, `recordedtime`, `causeposition` and `entrykind` (`command`, `timer`, `request`; events have none) are the host's to say. They are ignored where a
//!   caller sends them, so that an event that was read can be sent again.
//! - `tags` is one string, its tags set apart by commas.
//! - JSON data is kept byte for byte, but for line breaks between its tokens, which become spaces: an
//!   event is one line in every form, and is the same event when it is sent again.
//! - An unknown attribute, `dataschema` and `traceparent` among them, is kept as text.

mod bad_event;
mod content;
mod draft;
mod from_export;
mod from_headers;
mod from_json;
mod from_parts;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod json;
pub mod timestamps;
mod to_headers;
mod to_json;
mod trace;

pub use bad_event::BadEvent;
pub use from_export::exported_entry;
pub use from_headers::{event_from_headers, has_event_headers};
pub use from_json::{batch_from_json, event_from_json, json_text};
pub use from_parts::event_from_parts;
pub use to_headers::headers_of;
pub use to_json::EventWriter;
pub use trace::{TRACE_PARENT, give_trace, is_trace_parent, take_trace, trace_parent};
