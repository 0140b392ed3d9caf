//! `Guest`: what the engine needs of a module's code. The server answers it with WebAssembly, the
//! simulator with native functions.

use super::{Event, EventRef, Position};

/// One module's code, ready to run. Calls are synchronous and may come from any thread.
///
/// A guest's memory is not state: each call may meet an instance that served others or none.
pub trait Guest: Send + Sync {
    /// Hands `events` to the handler `function` in one call.
    ///
    /// Everything the guest does wrong is a value of [`Answer`]; the engine never sees a panic.
    fn handle(&self, function: &str, events: &[EventRef<'_>], limits: &CallLimits, calls: &mut dyn Calls) -> Answer;

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
    fn state_put(&mut self, event: u32, key: &str, value: &[u8]) -> Result<(), StateError>;
    fn state_delete(&mut self, event: u32, key: &str) -> Result<(), StateError>;
    /// Entries after `after` whose key begins with `prefix`, in key order.
    fn state_scan(&mut self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StateError>;
    /// The whole event at this position, if it is in the current batch.
    fn details(&mut self, position: Position) -> Option<Event>;
    fn log(&mut self, level: LogLevel, message: &str);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The host's own trouble: the call is abandoned, nothing is decided.
    #[error("state can't be read: {0}")]
    Storage(String),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Reactions(Vec<Reaction>),
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
}

impl std::fmt::Display for GuestFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            GuestFault::Trapped(what) => write!(f, "trapped: {what}"),
            GuestFault::OutOfFuel { fuel } => write!(f, "ran out of fuel: limit `fuel` is {fuel} units a call"),
            GuestFault::OutOfMemory { bytes_max } => write!(f, "ran out of memory: limit `memory-bytes` is {bytes_max}"),
            GuestFault::StateRefused(error) => write!(f, "{error}"),
            GuestFault::BadOutput(what) => f.write_str(what),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Reaction {
    /// Index into the batch.
    pub cause: u32,
    pub output: Output,
}

/// What a function may answer. Only `Emit` is acted on yet; a manifest that asks for the others is
/// refused at deploy.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Emit { r#type: String, subject: String, tags: Vec<String>, content_type: Option<String>, data: Vec<u8>, key: Option<String> },
    Command,
    Schedule,
    Cancel,
    Request,
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
