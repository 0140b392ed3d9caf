//! A replay and its report as JSON.

use retold_engine::model::FunctionKind;
use serde::Serialize;

use super::super::timestamps::timestamp_text;
use super::shown::{CountsAnswer, DataAnswer, ShownAnswer, kind_word};
use crate::drive::{
    FormerVersion, FunctionReplay, OutputDifference, ReplayFailure, ReplayInfo, ReplayKind, ReplayStatus, ReplayedModule, RetellingInfo,
    RowDifference, StateCompared,
};

#[derive(Serialize)]
pub struct ReplayAnswer {
    pub id: String,
    kind: &'static str,
    status: &'static str,
    /// Why it came to nothing.
    failed: Option<Failed>,
    started: String,
    ended: Option<String>,
    module: Option<ModuleAnswer>,
    target: Option<String>,
    position: String,
    head: String,
    events: u64,
    events_per_second: f64,
    seconds_left: Option<f64>,
    warnings: Vec<String>,
    functions: Vec<FunctionAnswer>,
    retelling: Option<RetellingAnswer>,
}

#[derive(Serialize)]
pub struct Failed {
    reason: String,
    message: String,
}

#[derive(Serialize)]
struct ModuleAnswer {
    name: String,
    version: String,
    digest: String,
}

#[derive(Serialize)]
struct FunctionAnswer {
    function: String,
    kind: &'static str,
    new: bool,
    retired: bool,
    events: u64,
    passes_now: u64,
    fails_still: u64,
    outputs: CountsAnswer,
    differences: Vec<DifferenceAnswer>,
    failures: u64,
    first_failures: Vec<FailureAnswer>,
    state_rows: u64,
    state_bytes: u64,
    state: Option<StateAnswer>,
    fuel_per_event: Option<f64>,
    microseconds_per_event: Option<f64>,
    running_fuel_per_event: Option<f64>,
    running_microseconds_per_event: Option<f64>,
    note: Option<String>,
    former: Option<FormerAnswer>,
}

#[derive(Serialize)]
struct FormerAnswer {
    version: String,
    after: String,
    upto: String,
}

#[derive(Serialize)]
struct StateAnswer {
    position: String,
    rows: CountsAnswer,
    first: Vec<RowAnswer>,
}

#[derive(Serialize)]
struct RowAnswer {
    key: String,
    live: Option<DataAnswer>,
    made: Option<DataAnswer>,
}

#[derive(Serialize)]
struct DifferenceAnswer {
    kind: &'static str,
    id: String,
    /// Position of the event that it was made of.
    cause: String,
    recorded: Option<ShownAnswer>,
    made: Option<ShownAnswer>,
}

#[derive(Serialize)]
struct FailureAnswer {
    position: String,
    r#type: String,
    subject: String,
    reason: String,
    message: String,
}

#[derive(Serialize)]
struct RetellingAnswer {
    base: String,
    kept: u64,
    dropped: u64,
    forgotten: u64,
    derived: u64,
    parked: u64,
}

impl From<ReplayInfo> for ReplayAnswer {
    fn from(info: ReplayInfo) -> ReplayAnswer {
        let (status, failed) = status(info.status);
        ReplayAnswer {
            id: info.id,
            kind: kind_of_replay(info.kind),
            status,
            failed,
            started: timestamp_text(info.started),
            ended: info.ended.map(timestamp_text),
            module: info.module.map(ModuleAnswer::from),
            target: info.target,
            position: info.position.to_string(),
            head: info.head.to_string(),
            events: info.events,
            events_per_second: info.events_per_second,
            seconds_left: info.seconds_left,
            warnings: info.warnings,
            functions: info.functions.into_iter().map(FunctionAnswer::from).collect(),
            retelling: info.retelling.map(RetellingAnswer::from),
        }
    }
}

/// The word for a status, and why it failed.
pub fn status(status: ReplayStatus) -> (&'static str, Option<Failed>) {
    match status {
        ReplayStatus::Running => ("running", None),
        ReplayStatus::Stopped => ("stopped", None),
        ReplayStatus::Level => ("level", None),
        ReplayStatus::Done => ("done", None),
        ReplayStatus::Failed { reason, message } => ("failed", Some(Failed { reason, message })),
    }
}

fn kind_of_replay(kind: ReplayKind) -> &'static str {
    match kind {
        ReplayKind::Rehearsal => "rehearsal",
        ReplayKind::Deployment => "deployment",
        ReplayKind::Rollback => "rollback",
        ReplayKind::Removal => "removal",
        ReplayKind::Retelling => "retelling",
        ReplayKind::Comparison => "comparison",
        ReplayKind::Verification => "verification",
    }
}

/// The word for a kind of function, as answers use it.
pub fn kind_of_function(kind: FunctionKind) -> &'static str {
    match kind {
        FunctionKind::Handler => "handler",
        FunctionKind::Aggregate => "aggregate",
        FunctionKind::View => "view",
        FunctionKind::Upcaster => "upcaster",
        FunctionKind::Ingress => "ingress",
    }
}

impl From<ReplayedModule> for ModuleAnswer {
    fn from(ReplayedModule { name, version, digest }: ReplayedModule) -> ModuleAnswer {
        ModuleAnswer { name, version, digest: format!("sha256:{digest}") }
    }
}

impl From<FunctionReplay> for FunctionAnswer {
    fn from(replay: FunctionReplay) -> FunctionAnswer {
        FunctionAnswer {
            function: replay.function,
            kind: kind_of_function(replay.kind),
            new: replay.new,
            retired: replay.retired,
            events: replay.events,
            passes_now: replay.passes_now,
            fails_still: replay.fails_still,
            outputs: replay.outputs.into(),
            differences: replay.differences.into_iter().map(DifferenceAnswer::from).collect(),
            failures: replay.failures,
            first_failures: replay.first_failures.into_iter().map(FailureAnswer::from).collect(),
            state_rows: replay.state_rows,
            state_bytes: replay.state_bytes,
            state: replay.state.map(StateAnswer::from),
            fuel_per_event: replay.fuel_per_event,
            microseconds_per_event: replay.microseconds_per_event,
            running_fuel_per_event: replay.running_fuel_per_event,
            running_microseconds_per_event: replay.running_microseconds_per_event,
            note: replay.note,
            former: replay.former.map(FormerAnswer::from),
        }
    }
}

impl From<FormerVersion> for FormerAnswer {
    fn from(FormerVersion { version, after, upto }: FormerVersion) -> FormerAnswer {
        FormerAnswer { version, after: after.to_string(), upto: upto.to_string() }
    }
}

impl From<StateCompared> for StateAnswer {
    fn from(StateCompared { position, rows, first }: StateCompared) -> StateAnswer {
        let data = |bytes: Vec<u8>| DataAnswer::of(&bytes, false);
        let row = |(key, live, made): RowDifference| RowAnswer { key, live: live.map(data), made: made.map(data) };
        StateAnswer { position: position.to_string(), rows: rows.into(), first: first.into_iter().map(row).collect() }
    }
}

impl From<OutputDifference> for DifferenceAnswer {
    fn from(OutputDifference { kind, id, cause, recorded, made }: OutputDifference) -> DifferenceAnswer {
        DifferenceAnswer {
            kind: kind_word(kind),
            id,
            cause: cause.to_string(),
            recorded: recorded.map(ShownAnswer::from),
            made: made.map(ShownAnswer::from),
        }
    }
}

impl From<ReplayFailure> for FailureAnswer {
    fn from(ReplayFailure { position, r#type, subject, reason, message }: ReplayFailure) -> FailureAnswer {
        FailureAnswer { position: position.to_string(), r#type, subject, reason, message }
    }
}

impl From<RetellingInfo> for RetellingAnswer {
    fn from(RetellingInfo { base, kept, dropped, forgotten, derived, parked }: RetellingInfo) -> RetellingAnswer {
        RetellingAnswer { base, kept, dropped, forgotten, derived, parked }
    }
}
