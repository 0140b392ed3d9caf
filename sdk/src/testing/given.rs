//! `Given`: an event made for a test.

use serde::Serialize;

use crate::bindings::wire;
use crate::envelope::Envelope;
use crate::{Event, Timestamp};

/// An event to hand to a [`Trial`](super::Trial). Everything but type and data has a default: no
/// subject, the time that the trial has come to (at first 1970-01-01T00:00:00Z), an id from its position, the source `/test`.
#[derive(Clone, Debug)]
pub struct Given {
    event_type: String,
    subject: String,
    time: Option<Timestamp>,
    data: Vec<u8>,
    id: Option<String>,
    source: String,
    tags: Vec<String>,
    extensions: Vec<(String, String)>,
}

impl Given {
    /// An event with these bytes as data, JSON or not.
    pub fn json(event_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Given {
        Given {
            event_type: event_type.into(),
            subject: String::new(),
            time: None,
            data: data.into(),
            id: None,
            source: "/test".to_owned(),
            tags: Vec::new(),
            extensions: Vec::new(),
        }
    }

    /// An event of a type that can be written.
    pub fn event<E: Event + Serialize>(event: &E) -> Given {
        let data = serde_json::to_vec(event).expect("the event can't be written as JSON");
        Given::json(E::TYPE, data)
    }

    pub fn about(mut self, subject: impl Into<String>) -> Given {
        self.subject = subject.into();
        self
    }

    /// When it happened, in RFC 3339. Panics if it is no time.
    #[track_caller]
    pub fn at(self, time: &str) -> Given {
        let parsed = time.parse();
        self.at_time(parsed.unwrap_or_else(|error| panic!("{time:?} is {error}")))
    }

    pub(super) fn at_time(mut self, time: Timestamp) -> Given {
        self.time = Some(time);
        self
    }

    pub fn id(mut self, id: impl Into<String>) -> Given {
        self.id = Some(id.into());
        self
    }

    pub fn source(mut self, source: impl Into<String>) -> Given {
        self.source = source.into();
        self
    }

    pub fn tag(mut self, tag: impl Into<String>) -> Given {
        self.tags.push(tag.into());
        self
    }

    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Given {
        self.extensions.push((name.into(), value.into()));
        self.extensions.sort();
        self
    }

    /// CloudEvents `type`.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// As a function is handed it.
    pub(super) fn envelope(&self, position: u64, now: Timestamp) -> Envelope<'_> {
        let time = self.time.unwrap_or(now);
        Envelope { position, event_type: &self.event_type, subject: &self.subject, time, data: self.data.as_slice().into() }
    }

    pub(super) fn details(&self, position: u64, recorded_time: u64) -> wire::EventDetails {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => format!("test-{position}"),
        };
        wire::EventDetails {
            correlation_id: id.clone(),
            id,
            source: self.source.clone(),
            tags: self.tags.clone(),
            content_type: "application/json".to_owned(),
            recorded_time,
            causation_id: None,
            extensions: self.extensions.clone(),
        }
    }
}
