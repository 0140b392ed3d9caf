//! `Answer`: what a function may return. A function never acts, it answers.

use serde::Serialize;

use crate::bindings::wire;
use crate::event::Verbatim;
use crate::shape::Shape;
use crate::types::Types;
use crate::written::{NewEvent, Written};
use crate::{Cancel, Command, Emit, Error, Event, Request, Result, Sent, Timer, Timestamp};

/// What a function may return in `Ok`: an event, [`Emit`], `Option`, `Vec`, a tuple, a derived enum or
/// [`Outputs`](crate::Outputs), in any nesting, or `()`. A handler may also answer with commands
/// ([`Sent`]), timers ([`Timer`], [`Cancel`]) and requests ([`Request`]).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a function can answer",
    note = "an emitted event needs `#[derive(Event, Serialize)]`; Option, Vec, tuples and enums of events will do too",
    note = "a command is addressed: `reserve.to(\"stock/apple\")`"
)]
pub trait Answer {
    /// What may come out, for what is checked while a module compiles.
    #[doc(hidden)]
    const SHAPE: Shape = Shape::NOTHING;

    /// Adds the types that may come out; the manifest declares them.
    fn declare(types: &mut Types);

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()>;
}

/// The outputs of the call so far. Each one written answers the event at hand.
pub struct Reactions<'a> {
    pub(crate) written: &'a mut Written,
    /// Index of the event at hand.
    pub(crate) cause: u32,
    /// Subject of the event at hand: an output's own unless it says another.
    pub(crate) subject: &'a str,
    /// Of the event at hand. Timers are set from here on.
    pub(crate) time: Timestamp,
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
    /// Of an ingress function, which says the time too.
    Ingress,
}

/// An output whose data is written.
pub(crate) enum Draft {
    Emit(Emit<Encoded>),
    Send(Sent<Encoded>),
    Schedule(Timer<Encoded>),
    Cancel(Cancel),
    Request(Request),
}

/// Data as JSON, with its type.
pub(crate) struct Encoded {
    pub of_type: &'static str,
    pub data: Vec<u8>,
}

impl Encoded {
    pub fn of(of_type: &'static str, data: &impl Serialize) -> Result<Encoded> {
        let mut written = Vec::new();
        write_json(&mut written, of_type, data)?;
        Ok(Encoded { of_type, data: written })
    }
}

/// Adds data as JSON to what is written already.
fn write_json(all: &mut Vec<u8>, of_type: &str, data: &impl Serialize) -> Result<()> {
    serde_json::to_writer(all, data).map_err(|error| Error::reject(format_args!("{of_type} can't be written: {error}")))
}

impl Reactions<'_> {
    pub(crate) fn add(&mut self, draft: Draft) -> Result<()> {
        let output = match draft {
            Draft::Emit(emit) => {
                let (Encoded { of_type, data }, emit) = emit.parted();
                return self.emit(of_type, emit, |all| {
                    all.extend_from_slice(&data);
                    Ok(())
                });
            }
            Draft::Send(sent) => wire::Output::Command(wire::Command {
                type_: sent.command.of_type.to_owned(),
                subject: sent.subject,
                content_type: None,
                data: sent.command.data,
                key: sent.key,
            }),
            Draft::Schedule(timer) => wire::Output::Schedule(timer.set(self.time, self.subject)?),
            Draft::Cancel(timer) => wire::Output::Cancel(timer.key),
            Draft::Request(request) => wire::Output::Request(request.into_wire()?),
        };
        if self.reach != Reach::Free {
            return Err(Error::reject("only a handler sends commands, sets timers and makes requests"));
        }
        self.written.push(self.cause, output);
        Ok(())
    }

    /// Adds an event, whose data `write` adds to that of all.
    fn emit(&mut self, of_type: &'static str, emit: Emit<()>, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        write(self.written.data())?;
        let Emit { event: (), subject, key, tags, time } = emit;
        if matches!(self.reach, Reach::OwnSubject | Reach::DataOnly) && subject.as_ref().is_some_and(|subject| subject != self.subject) {
            return Err(Error::reject(format_args!("{of_type} can't be about another subject than {:?}", self.subject)));
        }
        if self.reach == Reach::DataOnly && (key.is_some() || !tags.is_empty()) {
            return Err(Error::reject(format_args!("{of_type} can't have a key or tags: it is upcast, not emitted")));
        }
        if self.reach != Reach::Ingress && time.is_some() {
            return Err(Error::reject(format_args!("{of_type} can't have a time of its own: it happened when its cause did")));
        }
        let subject = subject.as_deref().unwrap_or(self.subject);
        let (of_type, time) = (of_type.into(), time.map(Timestamp::as_micros));
        self.written.emit(self.cause, NewEvent { of_type, subject, tags, content_type: None, key, time });
        Ok(())
    }
}

impl<E: Event + Serialize> Answer for E {
    const SHAPE: Shape = Shape::Event(E::TYPE);

    fn declare(types: &mut Types) {
        types.event::<E>();
    }

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        Emit::from(self).write(reactions)
    }
}

impl<E: Event + Serialize> Answer for Emit<E> {
    const SHAPE: Shape = Shape::Event(E::TYPE);

    fn declare(types: &mut Types) {
        types.event::<E>();
    }

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        let (event, emit) = self.parted();
        reactions.emit(E::TYPE, emit, |all| write_json(all, E::TYPE, &event))
    }
}

impl<E: Event> Answer for Emit<Verbatim<E>> {
    const SHAPE: Shape = Shape::Event(E::TYPE);

    fn declare(types: &mut Types) {
        types.event::<E>();
    }

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        let (event, emit) = self.parted();
        reactions.emit(E::TYPE, emit, |all| {
            all.extend_from_slice(&event.json);
            Ok(())
        })
    }
}

impl<C: Command + Serialize> Answer for Sent<C> {
    const SHAPE: Shape = Shape::Command(C::TYPE);

    fn declare(types: &mut Types) {
        types.command::<C>();
    }

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        reactions.add(self.draft()?)
    }
}

impl<E: Event + Serialize> Answer for Timer<E> {
    const SHAPE: Shape = Shape::Timer(E::TYPE);

    fn declare(types: &mut Types) {
        types.timer::<E>();
    }

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        reactions.add(self.draft()?)
    }
}

impl Answer for Cancel {
    const SHAPE: Shape = Shape::Cancel;

    fn declare(_types: &mut Types) {}

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        reactions.add(Draft::Cancel(self))
    }
}

impl Answer for Request {
    const SHAPE: Shape = Shape::Request;

    fn declare(_types: &mut Types) {}

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        reactions.add(Draft::Request(self))
    }
}

impl<A: Answer> Answer for Option<A> {
    const SHAPE: Shape = A::SHAPE;

    fn declare(types: &mut Types) {
        A::declare(types);
    }

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        self.map_or(Ok(()), |answer| answer.write(reactions))
    }
}

impl<A: Answer> Answer for Vec<A> {
    const SHAPE: Shape = A::SHAPE;

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
            const SHAPE: Shape = Shape::Any(&[$($part::SHAPE),*]);

            fn declare(types: &mut Types) {
                $($part::declare(types);)*
            }

            #[expect(non_snake_case, reason = "a type parameter names its value too")]
            fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
                let ($($part,)*) = self;
                $($part.write(reactions)?;)*
                Ok(())
            }
        }
    )*};
}

answer_for_tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

impl Answer for () {
    fn declare(_types: &mut Types) {}

    fn write(self, _reactions: &mut Reactions<'_>) -> Result<()> {
        Ok(())
    }
}
