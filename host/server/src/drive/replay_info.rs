//! What the rooms above hear of replays: rehearsals, retellings, comparisons, and how far each is.

use std::time::Duration;

use retold_engine::model::{Digest, FunctionKind, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::types::{Deployed, ModuleInfo};

/// Whether a module is replayed over history before it takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rehearse {
    /// First, and then it takes over if it can.
    #[default]
    First,
    /// Nothing takes over: only the report is wanted.
    Only,
    /// Nothing is compared. State and rows are still made ready, as nothing can take over without.
    Skip,
}

/// What a replay may look at and use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayOptions {
    /// Compare from behind this position on.
    pub since: Option<Position>,
    /// Compare the last so many positions.
    pub last: Option<u64>,
    /// Compare one in so many subjects.
    pub sample: Option<u32>,
    /// How much of a processor's time it may take, in percent; all that others leave, without.
    pub budget_percent: Option<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeployOptions {
    pub rehearse: Rehearse,
    /// A difference to what is recorded refuses the deployment.
    pub expect_same: bool,
    /// Appends the outputs that history lacks, once.
    pub backfill: bool,
    /// Commands, timers and requests that the module's functions make of earlier events are not held.
    pub send: bool,
    pub replay: ReplayOptions,
    /// How long the caller waits before it is told to look for itself.
    pub wait: Duration,
}

/// What became of an upload.
#[derive(Clone, Debug)]
pub enum DeployOutcome {
    Deployed {
        deployed: Deployed,
        replay: Option<ReplayInfo>,
    },
    /// It was rehearsed and nothing was changed.
    Rehearsed(ReplayInfo),
    /// It takes longer than the caller waits.
    UnderWay(ReplayInfo),
}

/// What became of a removal.
#[derive(Clone, Debug)]
pub enum RemoveOutcome {
    Removed {
        /// Of the record of it.
        position: Position,
        replay: ReplayInfo,
    },
    /// It takes longer than the caller waits.
    UnderWay(ReplayInfo),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayKind {
    /// A candidate over recorded history, nothing else.
    Rehearsal,
    /// A candidate that takes over when it is level.
    Deployment,
    /// A former version that takes over again when it is level.
    Rollback,
    /// Functions that retire when what others read without them is level.
    Removal,
    /// A new log made of another's source events.
    Retelling,
    /// Two logs, held side by side.
    Comparison,
    /// What runs, over recorded history once more; state and rows held against the live ones.
    Verification,
}

impl ReplayKind {
    /// Whether code takes over or goes at its end.
    pub fn changes(self) -> bool {
        matches!(self, ReplayKind::Deployment | ReplayKind::Rollback | ReplayKind::Removal)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayStatus {
    Running,
    /// By an operator, until it is resumed.
    Stopped,
    /// A retelling that has come to the head of what it retells, and follows it.
    Level,
    /// It has done what it was for.
    Done,
    /// It came to nothing, and nothing was changed.
    Failed {
        reason: String,
        message: String,
    },
}

/// How a replay stands, and what it has found so far.
#[derive(Clone, Debug)]
pub struct ReplayInfo {
    pub id: String,
    pub kind: ReplayKind,
    pub status: ReplayStatus,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    /// The module that is rehearsed or deployed; none of a retelling, a comparison or a verification.
    pub module: Option<ReplayedModule>,
    /// Of a retelling and a comparison: the namespace that is made or looked at. Of a verification: the function, if it
    /// is of one only.
    pub target: Option<String>,
    pub position: Position,
    pub head: Position,
    /// Events handed to functions so far.
    pub events: u64,
    pub events_per_second: f64,
    /// While it runs and a rate is known.
    pub seconds_left: Option<f64>,
    /// What somebody should know before it takes over: events that are no longer read, and refusals to come.
    pub warnings: Vec<String>,
    pub functions: Vec<FunctionReplay>,
    pub retelling: Option<RetellingInfo>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedModule {
    pub name: String,
    pub version: String,
    pub digest: Digest,
}

/// What a replay has found of one function.
#[derive(Clone, Debug)]
pub struct FunctionReplay {
    pub function: String,
    pub kind: FunctionKind,
    /// It is not in the running version.
    pub new: bool,
    /// The running version has it and the candidate has not.
    pub retired: bool,
    pub events: u64,
    /// Events that the record set aside, and that the new code could handle, or not.
    pub passes_now: u64,
    pub fails_still: u64,
    pub outputs: OutputCounts,
    pub differences: Vec<OutputDifference>,
    pub failures: u64,
    pub first_failures: Vec<ReplayFailure>,
    /// Rows of state, or of the view, at the end.
    pub state_rows: u64,
    pub state_bytes: u64,
    /// Of a verification, once it has come to where the live rows are.
    pub state: Option<StateCompared>,
    pub fuel_per_event: Option<f64>,
    pub microseconds_per_event: Option<f64>,
    /// Of the version that runs, over the same last events.
    pub running_fuel_per_event: Option<f64>,
    pub running_microseconds_per_event: Option<f64>,
    /// A note where something was not looked at, and why.
    pub note: Option<String>,
    /// Of a verification: it is what a version made that ran before.
    pub former: Option<FormerVersion>,
    /// The engine's report, in its own form: as it is written down.
    pub encoded: Vec<u8>,
}

/// A version that ran before, and which events it dealt with: those after `after` up to `upto`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerVersion {
    pub version: String,
    pub after: u64,
    pub upto: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputCounts {
    pub equal: u64,
    /// Only the candidate makes it.
    pub new: u64,
    /// Only the record has it.
    pub missing: u64,
    pub different: u64,
}

impl OutputCounts {
    pub fn is_same(&self) -> bool {
        self.new == 0 && self.missing == 0 && self.different == 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    New,
    Missing,
    Different,
}

/// One output, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputDifference {
    pub kind: DifferenceKind,
    pub id: String,
    pub cause: Position,
    pub recorded: Option<Shown>,
    pub made: Option<Shown>,
}

/// An event's content as far as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub position: Option<Position>,
    pub r#type: String,
    pub subject: String,
    pub content_type: String,
    pub data: Vec<u8>,
    /// The data is longer than what is shown.
    pub cut: bool,
}

/// An event that the candidate can't handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayFailure {
    pub position: Position,
    pub r#type: String,
    pub subject: String,
    pub reason: String,
    pub message: String,
}

/// What goes into a retelling and what it has come to.
#[derive(Clone, Debug, Default)]
pub struct RetellingInfo {
    pub base: String,
    /// Source events, and those that a rule left out.
    pub kept: u64,
    pub dropped: u64,
    pub forgotten: u64,
    pub derived: u64,
    pub parked: u64,
}

/// Which entries a rule of a retelling speaks of: all that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetellRule {
    /// An event type, or a pattern such as `order.*`.
    pub r#type: Option<String>,
    /// A subject, or a prefix such as `cart/*`.
    pub subject: Option<String>,
    pub tag: Option<String>,
    /// Of a time before this one.
    pub before: Option<Timestamp>,
}

/// What is to be retold.
#[derive(Clone, Debug, Default)]
pub struct RetellRequest {
    pub base: String,
    /// The namespace that is made.
    pub name: String,
    /// Modules that take the place of those with the same name, or come beside them.
    pub modules: Vec<(String, bytes::Bytes)>,
    /// Modules of the base that are left out.
    pub without: Vec<String>,
    /// Source events that are left out; those that are kept only; subjects that are erased.
    pub drop: Vec<RetellRule>,
    pub keep: Vec<RetellRule>,
    pub forget: Vec<String>,
    pub budget_percent: Option<u8>,
}

/// Two logs side by side.
#[derive(Clone, Debug)]
pub struct LogDifference {
    pub base: String,
    pub other: String,
    pub status: ReplayStatus,
    /// Of the other log: compared up to here, and its head.
    pub position: Position,
    pub head: Position,
    /// Source events: in both, in both with other content, in the base only, in the other only.
    pub source: OutputCounts,
    pub derived: OutputCounts,
    pub functions: Vec<(String, OutputCounts)>,
    pub first: Vec<LogEntryDifference>,
    pub views: Vec<ViewDifference>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntryDifference {
    pub kind: DifferenceKind,
    pub derived: bool,
    pub source: String,
    pub id: String,
    pub base: Option<Shown>,
    pub other: Option<Shown>,
}

/// Key, row in the base, row in the other.
pub type RowDifference = (String, Option<Vec<u8>>, Option<Vec<u8>>);

/// Live rows, and those that history makes up to the same place: `new` are only made, `missing` only live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateCompared {
    pub position: Position,
    pub rows: OutputCounts,
    /// The first of each kind: key, live, made.
    pub first: Vec<RowDifference>,
}

/// Rows of one view in two namespaces.
#[derive(Clone, Debug)]
pub struct ViewDifference {
    pub view: String,
    pub rows: OutputCounts,
    pub first: Vec<RowDifference>,
    /// The view is in one of the two only, or one of them isn't level.
    pub note: Option<String>,
}

/// How a namespace came to be, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceRole {
    Own,
    Fork {
        base: String,
        at: Position,
    },
    Retelling {
        base: String,
    },
    /// An earlier generation: read only, until it is dropped.
    Old {
        of: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generations {
    pub generation: u64,
    pub role: NamespaceRole,
    /// Earlier generations that can still be read or gone back to, by name.
    pub previous: Vec<String>,
}

/// How a fork is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForkOptions {
    /// Up to where it shares its base's history; the head, without one.
    pub at: Option<Position>,
    /// Whether its timers fire and its requests leave.
    pub effects: bool,
}

#[derive(Clone, Debug)]
pub struct Forked {
    pub name: String,
    pub base: String,
    pub at: Position,
    pub segments: usize,
    /// What was copied rather than shared.
    pub bytes_copied: u64,
    pub took_us: u64,
}

/// What a promotion did; for one that forgot something, the receipt.
#[derive(Clone, Debug)]
pub struct Promoted {
    pub namespace: String,
    pub generation: u64,
    /// The name under which the generation before can be read.
    pub old: String,
    /// How long appends waited.
    pub paused_us: u64,
    pub old_head: Position,
    pub new_head: Position,
    pub old_chain: Digest,
    pub new_chain: Digest,
    pub kept: u64,
    pub dropped: u64,
    pub forgotten: u64,
}

#[derive(Clone, Debug)]
pub struct Dropped {
    pub namespace: String,
    pub files: usize,
    pub bytes: u64,
}

/// A version of a module, and what became of it.
#[derive(Clone, Debug)]
pub struct ModuleVersion {
    pub module: ModuleInfo,
    pub ordinal: u32,
    /// It took over from a later version.
    pub rolled_back: bool,
    /// Another version took over, or it was removed, here.
    pub ended_at: Option<Position>,
    /// What it made is kept, so that going back to it is quick.
    pub kept: bool,
}
