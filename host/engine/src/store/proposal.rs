//! Everything that can change a namespace, and what can be answered.

use super::outside::{Attempt, Due, Fired, Held, Replied, Reply, Unheld};
use crate::model::{
    Digest, EventDraft, Kind, Manifest, NewEvent, NextOccurrence, Plan, Position, StateWrite, SubjectSnapshot, Timestamp, WhichParked,
};

/// Everything that can change a namespace. If it isn't here, it can't happen.
#[derive(Clone, Debug)]
pub enum Proposal {
    Append(Append),
    Reaction(Plan),
    Deploy(Deploy),
    /// Retires the functions of the module with this name.
    Remove {
        module: String,
        /// Of functions whose events no longer pass upcasters of this module.
        levels: Vec<Level>,
    },
    /// A part of making the state of a function ready for other code. Not recorded.
    Prepare(Prepare),
    Control {
        function: String,
        control: Control,
    },
    /// A command that an aggregate has accepted, with its events.
    Decide(Decision),
    /// An event of the host's own, about the log itself.
    Record {
        r#type: String,
        subject: String,
        data: String,
    },
    /// The folded state of a subject, kept so that nobody folds it from the start again. Not recorded.
    Snapshot(SubjectSnapshot),
    /// Checks data of this type against a JSON Schema, or no more.
    SetSchema {
        r#type: String,
        schema: Option<String>,
    },
    /// Timers and schedules that a snapshot found due; each fires if it still is what it was.
    Fire(Vec<Due>),
    /// When a schedule of a function comes next; `None`: never.
    Schedule {
        function: String,
        key: String,
        next: Option<NextOccurrence>,
    },
    /// The answer to a request.
    Reply(Reply),
    /// A request was sent in vain. Not recorded.
    Attempt(Attempt),
    /// Held outputs are appended, and held requests may leave, as if they had never been held.
    Release(Vec<Held>),
    /// Held outputs are forgotten; held requests fail.
    Discard {
        held: Vec<Held>,
        time: Timestamp,
    },
    /// Whether timers fire here and requests leave. Those made while none leave are held. Not recorded.
    Effects {
        on: bool,
    },
}

/// Events to record, together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Append {
    pub events: Vec<NewEvent>,
    pub condition: Option<Condition>,
    /// Part of a stream of appends: once one of them is refused, all later ones are.
    pub stream: Option<u64>,
}

/// What an aggregate answered to a command, and what it stands on.
#[derive(Clone, Debug)]
pub struct Decision {
    pub function: String,
    /// The code that ran, and the function's epoch, as in a plan.
    pub module: u32,
    pub epoch: u64,
    pub command: NewEvent,
    /// The time that the aggregate was told, if the command has none.
    pub time: Timestamp,
    /// None at all is an answer too: the command is recorded alone.
    pub events: Vec<EventDraft>,
    /// The subject's events up to here are in the state that it decided on.
    pub folded: Position,
    /// Kept along with it, if it is accepted.
    pub snapshot: Option<SubjectSnapshot>,
}

/// "If nothing like this came after that." A condition matches type among types, subject among
/// subjects, and all tags; an empty list matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    pub after: Position,
    pub types: Vec<String>,
    pub subjects: Vec<String>,
    pub tags: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Deploy {
    pub manifest: Manifest,
    pub digest: Digest,
    /// The component, as it was compiled.
    pub component: Vec<u8>,
    /// Of every handler with state whose code identity changes by it, those of other modules too.
    pub levels: Vec<Level>,
    /// Whether it goes back to a version that ran before; it is recorded as that.
    pub rollback: bool,
    /// Whether commands, timers and requests that functions make of events from before it go out, rather than
    /// to be held.
    pub send: bool,
}

/// "With these last writes, the state kept for that code is level with the function as it stands."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    pub function: String,
    /// Of the code that goes on with the state.
    pub identity: Digest,
    /// The function as the writes were made for it.
    pub cursor: Position,
    pub epoch: u64,
    /// The commit that the kept state was level with before these writes.
    pub stands_on: u64,
    pub writes: Vec<StateWrite>,
}

/// One step of making state ready for the code with this identity.
#[derive(Clone, Debug)]
pub struct Prepare {
    pub function: String,
    pub identity: Digest,
    pub part: PreparePart,
}

#[derive(Clone, Debug)]
pub enum PreparePart {
    /// An empty slot, in the place of one that is there.
    Begin,
    /// Into a slot that is not whole yet.
    Rows(Vec<StateWrite>),
    /// Nothing that the log recorded up to this commit is missing now.
    Done { through_commit: u64 },
    /// What the log recorded after the commit that it `stands_on`.
    On { stands_on: u64, writes: Vec<StateWrite>, through_commit: u64 },
    /// It will not be needed.
    Drop,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    Pause,
    /// Goes on, also after a halt.
    Resume,
    /// Reads again everything after this position.
    Rewind(Position),
    /// Tries parked events again. One alone may be only if it is the first of its subject.
    Release(WhichParked),
    /// Takes parked events as dealt with, though nothing came of them. The log says so, and why.
    Skip {
        which: WhichParked,
        reason: String,
    },
}

/// What became of a proposal that was accepted.
#[derive(Clone, Debug)]
pub enum Accepted {
    Appended(Appended),
    Reacted(Reacted),
    Deployed {
        module: u32,
        position: Position,
        unchanged: bool,
    },
    Removed {
        position: Position,
    },
    Controlled {
        parked: u64,
    },
    Decided(Decided),
    Recorded {
        position: Position,
    },
    /// A snapshot is stored.
    Kept,
    /// Where the state lies that is being made ready.
    Prepared {
        slot: u32,
    },
    /// `None`: it was so already.
    SchemaSet {
        position: Option<Position>,
    },
    Fired(Fired),
    Scheduled,
    Replied(Replied),
    Unheld(Unheld),
    /// It is stored; the log doesn't speak of it.
    Noted,
}

/// Where a command and its events are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub command: Position,
    pub events: Vec<Position>,
    /// Whether it was decided now; else it was known, and this is its first answer.
    pub new: bool,
}

/// Where the events are, in the order of the request.
#[derive(Clone, Debug, Default)]
pub struct Appended {
    pub positions: Vec<Position>,
    /// How many of them are new; the others were known already.
    pub new: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Reacted {
    pub function: String,
    /// Events that the function has dealt with here, the parked ones too.
    pub handled: Vec<Position>,
    pub parked: Vec<Position>,
    pub outputs: Vec<Made>,
    /// How many of them are new; the others were known already.
    pub new: usize,
    /// How many were held rather than appended.
    pub held: usize,
    /// Outputs that were in the log already with other content; the log's stands.
    pub different: Vec<Different>,
}

/// An output of a function, and where it is: appended now, or known already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub cause: Position,
    pub position: Position,
    pub kind: Kind,
    pub r#type: String,
    /// The one function that it is for, if it is an answer to what that one sent.
    pub addressee: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Different {
    pub id: String,
    pub position: Position,
}

/// Why a proposal was refused. Nothing of it was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Someone wrote first: read again and decide again.
    #[error("event {found} matches the condition: read what came after position {after} and decide again")]
    Condition { after: Position, found: Position },
    /// The same id was used for something else.
    #[error("event {index}: id {id:?} of source {source_attribute:?} stands at position {position} with other content: use a new id")]
    Content { index: usize, id: String, source_attribute: String, position: Position },
    /// The event was erased, and its source and id stay taken.
    #[error("event {index}: id {id:?} of source {source_attribute:?} was erased for good: use a new id")]
    Forgotten { index: usize, id: String, source_attribute: String },
    /// An attribute is not as it should be.
    #[error("event {index}: `{field}` {what}")]
    Field { index: usize, field: &'static str, what: String },
    #[error("an earlier part of the stream was refused: nothing after it was taken")]
    StreamBroken,
    #[error("the request has {found} {what}: at most {max}; send it in parts")]
    TooLarge { what: &'static str, found: usize, max: usize },
    /// The plan stands on something that is no longer so: run again.
    #[error("function {function} moved on: {why}")]
    Stale { function: String, why: &'static str },
    #[error("there is no function {0:?} here: see `retold functions`")]
    UnknownFunction(String),
    #[error("there is no module {0:?} here: see `retold functions`")]
    UnknownModule(String),
    /// Function names are a function's identity and unique in a namespace.
    #[error("function {function:?} belongs to module {owner:?} already: give it another name")]
    NameTaken { function: String, owner: String },
    /// A version is what was deployed under it first.
    #[error("version {version:?} of module {module:?} is other code already: give this one another version")]
    VersionTaken { module: String, version: String },
    /// Other code may not go on with state that it did not make, nor with an old one.
    #[error("the state of function {function:?} is not ready for its new code at this moment: deploy again, which makes it ready")]
    NotLevel { function: String },
    /// The preparation goes on from something that is no longer so.
    #[error("the state of function {function:?} can't be made ready in this way: {why}")]
    NotPrepared { function: String, why: &'static str },
    #[error("the type {type:?} is taken by two upcasters, {one:?} and {other:?}: let one of them take it")]
    TwoUpcasters { r#type: String, one: String, other: String },
    #[error("upcaster {upcaster:?} takes {type:?}, and what it makes of it leads back to that type: give each form a type of its own")]
    UpcastCircle { r#type: String, upcaster: String },
    #[error(
        "upcaster {maker:?} makes {made:?} and {taker:?} takes {taken:?}, but nothing takes {made:?}: deploy an upcaster from {made:?} with them"
    )]
    UpcastGap { made: String, maker: String, taken: String, taker: String },
    /// The subject has an event that the aggregate did not know of: fold and decide again.
    #[error("{subject:?} moved on: it was folded up to position {folded}, and event {found} came since; decide again")]
    Conflict { subject: String, folded: Position, found: Position },
    /// The function takes nothing until somebody does what `why` says.
    #[error("function {function:?} doesn't run: {why}")]
    NotRunning { function: String, why: &'static str },
    /// A command has one addressee.
    #[error(
        "commands of type {command:?} are decided by {function:?} of module {module:?} already: give this one another type, or remove that module first"
    )]
    CommandTaken { command: String, function: String, module: String },
    #[error("function {function:?} can't be changed now: {why}")]
    Control { function: String, why: String },
    #[error("function {function:?} has no parked event at position {position}: `retold parked {function}` lists those that there are")]
    NotParked { function: String, position: Position },
    #[error(
        "the event at position {position} waits behind the one at {first}, which is of the same subject: release or skip that one first, or release the subject"
    )]
    NotFirstParked { function: String, position: Position, first: Position },
    /// A fork, say.
    #[error("no timer fires in this namespace: tell it to have effects first")]
    EffectsOff,
    #[error("there is no request without an answer at position {0}")]
    NoRequest(Position),
    #[error("function {function:?} has no schedule {key:?}")]
    UnknownSchedule { function: String, key: String },
    #[error("the namespace has {found} functions: at most {max}")]
    TooManyFunctions { found: usize, max: usize },
}
