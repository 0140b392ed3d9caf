//! What the rooms above say to a namespace, and what they hear.

use std::collections::BTreeMap;
use std::time::Duration;

use retold_engine::model::{Digest, FailurePolicy, FunctionKind, LogLevel, ManifestError, Position, Start, Timestamp, limits};
use retold_engine::run::{AggregateFault, ConsumerRefused};
use retold_engine::store::{FunctionStatus, OutsideCounts, Refused, StoreError};

use super::durations::DurationCounts;
use super::quota::Quota;
use super::schemas::Misfit;

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
    /// Of the log that took it: another may have taken the place of the one that was asked.
    pub generation: u64,
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
    /// Command types that an aggregate decides.
    pub decides: Vec<String>,
    pub start: Start,
    pub failure_policy: FailurePolicy,
    pub fuel_per_call: u64,
    pub memory_bytes: u64,
    pub attempts_max: u32,
    pub parked: u64,
    /// How many of the oldest parked events have each reason.
    pub parked_reasons: BTreeMap<String, u64>,
    /// Parked events that are about to be tried again.
    pub released: u64,
    /// Set, and neither fired nor cancelled.
    pub timers: u64,
    /// When the oldest parked event was set aside.
    pub oldest_parked: Option<Timestamp>,
    /// What of it is pending.
    pub requests: OutsideCounts,
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
    /// 1, 2, 3 … since the host started.
    pub number: u64,
    pub time: Timestamp,
    pub level: LogLevel,
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
    /// A token can't be made or revoked so; nothing was changed.
    #[error(transparent)]
    Token(#[from] super::tokens::TokenRefused),
    /// A namespace can't have this name.
    #[error("{0}")]
    Name(String),
    /// The queue of the writer is full: try again.
    #[error("the host is busy: try again in a moment")]
    Busy,
    #[error("the host is shutting down")]
    Stopping,
    /// Nothing was recorded; nothing broke.
    #[error(
        "the disk has {} MiB free, and {} MiB are needed before anything is written: free space (drop a namespace or a replay, remove other files) and send it again; reading goes on, and so does all else once there is space",
        free_bytes >> 20,
        needed_bytes.div_ceil(1 << 20)
    )]
    NoSpace { free_bytes: u64, needed_bytes: u64 },
    /// Nothing was recorded; other namespaces go on.
    #[error(
        "namespace {namespace:?} may have {max} {what}, and has them: reading goes on, and so does all else once who operates the host lets it \
         have more, by `retold namespaces quota`"
    )]
    QuotaReached { namespace: String, what: &'static str, max: u64 },
    /// An event's data doesn't fit the schema of its type; nothing was recorded.
    #[error("{0}")]
    Schema(Misfit),
    /// A schema can't be used; nothing was changed.
    #[error("{0}")]
    SchemaRefused(SchemaRefused),
    /// A check over history or a trial run found that the module can't be used here; nothing was changed.
    #[error("{0}")]
    DeployRefused(DeployRefused),
    #[error("no aggregate in this namespace decides {0:?}: see `retold functions` for those that there are, or deploy a module with one")]
    UnknownCommand(String),
    #[error("there is no {kind} {name:?} in this namespace: see `retold functions` for those that there are")]
    UnknownOfKind { kind: &'static str, name: String },
    /// The aggregate's code failed: nothing was recorded.
    #[error("aggregate {function} failed on {subject} ({reason}{place}): {message}; nothing was recorded, mend the module and deploy it again", reason = fault.reason, message = fault.message, place = place(fault))]
    Aggregate { function: String, subject: String, fault: AggregateFault },
    /// An old event can't be read in its new form.
    #[error(
        "the event at position {position} can't be turned into its newest form ({reason}): {message}; mend the upcaster and deploy it again, or read the event as it is stored"
    )]
    Upcast { position: Position, reason: &'static str, message: String },
    /// The view's code failed at a query.
    #[error("view {function} failed at the query ({reason}): {message}; mend the module, or ask for less")]
    Query { function: String, reason: &'static str, message: String },
    /// The view refused the query, in its own words.
    #[error("{message}")]
    QueryRejected { code: String, message: String, data: Vec<u8> },
    /// The view isn't where the reader wants it to be.
    #[error("view {view} has come to position {position}, {lag} behind the head, and {wanted} is wanted: {advice}")]
    ViewBehind { view: String, position: Position, wanted: Position, lag: u64, advice: String },
    /// An ingress function's code failed at a request: nothing was recorded.
    #[error(
        "ingress function {function} failed at the request ({reason}): {message}; nothing was recorded, mend the module and deploy it again"
    )]
    Ingress { function: String, reason: &'static str, message: String },
    /// A secret that a function needs isn't there.
    #[error("function {function} needs a secret: {error}")]
    Secret { function: String, error: super::outside::SecretError },
    /// A request that is held isn't sent.
    #[error("the request at position {0} is held: release it with `retold outbox release {0}`")]
    RequestHeld(Position),
    /// The host could not run a function's code now.
    #[error("the host could not run the function: {0}; try again in a moment")]
    Unavailable(String),
    /// There is no such replay.
    #[error("there is no replay {0:?} here: `retold replays` lists those that there are")]
    UnknownReplay(String),
    /// There is no such namespace.
    #[error("there is no namespace {0:?}: `retold namespaces` lists those that there are")]
    UnknownNamespace(String),
    /// What was asked for doesn't fit what the namespace is, or what is under way in it.
    #[error("{what}")]
    Generation { namespace: String, what: String },
    /// A deployment of the module is under way.
    #[error(
        "a deployment or removal of {module} is under way as replay {replay}: wait for it, or stop it with `retold replays stop {replay}`"
    )]
    DeployUnderWay { module: String, replay: String },
    /// The rehearsal found what the deployment was not to have; nothing was changed.
    #[error("{module} is as it was: {what}; nothing was changed, the report is at replay {replay}")]
    Rehearsal { module: String, replay: String, reason: &'static str, what: String },
    /// The namespace takes no writes for what it is.
    #[error("{what}")]
    ReadOnly { namespace: String, what: String },
    /// A function's code failed at an event that history has; nothing was changed.
    #[error("{0}; nothing was changed")]
    ReplayFailed(FunctionFailed),
    /// The function was sent back in the log while its state was made ready.
    #[error("{function} was rewound while its new version was made ready: deploy again; nothing was changed")]
    Rewound { function: String },
    /// Another deployment came between, which changed what the function reads.
    #[error(
        "what {function} reads was changed by another deployment meanwhile: try again, which makes its state ready for that; nothing was changed"
    )]
    ReadsChanged { function: String },
    /// Nothing was done, and the log that took this one's place doesn't know of it.
    #[error("another log has taken the place of this one meanwhile: send it again")]
    Superseded,
    #[error("there is no consumer {0:?} in this namespace: PUT …/consumers/{0} makes one, `retold consumers` lists those that there are")]
    UnknownConsumer(String),
    /// What a member of a consumer said is not taken; nothing was changed.
    #[error(transparent)]
    Consumer(ConsumerRefused),
    /// A consumer can't be so.
    #[error("`{field}` {what}")]
    ConsumerSettings { field: &'static str, what: String },
    #[error("there are {max} consumers in this namespace already, which is the most: drop one first", max = limits::CONSUMERS_PER_NAMESPACE_MAX)]
    TooManyConsumers,
    /// Events can't be sent where the consumer wants them.
    #[error("events can't be sent to {url}: {what}")]
    EndpointRefused { url: String, reason: &'static str, what: String },
    /// The host itself reads for the consumer, and sends to its endpoint.
    #[error("consumer {0:?} has an endpoint, which the host sends to: what is out is the host's; make another consumer to fetch")]
    HasEndpoint(String),
    /// An earlier chunk of the same stream was refused.
    #[error("an earlier part of the stream was refused")]
    StreamBroken,
}

/// Where and why code can't go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionFailed {
    pub function: String,
    pub position: Position,
    pub reason: &'static str,
    pub message: String,
}

impl std::fmt::Display for FunctionFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let FunctionFailed { function, position, reason, message } = self;
        write!(f, "{function} can't handle the event at position {position} ({reason}): {message}")
    }
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
    /// Commands that were accepted.
    pub commands: u64,
    /// Transactions, each with one sync.
    pub commits: DurationCounts,
    pub refused: u64,
    /// Timers and schedules that made an event, and how long after they were due, taken together.
    pub timers_fired: u64,
    pub timers_late_us: u64,
    /// Timers that are set, and how long the next of them has been due.
    pub timers: u64,
    pub overdue_us: u64,
    /// Proposals that wait for the writer.
    pub queue_length: usize,
    /// Requests that went out, each time anew; that were answered, and that failed for good.
    pub requests_sent: u64,
    pub requests_replied: u64,
    pub requests_failed: u64,
    /// Hosts that nothing is sent to for now.
    pub hosts_down: usize,
    pub segments: usize,
    /// Commits since the oldest snapshot that is read was taken.
    pub oldest_snapshot_commits: u64,
    /// What it may have.
    pub quota: Quota,
    pub bytes_in_use: u64,
}

fn place(fault: &AggregateFault) -> String {
    fault.position.map_or_else(String::new, |position| format!(" at event {position}"))
}

/// Why a schema can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaRefused {
    /// It is not a schema, or one that this host doesn't run.
    NotASchema { r#type: String, what: String },
    /// Another module, or an operator, has given the type another schema.
    Other { r#type: String, owner: String, place: String },
    /// An event that is stored doesn't fit.
    History { r#type: String, position: Position, path: String, what: String },
    /// There is none to take away.
    None { r#type: String },
}

impl std::fmt::Display for SchemaRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SchemaRefused::NotASchema { r#type, what } => write!(f, "the schema of {type} can't be used: {what}"),
            SchemaRefused::Other { r#type, owner, place } => write!(
                f,
                "{owner} gives {type} another schema (they differ at {place}): a type has one schema; change one of them, or give the changed event a type of its own and an upcaster"
            ),
            SchemaRefused::History { r#type, position, path, what } => write!(
                f,
                "the event at position {position} doesn't fit the schema of {type}, at {place}: {what}; widen the schema, or give the new form a type of its own and an upcaster from {type}",
                place = if path.is_empty() { "its root" } else { path }
            ),
            SchemaRefused::None { r#type } => write!(f, "nobody has uploaded a schema of {type}: those of modules go with their modules"),
        }
    }
}

/// Why a module can't be used with the history that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeployRefused {
    /// An upcaster can't read an event that is stored.
    Upcaster { module: String, position: Position, reason: &'static str, message: String },
    /// The same events gave different answers.
    Nondeterministic { function: String, what: String },
    /// A function wants a later form of a stored type that it read before, and nothing makes it of that.
    NoUpcaster { function: String, stored: String, count: u64, wanted: String },
}

impl std::fmt::Display for DeployRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DeployRefused::Upcaster { module, position, reason, message } => write!(
                f,
                "an upcaster of {module} can't turn the event at position {position} into its new form ({reason}): {message}; it must take every stored event of its types"
            ),
            DeployRefused::NoUpcaster { function, stored, count, wanted } => write!(
                f,
                "function {function} wants {wanted}, and nothing turns the {count} stored events of type {stored}, which it read until now, into that: deploy an upcaster from {stored} to {wanted} with it, or let it subscribe to {stored} too if it is to see them as they are"
            ),
            DeployRefused::Nondeterministic { function, what } => write!(
                f,
                "function {function} answers the same events differently ({what}): keep nothing in statics, iterate no std HashMap, and put what must be remembered into state"
            ),
        }
    }
}

/// A row of the catalogue of types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeInfo {
    pub r#type: String,
    pub kind: retold_engine::model::Kind,
    /// Entries of this type in the log, and where the first and the last are.
    pub count: u64,
    pub first: Option<Position>,
    pub last: Option<Position>,
    /// Functions that may make it; of a command, those that may send it.
    pub emitted_by: Vec<String>,
    /// Functions that read it; of a command, the aggregate that decides it.
    pub read_by: Vec<String>,
    /// The upcaster that makes newer ones of it.
    pub upcast_by: Option<String>,
    pub schema: Option<String>,
    /// The module that brought the schema; `None`: it was uploaded, or there is none.
    pub schema_module: Option<String>,
}
