//! `Guest`: what the engine needs of a module's code. The server answers it with WebAssembly, the
//! simulator with native functions.

use super::output::EventDraft;
use super::reactions::Reactions;
use super::{Event, EventRef, Position, Timestamp};

/// One module's code, ready to run. Calls are synchronous and may come from any thread.
///
/// A guest's memory is not state: each call may meet an instance that served others or none.
pub trait Guest: Send + Sync {
    /// Hands `events` to the handler `function` in one call.
    ///
    /// Everything the guest does wrong is a value of [`Answer`]; the engine never sees a panic.
    fn handle(&self, function: &str, events: &[EventRef<'_>], limits: &CallLimits, calls: &mut dyn Calls) -> Answer;

    /// Asks the aggregate what follows from a command, given the state folded from the subject's events.
    fn decide(
        &self,
        aggregate: &AggregateCall<'_>,
        command: &CommandRef<'_>,
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<EventDraft>, Rejection>, NotAnswered> {
        let _ = (command, limits, calls);
        Err(NotAnswered::lacks("aggregate", aggregate.function))
    }

    /// Folds events of the subject into its state. Answers the new state.
    fn evolve(
        &self,
        aggregate: &AggregateCall<'_>,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<u8>, Failure>, NotAnswered> {
        let _ = (events, limits, calls);
        Err(NotAnswered::lacks("aggregate", aggregate.function))
    }

    /// Folds events into the view's rows, which it reaches by the state calls.
    fn project(
        &self,
        function: &str,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<(), Failure>, NotAnswered> {
        let _ = (events, limits, calls);
        Err(NotAnswered::lacks("view", function))
    }

    /// Asks the view; it reads its rows by the state calls and may not write.
    fn query(
        &self,
        function: &str,
        query: &Query,
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Payload, Rejection>, NotAnswered> {
        let _ = (query, limits, calls);
        Err(NotAnswered::lacks("view", function))
    }

    /// Turns events of one old type into newer ones: a list for each event, in order. `function` names
    /// the upcaster for messages; the guest tells its upcasters apart by the type they take.
    fn upcast(
        &self,
        function: &str,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<Vec<EventDraft>>, Failure>, NotAnswered> {
        let _ = (events, limits, calls);
        Err(NotAnswered::lacks("upcaster", function))
    }

    /// Turns a foreign HTTP request into events, or says how to answer it instead. What it asks of signatures
    /// comes by [`Calls::verify_hmac_sha256`].
    fn accept(
        &self,
        function: &str,
        request: &IngressRequest,
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<EventDraft>, IngressAnswer>, NotAnswered> {
        let _ = (request, limits, calls);
        Err(NotAnswered::lacks("ingress", function))
    }

    /// Whether each event needs a call and a fresh instance of its own: code that asks for a clock or
    /// for randomness, so that the borders of batches can't show in what it answers.
    fn one_event_a_call(&self) -> bool {
        false
    }
}

/// What a call may use. The same for one event or many, so what passes in a batch passes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// wasmtime fuel units: a deterministic count of work.
    pub fuel: u64,
    pub memory_bytes: usize,
    /// Whether the call must get an instance that nothing ran in before.
    pub fresh_instance: bool,
}

/// The host's side of a call: the function's state, details of the batch's events, its log.
///
/// `event` is an index into the batch. An `Err` ends the call as a fault of the guest.
pub trait Calls {
    fn state_get(&mut self, event: u32, key: &str) -> Result<Option<Vec<u8>>, StateError>;
    /// The same into memory that the caller has: its content is replaced. Answers whether there is a value.
    fn state_read(&mut self, event: u32, key: &str, out: &mut Vec<u8>) -> Result<bool, StateError> {
        out.clear();
        let value = self.state_get(event, key)?;
        out.extend_from_slice(value.as_deref().unwrap_or_default());
        Ok(value.is_some())
    }
    fn state_put(&mut self, event: u32, key: &str, value: &[u8]) -> Result<(), StateError>;
    fn state_delete(&mut self, event: u32, key: &str) -> Result<(), StateError>;
    /// Entries after `after` whose key begins with `prefix`, in key order.
    fn state_scan(&mut self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StateError>;
    /// The whole event at this position, if it is in the current batch.
    fn details(&mut self, position: Position) -> Option<Event>;
    fn log(&mut self, level: LogLevel, message: &str);
    /// Whether the signature is the HMAC-SHA-256 of the message under the secret of this name, which the
    /// function never sees. Only an ingress function is told.
    fn verify_hmac_sha256(&mut self, secret: &str, message: &[u8], signature: &[u8]) -> bool {
        let _ = (secret, message, signature);
        false
    }
    /// The call that ends now has used so much fuel. Whoever counts it asks for no more.
    fn used(&mut self, fuel: u64) {
        let _ = fuel;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Why a state call was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error("event index {index} is outside the batch of {batch}")]
    OutsideBatch { index: u32, batch: usize },
    #[error("state limit `{limit}` exceeded: {found}, at most {max}")]
    Limit { limit: &'static str, found: usize, max: usize },
    /// Not in this kind of call.
    #[error("state can't be used so: {0}")]
    NotHere(&'static str),
    /// The host's own trouble: the call is abandoned, nothing is decided.
    #[error("state can't be read: {0}")]
    Storage(String),
}

/// Which aggregate, which subject, and what was folded of it so far: nothing for a new subject.
#[derive(Clone, Copy, Debug)]
pub struct AggregateCall<'a> {
    pub function: &'a str,
    pub subject: &'a str,
    pub state: Option<&'a [u8]>,
}

/// A command as an aggregate reads it.
#[derive(Clone, Copy, Debug)]
pub struct CommandRef<'a> {
    pub id: &'a str,
    pub source: &'a str,
    pub r#type: &'a str,
    pub subject: &'a str,
    pub time: Timestamp,
    pub content_type: &'a str,
    pub data: &'a [u8],
}

/// A foreign HTTP request, as an ingress function reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngressRequest {
    pub method: String,
    /// Path and query.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How an ingress function has a request answered that it makes no events of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngressAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A question to a view, in the words of the view's own queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub name: String,
    pub content_type: Option<String>,
    pub data: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    pub content_type: String,
    pub data: Vec<u8>,
}

/// A command or query that was refused, in the function's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub code: String,
    pub message: String,
    pub data: Vec<u8>,
}

/// Why a call that has one answer has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAnswered {
    /// The sandbox ended the call.
    Fault(GuestFault),
    /// The host could not run the call at all: try again later.
    Unavailable(String),
}

impl NotAnswered {
    fn lacks(kind: &str, function: &str) -> NotAnswered {
        NotAnswered::Fault(GuestFault::BadOutput(format!("{function} is not {kind} code")))
    }
}

/// How a call of a handler ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Reactions(Reactions),
    /// The function says which event it can't handle.
    Failed(Failure),
    /// The sandbox ended the call.
    Fault(GuestFault),
    /// The host could not run the call at all (no instance free, storage gone): nothing is decided,
    /// try again later.
    Unavailable(String),
}

/// A guest's fault is a value, not an error: it is recorded, not propagated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestFault {
    Trapped(String),
    OutOfFuel {
        fuel: u64,
    },
    OutOfMemory {
        bytes_max: usize,
    },
    StateRefused(StateError),
    /// The call returned something that the contract doesn't allow.
    BadOutput(String),
    /// The call returned data that the schema of its type doesn't allow.
    Schema(String),
}

impl std::fmt::Display for GuestFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            GuestFault::Trapped(what) => write!(f, "trapped: {what}"),
            GuestFault::OutOfFuel { fuel } => write!(f, "ran out of fuel: limit `fuel` is {fuel} units a call"),
            GuestFault::OutOfMemory { bytes_max } => write!(f, "ran out of memory: limit `memory-bytes` is {bytes_max}"),
            GuestFault::StateRefused(error) => write!(f, "{error}"),
            GuestFault::BadOutput(what) | GuestFault::Schema(what) => f.write_str(what),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Index into the batch.
    pub event: u32,
    pub kind: FailureKind,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Might pass later.
    Retry,
    /// Will never pass.
    Reject,
}
