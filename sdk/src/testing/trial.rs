//! `Trial`: one handler, run over events as the host would run it.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::memory::Memory;
use super::{Given, log};
use crate::bindings::wire;
use crate::event::matches;
use crate::handler::handle_in;
use crate::{Error, Handler, Result, State};

/// One handler with its state, in memory.
pub struct Trial<H> {
    memory: Memory,
    /// Position of the last event given.
    position: u64,
    subscribes: Vec<String>,
    /// What the handler logged and nobody has looked at.
    lines: Vec<String>,
    handler: PhantomData<fn(H)>,
}

impl<H: Handler> Trial<H> {
    pub fn new() -> Trial<H> {
        Trial { memory: Memory::default(), position: 0, subscribes: H::describe().subscribes, lines: Vec::new(), handler: PhantomData }
    }

    /// Hands the next event to the handler. Positions count up from 1. When the handler fails, what
    /// it wrote into its state is undone, as the host does.
    ///
    /// Panics if the handler doesn't subscribe to the event's type: the host would never hand it
    /// over, so the test means something else.
    #[track_caller]
    pub fn give(&mut self, given: &Given) -> Result<Vec<Output>> {
        let position = self.position + 1;
        let event = given.recorded(position);
        assert!(
            self.subscribes_to(given.event_type()),
            "{} subscribes to {}, not to {}",
            H::NAME,
            self.subscribes.join(", "),
            given.event_type()
        );
        self.position = position;
        self.memory.begin(given.details(position));
        log::take(); // what another trial left, whose handler panicked
        let outcome = handle_in::<H>(std::slice::from_ref(&event), &self.memory);
        self.lines.extend(log::take());
        match outcome {
            Ok(reactions) => Ok(reactions.into_iter().map(Output::from).collect()),
            Err(failure) => {
                self.memory.undo();
                Err(match failure.kind {
                    wire::FailureKind::Retry => Error::retry(failure.message),
                    wire::FailureKind::Reject => Error::reject(failure.message),
                })
            }
        }
    }

    /// Whether the host would hand events of this type to the handler.
    pub fn subscribes_to(&self, event_type: &str) -> bool {
        self.subscribes.iter().any(|pattern| matches(pattern, event_type))
    }

    /// The handler's state as it stands, to look into or to prepare.
    pub fn state<S>(&mut self) -> State<'_, S> {
        State::of(&self.memory, 0)
    }

    /// The lines that the handler logged since the last call, as `level: message`.
    pub fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}

impl<H: Handler> Default for Trial<H> {
    fn default() -> Trial<H> {
        Trial::new()
    }
}

/// An event that the handler emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub event_type: String,
    pub subject: String,
    pub tags: Vec<String>,
    pub key: Option<String>,
    pub data: Vec<u8>,
}

impl Output {
    /// The data as text.
    #[track_caller]
    pub fn json(&self) -> &str {
        std::str::from_utf8(&self.data).expect("the data isn't text")
    }

    /// The data read as a `T`.
    #[track_caller]
    pub fn read<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.data).unwrap_or_else(|error| panic!("{} can't be read: {error}", self.event_type))
    }
}

impl From<wire::Reaction> for Output {
    fn from(reaction: wire::Reaction) -> Output {
        let wire::Output::Emit(event) = reaction.output else {
            unreachable!("the SDK makes no other outputs yet");
        };
        Output { event_type: event.type_, subject: event.subject, tags: event.tags, key: event.key, data: event.data }
    }
}
