//! `Aggregate`: decides commands for one subject from the state folded from its events. What
//! `#[aggregate]` makes of an impl block, and the calls that the host makes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::{Answer, Reach, Reactions};
use crate::bindings::wire;
use crate::envelope::Envelope;
use crate::function::{Function, failure};
use crate::host::{Host, WithoutState};
use crate::written::Written;
use crate::{Error, Rejection, Result, Timestamp};

/// An aggregate's state, with what it decides and evolves. `#[aggregate]` implements it for the type
/// of its impl block: `module!(Cart)`, `Trial::<Cart>::new()`.
pub trait Aggregate: Function + Default + Serialize + DeserializeOwned {
    /// Answers one command, or refuses it.
    fn decide(&self, command: &wire::Command, reactions: &mut Reactions<'_>) -> Result<(), Rejection>;

    /// Folds one event into the state.
    fn evolve(&mut self, event: Envelope<'_>, host: &dyn Host) -> Result<()>;
}

/// The return type of a `#[decide]` method.
#[diagnostic::on_unimplemented(
    message = "a `#[decide]` method returns `Result<…, Rejection>`, not `{Self}`",
    note = "what it answers is an event, an Option, a Vec, a tuple or Outputs of events, or `()`"
)]
pub trait Decision {
    type Answer: Answer;

    fn into_result(self) -> Result<Self::Answer, Rejection>;
}

impl<A: Answer, E: Into<Rejection>> Decision for Result<A, E> {
    type Answer = A;

    fn into_result(self) -> Result<A, Rejection> {
        self.map_err(Into::into)
    }
}

/// The return type of an `#[evolve]` method.
#[diagnostic::on_unimplemented(message = "an `#[evolve]` method returns nothing, or `Result<()>`, not `{Self}`")]
pub trait Evolved {
    fn into_result(self) -> Result<()>;
}

impl Evolved for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl<E: Into<Error>> Evolved for Result<(), E> {
    fn into_result(self) -> Result<()> {
        self.map_err(Into::into)
    }
}

/// Called by the host that runs this module.
pub fn decide<A: Aggregate>(state: Option<&[u8]>, command: &wire::Command) -> Result<Vec<wire::NewEvent>, wire::Rejection> {
    crate::log::panics_are_logged();
    decide_with::<A>(state, command).map_err(Into::into)
}

pub(crate) fn decide_with<A: Aggregate>(state: Option<&[u8]>, command: &wire::Command) -> Result<Vec<wire::NewEvent>, Rejection> {
    let state: A = read(state)?;
    let mut written = Written::default();
    let mut reactions =
        Reactions { written: &mut written, cause: 0, subject: &command.subject, time: Timestamp::UNIX_EPOCH, reach: Reach::OwnSubject };
    state.decide(command, &mut reactions)?;
    Ok(written.into_events())
}

/// Called by the host that runs this module. The events are folded in their order.
pub fn evolve<'a, A: Aggregate>(state: Option<&[u8]>, events: impl Iterator<Item = Envelope<'a>>) -> Result<Vec<u8>, wire::Failure> {
    crate::log::panics_are_logged();
    evolve_with::<A>(state, events, &WithoutState)
}

pub(crate) fn evolve_with<'a, A: Aggregate>(
    state: Option<&[u8]>,
    events: impl Iterator<Item = Envelope<'a>>,
    host: &dyn Host,
) -> Result<Vec<u8>, wire::Failure> {
    let mut state: A = read(state).map_err(|error| failure(0, error))?;
    for (index, event) in (0..).zip(events) {
        state.evolve(event, host).map_err(|error| failure(index, error))?;
    }
    write(&state).map_err(|error| failure(0, error))
}

pub(crate) fn read<A: Aggregate>(state: Option<&[u8]>) -> Result<A> {
    let Some(state) = state else {
        return Ok(A::default());
    };
    serde_json::from_slice(state).map_err(|error| Error::reject(format_args!("the state of {} can't be read: {error}", A::NAME)))
}

/// By way of a value, whose keys are sorted: equal states give equal bytes, even where a field is a
/// map with an order of its own.
fn write<A: Aggregate>(state: &A) -> Result<Vec<u8>> {
    let written = serde_json::to_value(state).and_then(|value| serde_json::to_vec(&value));
    written.map_err(|error| Error::reject(format_args!("the state of {} can't be written: {error}", A::NAME)))
}

/// The manifest names the command, and yet no method decides it: the host mistook the function.
#[cold]
pub fn undecided(aggregate: &str, command: &str) -> Rejection {
    Rejection::new("unknown-command", format_args!("{aggregate} doesn't decide {command}"))
}

/// The host folds only types that the manifest names.
#[cold]
pub fn unevolved(aggregate: &str, event: &str) -> Error {
    Error::reject(format_args!("{aggregate} doesn't evolve {event}"))
}

/// The host called a function that the manifest doesn't name.
#[cold]
pub fn unknown_aggregate(function: &str) -> wire::Rejection {
    Rejection::new("unknown-aggregate", format_args!("this module has no aggregate {function:?}")).into()
}
