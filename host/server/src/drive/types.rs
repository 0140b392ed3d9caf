//! What the rooms above say to a namespace, and what they hear.

use std::time::Duration;

use retold_engine::model::{Digest, FailurePolicy, FunctionKind, ManifestError, Position, Start, Timestamp};
use retold_engine::store::{FunctionStatus, Refused, StoreError};

/// How long an append waits before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// The events are on disk.
    Durable,
    /// Every active function that reads them, and what they gave, has passed or parked them.
    Handled { timeout: Duration },
}

/// What became of an append.
#[derive(Clone, Debug)]
pub struct Append {
    /// In the order of the request.
    pub positions: Vec<Position>,
    /// How many events are new; the others were known.
    pub new: usize,
    /// For `WaitFor::Handled`.
    pub handled: Option<Handled>,
}

/// How far the handling of an append had come when it was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handled {
    /// False: `waiting` names why.
    pub complete: bool,
    /// Events that were made, directly or not, in order.
    pub derived: Vec<Position>,
    /// Events that were set aside, and by which function.
    pub parked: Vec<(String, Position)>,
    /// Functions that had not passed everything: paused, halted, or still at it.
    pub waiting: Vec<String>,
}

/// A function, as `GET …/functions` shows it.
#[derive(Clone, Debug)]
pub struct FunctionInfo {
    pub name: String,
    pub kind: FunctionKind,
    pub module: String,
    pub version: String,
    pub digest: Digest,
    pub status: FunctionStatus,
    /// State is being made again by replay.
    pub rebuilding: bool,
    pub cursor: Position,
    /// Positions between the cursor and the head.
    pub lag: u64,
    pub subscribes: Vec<String>,
    pub emits: Vec<String>,
    pub start: Start,
    pub failure_policy: FailurePolicy,
    pub fuel_per_call: u64,
    pub memory_bytes: u64,
    pub attempts_max: u32,
    pub parked: u64,
    /// When the oldest parked event was set aside.
    pub oldest_parked: Option<Timestamp>,
    /// Since the host started.
    pub counts: FunctionCounts,
    /// The event that is being tried again, if one is.
    pub retrying: Option<Retrying>,
    /// The last lines that the function logged, oldest first.
    pub log: Vec<LogLine>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionCounts {
    /// Events dealt with.
    pub handled: u64,
    pub emitted: u64,
    pub failed_attempts: u64,
    pub parked: u64,
    /// Calls into the sandbox, and how long they took together.
    pub calls: u64,
    pub busy_us: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retrying {
    pub position: Position,
    pub attempts: u32,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub time: Timestamp,
    pub level: &'static str,
    pub message: String,
}

/// A module's active version.
#[derive(Clone, Debug)]
pub struct ModuleInfo {
    pub name: String,
    pub version: String,
    pub digest: Digest,
    pub deployed_at: Position,
    pub active: bool,
    pub functions: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Deployed {
    pub module: ModuleInfo,
    /// The same bytes were active already.
    pub unchanged: bool,
}

/// Why a request to a namespace came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DriveError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The module can't be used; nothing was changed.
    #[error(transparent)]
    Module(#[from] crate::wasm::ModuleError),
    /// What the module says of itself is against the rules; nothing was changed.
    #[error(transparent)]
    Manifest(ManifestError),
    /// A namespace can't have this name.
    #[error("{0}")]
    Name(String),
    /// The queue of the writer is full: try again.
    #[error("the host is busy: try again in a moment")]
    Busy,
    #[error("the host is shutting down")]
    Stopping,
    /// An earlier chunk of the same stream was refused.
    #[error("an earlier part of the stream was refused")]
    StreamBroken,
}

/// Counts of a namespace. Those of events, commits and refusals begin anew with the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceMetrics {
    pub head: u64,
    pub appended_events: u64,
    /// Data and attributes of the appended events.
    pub appended_bytes: u64,
    /// Events that functions made.
    pub derived_events: u64,
    /// Transactions, each with one sync.
    pub commits: u64,
    pub commit_us: u64,
    pub refused: u64,
    /// Proposals that wait for the writer.
    pub queue_length: usize,
    pub segments: usize,
    pub bytes_in_use: u64,
}
