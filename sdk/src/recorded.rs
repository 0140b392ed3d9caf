//! `Recorded`: an event as a function reads it.

use std::ops::Deref;

use crate::bindings::wire;
use crate::envelope::Envelope;
use crate::host::Host;
use crate::{Input, Position, Result, Timestamp};

/// A recorded event. Derefs to its data, so that `order.quantity` just works.
///
/// The lifetime is the batch's; it needn't be written: `fn pricing(order: Recorded<OrderPlaced>)`.
pub struct Recorded<'a, T> {
    event: Envelope<'a>,
    host: &'a dyn Host,
    data: T,
}

impl<'a, T> Recorded<'a, T> {
    /// Place in the namespace.
    pub fn position(&self) -> Position {
        Position(self.event.position)
    }

    /// CloudEvents `type`, as recorded.
    pub fn event_type(&self) -> &'a str {
        self.event.event_type
    }

    /// What the event is about; empty if it has no subject.
    pub fn subject(&self) -> &'a str {
        self.event.subject
    }

    /// When it happened, as its maker said. The only time that a function knows: replayed in ten
    /// years it is the same.
    pub fn time(&self) -> Timestamp {
        self.event.time
    }

    /// What is seldom needed. Each call asks the host: keep the answer if you need it twice.
    pub fn details(&self) -> Details {
        self.host.details(self.event.position).into()
    }

    /// The data alone.
    pub fn into_data(self) -> T {
        self.data
    }
}

impl<'a, T: Input<'a>> Recorded<'a, T> {
    /// Called by `#[handler]`.
    #[doc(hidden)]
    pub fn decode(event: Envelope<'a>, host: &'a dyn Host) -> Result<Recorded<'a, T>> {
        let data = T::decode(event.event_type, event.data)?;
        Ok(Recorded { event, host, data })
    }
}

impl<T> Deref for Recorded<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

/// What an event says beside its data, type, subject and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// CloudEvents `id`: with `source`, the event's identity.
    pub id: String,
    pub source: String,
    pub tags: Vec<String>,
    pub content_type: String,
    /// When the log took it.
    pub recorded_time: Timestamp,
    /// Id of the event or command that made it.
    pub causation_id: Option<String>,
    /// Id that everything sprung from one first cause shares.
    pub correlation_id: String,
    /// CloudEvents extension attributes, sorted by name.
    pub extensions: Vec<(String, String)>,
}

impl From<wire::EventDetails> for Details {
    fn from(details: wire::EventDetails) -> Details {
        Details {
            id: details.id,
            source: details.source,
            tags: details.tags,
            content_type: details.content_type,
            recorded_time: Timestamp::from_micros(details.recorded_time),
            causation_id: details.causation_id,
            correlation_id: details.correlation_id,
            extensions: details.extensions,
        }
    }
}
