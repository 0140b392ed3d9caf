//! `Trial`: one function, run as the host would run it.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::memory::Memory;
use super::outside::Outside;
use super::{Given, log};
use crate::bindings::wire;
use crate::envelope::Envelope;
use crate::names::matches;
use crate::{Error, Function, Timestamp};

/// One function with what it keeps, in memory. What can be done with it hangs on the kind of function:
///
/// | kind | given | when | then |
/// |---|---|---|---|
/// | handler | | [`give`](Trial::give), [`advance`](Trial::advance), [`reply`](Trial::reply), [`fail`](Trial::fail), [`refuse`](Trial::refuse) | the events, [`commands`](Trial::commands), [`timers`](Trial::timers), [`requests`](Trial::requests), [`state`](Trial::state) |
/// | aggregate | [`given`](Trial::given) | [`when`](Trial::when) | the events or the rejection, [`aggregate`](Trial::aggregate) |
/// | view | [`project`](Trial::project) | [`ask`](Trial::ask) | the answer or the rejection, [`row`](Trial::row), [`rows`](Trial::rows) |
/// | upcaster | | [`upcast`](Trial::upcast) | the new events |
/// | ingress | [`secret`](Trial::secret) | [`accept`](Trial::accept) | the events or the response |
pub struct Trial<F> {
    pub(super) memory: Memory,
    /// Of an aggregate: the state by subject, as the host keeps it.
    pub(super) folded: BTreeMap<String, Vec<u8>>,
    pub(super) outside: Outside,
    /// The operator's, for an ingress function.
    #[cfg(not(target_family = "wasm"))]
    pub(super) secrets: BTreeMap<String, String>,
    /// The time of the last event, and what has passed since.
    pub(super) now: Timestamp,
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
            outside: Outside::default(),
            #[cfg(not(target_family = "wasm"))]
            secrets: BTreeMap::new(),
            now: Timestamp::UNIX_EPOCH,
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
    pub(super) fn record<'g>(&mut self, given: &'g Given) -> Envelope<'g> {
        assert!(
            self.subscribes_to(given.event_type()),
            "{} subscribes to {}, not to {}",
            F::NAME,
            self.subscribes.join(", "),
            given.event_type()
        );
        self.position += 1;
        let event = given.envelope(self.position, self.now);
        self.now = self.now.max(event.time);
        self.memory.begin(given.details(self.position, event.time.as_micros()));
        event
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
    /// Said by ingress functions only.
    pub time: Option<Timestamp>,
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
        let wire::NewEvent { type_, subject, tags, key, time, data, .. } = event;
        Output { event_type: type_, subject, tags, key, time: time.map(Timestamp::from_micros), data }
    }
}
