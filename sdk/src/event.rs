//! What a handler reads and what it emits: `Event` names a type, `Input` reads it, `Emit` adds what
//! an output may say beside its data.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::answer::{Draft, Encoded};
use crate::envelope::Data;
use crate::types::{Types, WriteSchema};
use crate::{Error, Result, Timestamp};

/// Data with an event type.
///
/// ```
/// # use retold::prelude::*;
/// #[derive(Event, Deserialize)]
/// #[event("order.placed")]
/// struct OrderPlaced {
///     quantity: u32,
/// }
/// assert_eq!(OrderPlaced::TYPE, "order.placed");
/// ```
///
/// `#[event("order.placed", schema)]` puts the type's JSON Schema into the module's manifest; the type
/// then derives `JsonSchema` too. The host refuses appended data that doesn't fit.
///
/// On an enum whose variants hold one event each, the derive makes *one of several* types, for a
/// handler that reads them in order or emits one or another:
///
/// ```
/// # use retold::prelude::*;
/// # #[derive(Event, Deserialize)] #[event("flight.departed")] struct Departed {}
/// # #[derive(Event, Deserialize)] #[event("flight.arrived")] struct Arrived {}
/// #[derive(Event)]
/// enum Movement {
///     Departed(Departed),
///     Arrived(Arrived),
/// }
/// ```
pub trait Event: Sized {
    /// CloudEvents `type`, in the past tense: `order.placed`.
    const TYPE: &'static str;

    /// Set by `#[event("…", schema)]`.
    #[doc(hidden)]
    const SCHEMA: Option<WriteSchema> = None;

    /// Emits this about another subject than the cause's.
    fn about(self, subject: impl Into<String>) -> Emit<Self> {
        Emit::from(self).about(subject)
    }

    /// Names this output, so that its id doesn't hang on its place among the others of its type.
    fn key(self, key: impl Into<String>) -> Emit<Self> {
        Emit::from(self).key(key)
    }

    /// Adds an index term to what is emitted.
    fn tag(self, tag: impl Into<String>) -> Emit<Self> {
        Emit::from(self).tag(tag)
    }

    /// Says when it happened. Of an ingress function only: what a handler emits happened when its cause
    /// did.
    fn at(self, time: Timestamp) -> Emit<Self> {
        Emit::from(self).at(time)
    }

    /// Emits an event of this type with JSON as it came, to the byte.
    fn verbatim(json: impl Into<Vec<u8>>) -> Emit<Verbatim<Self>> {
        Emit::of(Verbatim { json: json.into(), event: PhantomData })
    }
}

/// An event to emit, with what its data doesn't say. Made by [`Event::about`], [`Event::key`],
/// [`Event::tag`] and [`Event::at`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emit<E> {
    pub(crate) event: E,
    /// The cause's where absent.
    pub(crate) subject: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) tags: Vec<String>,
    /// The cause's where absent.
    pub(crate) time: Option<Timestamp>,
}

impl<E> Emit<E> {
    fn of(event: E) -> Emit<E> {
        Emit { event, subject: None, key: None, tags: Vec::new(), time: None }
    }

    /// Another subject than the cause's.
    pub fn about(mut self, subject: impl Into<String>) -> Emit<E> {
        self.subject = Some(subject.into());
        self
    }

    /// A name for this output, unique among the cause's outputs of this type and subject. The
    /// derived id then stays the same when outputs are added or reordered.
    pub fn key(mut self, key: impl Into<String>) -> Emit<E> {
        self.key = Some(key.into());
        self
    }

    /// One more index term.
    pub fn tag(mut self, tag: impl Into<String>) -> Emit<E> {
        self.tags.push(tag.into());
        self
    }

    /// When it happened, as a foreign request says: see [`Event::at`].
    pub fn at(mut self, time: Timestamp) -> Emit<E> {
        self.time = Some(time);
        self
    }
}

impl<E> Emit<E> {
    /// The data, and all that is said beside it.
    pub(crate) fn parted(self) -> (E, Emit<()>) {
        let Emit { event, subject, key, tags, time } = self;
        (event, Emit { event: (), subject, key, tags, time })
    }

    /// The same with other data.
    pub(crate) fn with<F>(self, change: impl FnOnce(E) -> Result<F>) -> Result<Emit<F>> {
        let Emit { event, subject, key, tags, time } = self;
        Ok(Emit { event: change(event)?, subject, key, tags, time })
    }
}

impl<E: Event + Serialize> Emit<E> {
    pub(crate) fn draft(self) -> Result<Draft> {
        Ok(Draft::Emit(self.with(|event| Encoded::of(E::TYPE, &event))?))
    }
}

impl<E: Event> From<E> for Emit<E> {
    fn from(event: E) -> Emit<E> {
        Emit::of(event)
    }
}

/// An event whose data is written already: see [`Event::verbatim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verbatim<E> {
    pub(crate) json: Vec<u8>,
    event: PhantomData<fn(E)>,
}

/// What a handler can be given. Derived, with [`Event`]; written by hand only for data that isn't
/// JSON.
///
/// `'a` is the life of the batch: an input may borrow its strings from the event's bytes
/// (`struct Departed<'a> { tail_number: &'a str }`), which saves an allocation each.
pub trait Input<'a>: Sized {
    /// What the handler subscribes to. Empty means that `#[handler(subscribes(...))]` must say it.
    const TYPES: &'static [&'static str];

    fn decode(event_type: &str, data: Data<'a>) -> Result<Self>;

    /// Adds its event types, for their schemas.
    #[doc(hidden)]
    fn declare(_types: &mut Types) {}
}

impl<'a, E: Event + Deserialize<'a>> Input<'a> for E {
    const TYPES: &'static [&'static str] = &[E::TYPE];

    fn decode(event_type: &str, data: Data<'a>) -> Result<Self> {
        decode_json(event_type, data)
    }

    fn declare(types: &mut Types) {
        types.event::<E>();
    }
}

/// Any JSON, for a handler that subscribes to patterns.
impl<'a> Input<'a> for serde_json::Value {
    const TYPES: &'static [&'static str] = &[];

    fn decode(event_type: &str, data: Data<'a>) -> Result<Self> {
        decode_json(event_type, data)
    }
}

/// The bytes as they are, whatever their content type.
impl<'a> Input<'a> for &'a [u8] {
    const TYPES: &'static [&'static str] = &[];

    fn decode(_event_type: &str, data: Data<'a>) -> Result<Self> {
        Ok(data.bytes())
    }
}

fn decode_json<'a, T: Deserialize<'a>>(event_type: &str, data: Data<'a>) -> Result<T> {
    parse(data).map_err(|error| unreadable::<T>(event_type, &*error))
}

/// One look at all bytes is a sixth less work in Wasm than serde_json's at each string.
pub(crate) fn parse<'a, T: Deserialize<'a>>(data: Data<'a>) -> Result<T, Box<dyn std::error::Error>> {
    Ok(serde_json::from_str(data.text()?)?)
}

#[cold]
fn unreadable<T>(event_type: &str, error: &dyn std::error::Error) -> Error {
    Error::reject(format_args!("{event_type} can't be read as {}: {error}", short_name::<T>()))
}

/// The type's name without its path and without its parameters.
pub(crate) fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

/// For derived enums: an event of a type that none of the variants reads.
#[doc(hidden)]
#[cold]
pub fn unexpected_type<T>(event_type: &str) -> Error {
    Error::reject(format_args!("{event_type} is none of the types that {} reads", short_name::<T>()))
}
