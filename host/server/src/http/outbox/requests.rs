//! Requests to the outside that have no answer yet: listed, sent at once, released, discarded.

use http::StatusCode;
use retold_engine::model::Position;
use retold_engine::store::{OutboxFilter, OutboxState, PendingRequest};
use serde::Serialize;

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::cursor::{cursor_text, parse_cursor};
use super::super::parameters::{OUTBOX_DEFAULT, OUTBOX_MAX};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::super::timestamps::timestamp_text;
use crate::drive::{LaneInfo, Namespace, OutboxInfo};

#[derive(Serialize)]
struct RequestAnswer {
    position: String,
    /// Its idempotency key, too.
    id: String,
    function: String,
    key: Option<String>,
    subject: String,
    time: String,
    recordedtime: String,
    method: String,
    /// With the names of secrets, not with what they are.
    url: String,
    host: String,
    bytes: usize,
    /// `waiting`, `sending` or `held`.
    state: &'static str,
    attempts: u32,
    not_before: Option<String>,
    error: Option<String>,
}

#[derive(Serialize)]
struct HostAnswer {
    host: String,
    sending: usize,
    /// In a row.
    failures: u32,
    /// Nothing is sent to it for so long.
    closed_seconds: Option<u64>,
    trouble: Option<String>,
}

#[derive(Serialize)]
struct OutboxAnswer {
    requests: Vec<RequestAnswer>,
    cursor: String,
    more: bool,
    /// Of all functions.
    waiting: u64,
    held: u64,
    outputs_held: u64,
    /// False: requests that are made here are held.
    leave: bool,
    /// Why nothing leaves that could.
    off: Option<&'static str>,
    hosts: Vec<HostAnswer>,
}

const OFF: &str = "the host was started with --no-requests";

impl RequestAnswer {
    fn of(request: PendingRequest, info: &OutboxInfo) -> RequestAnswer {
        let row = request.row;
        RequestAnswer {
            state: match row.state {
                OutboxState::Held => "held",
                OutboxState::Waiting if info.under_way.contains(&request.position) => "sending",
                OutboxState::Waiting => "waiting",
            },
            position: request.position.to_string(),
            id: request.id,
            function: request.function,
            key: request.key,
            subject: request.subject,
            time: timestamp_text(request.time),
            recordedtime: timestamp_text(request.recorded),
            method: request.method,
            url: request.url,
            host: row.host,
            bytes: request.body.len(),
            attempts: row.attempts,
            not_before: (row.not_before.0 > 0).then(|| timestamp_text(row.not_before)),
            error: (!row.error.is_empty()).then_some(row.error),
        }
    }
}

impl HostAnswer {
    fn of(lane: LaneInfo) -> HostAnswer {
        let LaneInfo { host, under_way, failures, closed_for, trouble } = lane;
        HostAnswer {
            host,
            sending: under_way,
            failures,
            closed_seconds: closed_for.map(|pause| pause.as_secs_f64().ceil() as u64),
            trouble,
        }
    }
}

pub async fn list_requests(call: Box<Call>) -> Answer {
    let query = call.query()?;
    let namespace = call.namespace()?;
    let after = query.position("after", &namespace)?.unwrap_or_default();
    let limit = query.number("limit", OUTBOX_MAX)?.unwrap_or(OUTBOX_DEFAULT) as usize;
    let state = match query.text("state")?.as_deref() {
        None | Some("all") => None,
        Some("waiting") => Some(OutboxState::Waiting),
        Some("held") => Some(OutboxState::Held),
        Some(other) => return Err(Problem::parameter("state", format!("is {other:?}: use all, waiting or held"))),
    };
    let filter = OutboxFilter {
        function: query.text("function")?.map(|text| text.into_owned()),
        host: query.text("host")?.map(|text| text.into_owned()),
        state,
        ready_at: None,
    };
    let (snapshot, info) = (namespace.reader().snapshot()?, namespace.outbox());
    let page = snapshot.outbox(&filter, after, limit)?;
    let last = page.more.or(page.requests.last().map(|request| request.position)).unwrap_or(after);
    let counts = || snapshot.functions().map(|row| snapshot.outside_counts(row.ordinal));
    Ok(json(
        StatusCode::OK,
        &OutboxAnswer {
            requests: page.requests.into_iter().map(|request| RequestAnswer::of(request, &info)).collect(),
            cursor: cursor_text(namespace.generation(), last),
            more: page.more.is_some(),
            waiting: counts().map(|counts| counts.requests).sum(),
            held: counts().map(|counts| counts.requests_held).sum(),
            outputs_held: counts().map(|counts| counts.outputs_held).sum(),
            leave: info.leave,
            off: info.off.then_some(OFF),
            hosts: info.hosts.into_iter().map(HostAnswer::of).collect(),
        },
    ))
}

/// The request that the path names.
fn position(call: &Call, namespace: &Namespace) -> Result<Position, Problem> {
    call.query()?;
    let wrong = |what: String| Problem::parameter("position", what);
    parse_cursor(call.parameter("position")).map_err(wrong)?.position("position", namespace)
}

pub async fn retry(call: Box<Call>) -> Answer {
    let namespace = call.namespace()?;
    let position = position(&call, &namespace)?;
    namespace.retry_request(position).await?;
    as_it_stands(&namespace, position)
}

pub async fn release(call: Box<Call>) -> Answer {
    let namespace = call.namespace()?;
    let position = position(&call, &namespace)?;
    namespace.release_request(position).await?;
    as_it_stands(&namespace, position)
}

pub async fn discard(call: Box<Call>) -> Answer {
    let namespace = call.namespace()?;
    let position = position(&call, &namespace)?;
    namespace.discard_request(position).await?;
    Ok(json(StatusCode::OK, &serde_json::json!({ "position": position.to_string(), "discarded": true })))
}

/// A request that has its answer by now is told as what it was.
fn as_it_stands(namespace: &Namespace, position: Position) -> Answer {
    let request = namespace.reader().snapshot()?.request(position)?;
    let request = request.ok_or_else(|| {
        let detail = format!("the request at position {position} has its answer by now: `retold why {position}` shows it");
        Problem::new(&kinds::UNKNOWN_REQUEST, detail).with("position", position.to_string())
    })?;
    Ok(json(StatusCode::OK, &RequestAnswer::of(request, &namespace.outbox())))
}

/// A whole answer, for the test that holds answers against their schemas.
#[cfg(test)]
pub fn sample() -> serde_json::Value {
    let text = String::new;
    let request = RequestAnswer {
        position: text(),
        id: text(),
        function: text(),
        key: None,
        subject: text(),
        time: text(),
        recordedtime: text(),
        method: text(),
        url: text(),
        host: text(),
        bytes: 1,
        state: "waiting",
        attempts: 1,
        not_before: None,
        error: Some(text()),
    };
    let host = HostAnswer { host: text(), sending: 1, failures: 1, closed_seconds: Some(1), trouble: None };
    serde_json::to_value(OutboxAnswer {
        requests: vec![request],
        cursor: text(),
        more: false,
        waiting: 1,
        held: 0,
        outputs_held: 0,
        leave: true,
        off: Some(OFF),
        hosts: vec![host],
    })
    .unwrap_or_default()
}
