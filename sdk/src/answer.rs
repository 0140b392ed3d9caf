//! `Answer`: what a function may return. A function never acts, it answers.

use std::marker::PhantomData;

use serde::Serialize;

use crate::bindings::wire;
use crate::types::Types;
use crate::{Emit, Error, Event, Result};

/// What a handler, a `#[decide]` method or an upcaster may return in `Ok`: an event, [`Emit`], `Option`, `Vec`, a tuple, a derived enum
/// or [`Outputs`], in any nesting, or `()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a function can emit",
    note = "an emitted event needs `#[derive(Event, Serialize)]`; Option, Vec, tuples and enums of events will do too"
)]
pub trait Answer {
    /// Adds the event types that may come out; the manifest declares them.
    fn declare(types: &mut Types);

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()>;
}

/// The outputs of the call so far. Each one written answers the event at hand.
pub struct Reactions<'a> {
    pub(crate) list: &'a mut Vec<wire::Reaction>,
    /// Index of the event at hand.
    pub(crate) cause: u32,
    /// Subject of the event at hand: an output's own unless it says another.
    pub(crate) subject: &'a str,
    pub(crate) reach: Reach,
}

/// What an output may say beside its data. It hangs on the kind of function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A handler's.
    Free,
    /// An aggregate's: always about the subject that it decides for.
    OwnSubject,
    /// An upcaster's: the rest is the stored event's.
    DataOnly,
}

impl Reactions<'_> {
    fn emit(&mut self, emit: Emit<Encoded>) -> Result<()> {
        let event_type = emit.event.event_type;
        if self.reach != Reach::Free && emit.subject.as_ref().is_some_and(|subject| subject != self.subject) {
            return Err(Error::reject(format_args!("{event_type} can't be about another subject than {:?}", self.subject)));
        }
        if self.reach == Reach::DataOnly && (emit.key.is_some() || !emit.tags.is_empty()) {
            return Err(Error::reject(format_args!("{event_type} can't have a key or tags: it is upcast, not emitted")));
        }
        let subject = emit.subject.unwrap_or_else(|| self.subject.to_owned());
        let event = wire::NewEvent {
            type_: event_type.to_owned(),
            subject,
            tags: emit.tags,
            content_type: None,
            data: emit.event.data,
            key: emit.key,
            time: None,
        };
        self.push(self.cause, event);
        Ok(())
    }

    pub(crate) fn push(&mut self, cause: u32, event: wire::NewEvent) {
        let output = wire::Output::Emit(event);
        self.list.push(wire::Reaction { cause, output });
    }
}

/// The event alone, where a function can only emit.
pub(crate) fn emitted(reaction: wire::Reaction) -> wire::NewEvent {
    let wire::Output::Emit(event) = reaction.output else {
        unreachable!("the SDK makes no other outputs yet");
    };
    event
}

/// An event as JSON, with its type.
struct Encoded {
    event_type: &'static str,
    data: Vec<u8>,
}

fn encode<E: Event + Serialize>(emit: Emit<E>) -> Result<Emit<Encoded>> {
    let data = serde_json::to_vec(&emit.event).map_err(|error| Error::reject(format_args!("{} can't be written: {error}", E::TYPE)))?;
    Ok(Emit { event: Encoded { event_type: E::TYPE, data }, subject: emit.subject, key: emit.key, tags: emit.tags })
}

impl<E: Event + Serialize> Answer for E {
    fn declare(types: &mut Types) {
        types.event::<E>();
    }

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        Emit::from(self).write(reactions)
    }
}

impl<E: Event + Serialize> Answer for Emit<E> {
    fn declare(types: &mut Types) {
        types.event::<E>();
    }

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        reactions.emit(encode(self)?)
    }
}

impl<A: Answer> Answer for Option<A> {
    fn declare(types: &mut Types) {
        A::declare(types);
    }

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        self.map_or(Ok(()), |answer| answer.write(reactions))
    }
}

impl<A: Answer> Answer for Vec<A> {
    fn declare(types: &mut Types) {
        A::declare(types);
    }

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        self.into_iter().try_for_each(|answer| answer.write(reactions))
    }
}

macro_rules! answer_for_tuples {
    ($(($($part:ident)*))*) => {$(
        impl<$($part: Answer),*> Answer for ($($part,)*) {
            fn declare(_types: &mut Types) {
                $($part::declare(_types);)*
            }

            #[expect(non_snake_case, reason = "a type parameter names its value too")]
            fn write(self, _reactions: &mut Reactions<'_>) -> Result<()> {
                let ($($part,)*) = self;
                $($part.write(_reactions)?;)*
                Ok(())
            }
        }
    )*};
}

answer_for_tuples! { (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) }

impl Answer for () {
    fn declare(_types: &mut Types) {}

    fn write(self, _reactions: &mut Reactions<'_>) -> Result<()> {
        Ok(())
    }
}

/// A growing answer, for a handler whose outputs come out of a loop or of branches. `T` is the tuple
/// of the types that may come; an event of any other doesn't compile.
///
/// ```
/// # use retold::prelude::*;
/// # #[derive(Event, Deserialize)] #[event("order.placed")] struct OrderPlaced { lines: Vec<u32> }
/// # #[derive(Event, Serialize)] #[event("line.picked")] struct Picked { line: u32 }
/// # #[derive(Event, Serialize)] #[event("order.empty")] struct Empty {}
/// #[handler]
/// fn picking(order: Recorded<OrderPlaced>) -> Result<Outputs<(Picked, Empty)>> {
///     let mut outputs = Outputs::new();
///     for &line in &order.lines {
///         outputs.emit(Picked { line }.key(line.to_string()))?;
///     }
///     if order.lines.is_empty() {
///         outputs.emit(Empty {})?;
///     }
///     Ok(outputs)
/// }
/// ```
///
/// ```compile_fail
/// # use retold::prelude::*;
/// # #[derive(Event, Serialize)] #[event("a")] struct A {}
/// # #[derive(Event, Serialize)] #[event("b")] struct B {}
/// # #[derive(Event, Serialize)] #[event("c")] struct C {}
/// Outputs::<(A, B)>::new().emit(C {}).unwrap();
/// ```
pub struct Outputs<T> {
    list: Vec<Emit<Encoded>>,
    types: PhantomData<fn(T)>,
}

impl<T: EventTypes> Outputs<T> {
    pub fn new() -> Outputs<T> {
        Outputs { list: Vec::new(), types: PhantomData }
    }

    /// Adds an output. Errs if the event can't be written as JSON.
    pub fn emit<E: Event + Serialize>(&mut self, event: impl Into<Emit<E>>) -> Result<()> {
        const {
            assert!(crate::names::contains(T::TYPES, E::TYPE), "this event type is not among those that the `Outputs` declares");
        };
        self.list.push(encode(event.into())?);
        Ok(())
    }
}

impl<T: EventTypes> Default for Outputs<T> {
    fn default() -> Outputs<T> {
        Outputs::new()
    }
}

impl<T: EventTypes> Answer for Outputs<T> {
    fn declare(types: &mut Types) {
        T::declare(types);
    }

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        self.list.into_iter().try_for_each(|emit| reactions.emit(emit))
    }
}

/// A tuple of events, for [`Outputs`].
pub trait EventTypes {
    const TYPES: &'static [&'static str];

    #[doc(hidden)]
    fn declare(types: &mut Types);
}

macro_rules! event_types_for_tuples {
    ($(($($event:ident)*))*) => {$(
        impl<$($event: Event),*> EventTypes for ($($event,)*) {
            const TYPES: &'static [&'static str] = &[$($event::TYPE),*];

            fn declare(types: &mut Types) {
                $(types.event::<$event>();)*
            }
        }
    )*};
}

event_types_for_tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
