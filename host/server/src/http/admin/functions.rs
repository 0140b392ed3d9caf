//! Functions: how they stand, and the operator's words to them.

use std::collections::BTreeMap;

use http::StatusCode;
use retold_engine::model::{FailurePolicy, LogLevel, Position, Start};
use retold_engine::store::{Control, FunctionStatus};
use serde::{Deserialize, Serialize};

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::cursor::{cursor_text, parse_cursor};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::super::timestamps::timestamp_text;
use super::super::upgrades::kind_of_function;
use crate::drive::{FunctionInfo, Namespace};

const BODY_BYTES_MAX: usize = 4 << 10;

#[derive(Serialize)]
struct FunctionAnswer {
    name: String,
    kind: &'static str,
    module: String,
    version: String,
    digest: String,
    /// `active`, `paused`, `halted` or `retired`.
    status: &'static str,
    /// Where and why it stopped.
    halted: Option<Halted>,
    rebuilding: bool,
    cursor: String,
    lag: u64,
    parked: u64,
    /// Of the oldest 10,000.
    parked_reasons: BTreeMap<String, u64>,
    /// Of the parked ones, those that are about to be tried again.
    released: u64,
    timers: u64,
    oldest_parked: Option<String>,
    /// To the outside, without an answer.
    requests_waiting: u64,
    requests_held: u64,
    /// Made of events from before its deployment, and no entries of the log yet.
    outputs_held: u64,
    retrying: Option<Retrying>,
    subscribes: Vec<String>,
    emits: Vec<String>,
    decides: Vec<String>,
    start: &'static str,
    failure_policy: &'static str,
    limits: Limits,
    counts: Counts,
    log: Vec<LogLine>,
}

#[derive(Serialize)]
struct Halted {
    position: String,
    reason: String,
    message: String,
}

#[derive(Serialize)]
struct Retrying {
    position: String,
    attempts: u32,
    message: String,
}

#[derive(Serialize)]
struct Limits {
    fuel_per_call: u64,
    memory_bytes: u64,
    attempts: u32,
}

/// Since the host started.
#[derive(Serialize)]
struct Counts {
    handled: u64,
    emitted: u64,
    failed_attempts: u64,
    parked: u64,
    calls: u64,
    busy_us: u64,
}

#[derive(Serialize)]
struct LogLine {
    time: String,
    level: &'static str,
    message: String,
}

#[derive(Serialize)]
struct FunctionsAnswer {
    functions: Vec<FunctionAnswer>,
}

/// The word for a level, as answers use it.
pub fn level_word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

/// The word for a status, as answers and metrics use it.
pub fn status_word(status: &FunctionStatus) -> &'static str {
    match status {
        FunctionStatus::Active => "active",
        FunctionStatus::Paused => "paused",
        FunctionStatus::Halted { .. } => "halted",
        FunctionStatus::Retired => "retired",
    }
}

impl FunctionAnswer {
    fn of(info: FunctionInfo, generation: u64) -> FunctionAnswer {
        FunctionAnswer {
            kind: kind_of_function(info.kind),
            digest: format!("sha256:{}", info.digest),
            status: status_word(&info.status),
            halted: match info.status {
                FunctionStatus::Halted { position, reason, message } => Some(Halted { position: position.to_string(), reason, message }),
                _ => None,
            },
            cursor: cursor_text(generation, info.cursor),
            oldest_parked: info.oldest_parked.map(timestamp_text),
            requests_waiting: info.requests.requests,
            requests_held: info.requests.requests_held,
            outputs_held: info.requests.outputs_held,
            retrying: info.retrying.map(|retrying| Retrying {
                position: retrying.position.to_string(),
                attempts: retrying.attempts,
                message: retrying.message,
            }),
            start: match info.start {
                Start::Now => "now",
                Start::Beginning => "beginning",
            },
            failure_policy: match info.failure_policy {
                FailurePolicy::Park => "park",
                FailurePolicy::Halt => "halt",
            },
            limits: Limits { fuel_per_call: info.fuel_per_call, memory_bytes: info.memory_bytes, attempts: info.attempts_max },
            counts: Counts {
                handled: info.counts.handled,
                emitted: info.counts.emitted,
                failed_attempts: info.counts.failed_attempts,
                parked: info.counts.parked,
                calls: info.counts.calls,
                busy_us: info.counts.busy_us,
            },
            log: info
                .log
                .into_iter()
                .map(|line| LogLine { time: timestamp_text(line.time), level: level_word(line.level), message: line.message })
                .collect(),
            name: info.name,
            module: info.module,
            version: info.version,
            rebuilding: info.rebuilding,
            lag: info.lag,
            parked: info.parked,
            parked_reasons: info.parked_reasons,
            released: info.released,
            timers: info.timers,
            subscribes: info.subscribes,
            emits: info.emits,
            decides: info.decides,
        }
    }
}

pub async fn list_functions(call: Box<Call>) -> Answer {
    call.query()?;
    let namespace = call.namespace()?;
    let generation = namespace.generation();
    let functions = namespace.functions().into_iter().map(|info| FunctionAnswer::of(info, generation)).collect();
    Ok(json(StatusCode::OK, &FunctionsAnswer { functions }))
}

pub async fn one_function(call: Box<Call>) -> Answer {
    call.query()?;
    as_it_stands(&call.namespace()?, call.parameter("name"))
}

pub async fn pause(call: Box<Call>) -> Answer {
    call.query()?;
    control(&call, Control::Pause).await
}

pub async fn resume(call: Box<Call>) -> Answer {
    call.query()?;
    control(&call, Control::Resume).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RewindBody {
    to: String,
}

pub async fn rewind(call: Box<Call>) -> Answer {
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    let to = call.query()?.position("to", &namespace)?;
    known(&namespace, &name)?;
    let to = match to {
        Some(to) => to,
        None => position_in(&call.whole_body(BODY_BYTES_MAX).await?, &namespace)?,
    };
    let head = namespace.reader().head();
    if to > head {
        return Err(
            Problem::parameter("to", format!("is {to}, and the log ends at {head}: rewinding goes back")).with("head", head.to_string())
        );
    }
    namespace.control(&name, Control::Rewind(to)).await?;
    as_it_stands(&namespace, &name)
}

fn position_in(body: &[u8], namespace: &Namespace) -> Result<Position, Problem> {
    let RewindBody { to } = serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            &kinds::MALFORMED_REQUEST,
            format!("it isn't told where to rewind to ({error}): add ?to=POSITION, or send {{\"to\":\"0\"}}"),
        )
        .with("field", "to")
    })?;
    parse_cursor(&to).map_err(|what| Problem::parameter("to", what))?.position("to", namespace)
}

async fn control(call: &Call, control: Control) -> Answer {
    let (namespace, name) = (call.namespace()?, call.parameter("name"));
    known(&namespace, name)?;
    namespace.control(name, control).await?;
    as_it_stands(&namespace, name)
}

/// The function's answer, read after a change was committed.
pub fn as_it_stands(namespace: &Namespace, name: &str) -> Answer {
    Ok(json(StatusCode::OK, &FunctionAnswer::of(known(namespace, name)?, namespace.generation())))
}

pub fn known(namespace: &Namespace, name: &str) -> Result<FunctionInfo, Problem> {
    namespace.function(name).ok_or_else(|| {
        let detail =
            format!("there is no function {name:?} in namespace {:?}: GET …/functions lists those that there are", namespace.name());
        Problem::new(&kinds::UNKNOWN_FUNCTION, detail).with("function", name)
    })
}
