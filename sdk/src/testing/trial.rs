//! `Trial`: one function, run as the host would run it.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::memory::Memory;
use super::{Given, log};
use crate::bindings::wire;
use crate::event::matches;
use crate::{Error, Function};

/// One function with what it keeps, in memory. What can be done with it hangs on the kind of function:
///
/// | kind | given | when | then |
/// |---|---|---|---|
/// | handler | | [`give`](Trial::give) | the outputs, [`state`](Trial::state) |
/// | aggregate | [`given`](Trial::given) | [`when`](Trial::when) | the events or the rejection, [`aggregate`](Trial::aggregate) |
/// | view | [`project`](Trial::project) | [`ask`](Trial::ask) | the answer or the rejection, [`row`](Trial::row), [`rows`](Trial::rows) |
/// | upcaster | | [`upcast`](Trial::upcast) | the new events |
pub struct Trial<F> {
    pub(super) memory: Memory,
    /// Of an aggregate: the state by subject, as the host keeps it.
    pub(super) folded: BTreeMap<String, Vec<u8>>,
    /// Position of the last event given.
    position: u64,
    subscribes: Vec<String>,
    /// What the function logged and nobody has looked at.
    lines: Vec<String>,
    function: PhantomData<fn(F)>,
}

impl<F: Function> Trial<F> {
    pub fn new() -> Trial<F> {
        Trial {
            memory: Memory::default(),
            folded: BTreeMap::new(),
            position: 0,
            subscribes: F::describe().subscribes,
            lines: Vec::new(),
            function: PhantomData,
        }
    }

    /// Whether the host would hand events of this type to the function.
    pub fn subscribes_to(&self, event_type: &str) -> bool {
        self.subscribes.iter().any(|pattern| matches(pattern, event_type))
    }

    /// The lines that the function logged since the last call, as `level: message`.
    pub fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// The next event of the log.
    #[track_caller]
    pub(super) fn record(&mut self, given: &Given) -> wire::Event {
        assert!(
            self.subscribes_to(given.event_type()),
            "{} subscribes to {}, not to {}",
            F::NAME,
            self.subscribes.join(", "),
            given.event_type()
        );
        self.position += 1;
        self.memory.begin(given.details(self.position));
        given.recorded(self.position)
    }

    /// A call of the function, with what it logs.
    pub(super) fn call<R>(&mut self, call: impl FnOnce(&mut Self) -> R) -> R {
        log::take(); // what another trial left, whose function panicked
        let result = call(self);
        self.lines.extend(log::take());
        result
    }
}

impl<F: Function> Default for Trial<F> {
    fn default() -> Trial<F> {
        Trial::new()
    }
}

pub(super) fn error(failure: wire::Failure) -> Error {
    match failure.kind {
        wire::FailureKind::Retry => Error::retry(failure.message),
        wire::FailureKind::Reject => Error::reject(failure.message),
    }
}

/// An event that the function made.
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

impl From<wire::NewEvent> for Output {
    fn from(event: wire::NewEvent) -> Output {
        Output { event_type: event.type_, subject: event.subject, tags: event.tags, key: event.key, data: event.data }
    }
}
