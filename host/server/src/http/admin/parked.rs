//! Parked events: listed, released, skipped.

use http::StatusCode;
use retold_engine::model::{WhichParked, limits};
use retold_engine::store::{Control, Parked, Snapshot, StoreError};
use serde::{Deserialize, Serialize};

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::cursor::{cursor_text, parse_cursor};
use super::super::parameters::{PARKED_DEFAULT, PARKED_MAX};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::super::timestamps::timestamp_text;
use super::functions::{as_it_stands, known};

const BODY_BYTES_MAX: usize = 4 << 10;

#[derive(Serialize)]
struct ParkedAnswer {
    position: String,
    id: String,
    source: String,
    r#type: String,
    subject: String,
    /// One word, such as `trap` or `behind`.
    reason: String,
    message: String,
    attempts: u32,
    since: String,
    /// It waits to be tried again.
    released: bool,
}

#[derive(Serialize)]
struct ParkedPageAnswer {
    parked: Vec<ParkedAnswer>,
    /// Where the next page begins, if `more`.
    cursor: String,
    more: bool,
    /// Of the function, on all pages.
    total: u64,
}

impl ParkedAnswer {
    fn of(snapshot: &Snapshot, Parked { event, released }: Parked) -> Result<ParkedAnswer, StoreError> {
        let record = snapshot.record(event.position)?;
        let stored = record.as_ref().and_then(|record| record.event(event.position));
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Ok(ParkedAnswer {
            position: event.position.to_string(),
            id: text(stored.map(|stored| stored.id)),
            source: text(stored.map(|stored| stored.source)),
            r#type: text(stored.map(|stored| stored.r#type)),
            subject: event.subject,
            reason: event.reason,
            message: event.message,
            attempts: event.attempts,
            since: timestamp_text(event.since),
            released,
        })
    }
}

pub async fn list_parked(call: Box<Call>) -> Answer {
    let query = call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name"));
    let after = query.position("after", &namespace)?.unwrap_or_default();
    let limit = query.number("limit", PARKED_MAX)?.unwrap_or(PARKED_DEFAULT);
    known(&namespace, name)?;
    let snapshot = namespace.reader().snapshot()?;
    let Some(row) = snapshot.function(name).cloned() else {
        return as_it_stands(&namespace, name);
    };
    let page = snapshot.parked(row.ordinal, after, limit as usize)?;
    let cursor = page.events.last().map_or(after, |parked| parked.event.position);
    let parked = page.events.into_iter().map(|parked| ParkedAnswer::of(&snapshot, parked)).collect::<Result<_, _>>()?;
    Ok(json(
        StatusCode::OK,
        &ParkedPageAnswer { parked, cursor: cursor_text(namespace.generation(), cursor), more: page.more, total: row.parked },
    ))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseBody {
    subject: Option<String>,
    position: Option<String>,
    #[serde(default)]
    skip: bool,
    reason: Option<String>,
}

pub async fn release(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    known(&namespace, &name)?;
    let body = call.whole_body(BODY_BYTES_MAX).await?;
    let malformed = |what: String, field: &'static str| Problem::new(&kinds::MALFORMED_REQUEST, what).with("field", field);
    let ReleaseBody { subject, position, skip, reason } = if body.trim_ascii().is_empty() {
        ReleaseBody::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            let like = "send {\"subject\":\"order/7\"} or {\"position\":\"42\"}, with `skip` to have them dealt with, or nothing for all";
            malformed(format!("the body is not what this path takes ({error}): {like}"), "subject")
        })?
    };
    let which = match (subject, position) {
        (None, None) => WhichParked::All,
        (Some(subject), None) => WhichParked::Subject(subject),
        (None, Some(text)) => {
            let cursor = parse_cursor(&text).map_err(|what| Problem::parameter("position", what))?;
            WhichParked::One(cursor.position("position", &namespace)?)
        }
        (Some(_), Some(_)) => return Err(malformed("the body has `subject` and `position`: name one of both".into(), "position")),
    };
    let control = match (skip, reason) {
        (false, None) => Control::Release(which),
        (false, Some(_)) => {
            return Err(malformed("the body has a `reason` without `skip`: what is tried again needs none".into(), "reason"));
        }
        (true, reason) => Control::Skip { which, reason: checked(reason.unwrap_or_default())? },
    };
    namespace.control(&name, control).await?;
    as_it_stands(&namespace, &name)
}

/// The log keeps it for good.
fn checked(reason: String) -> Result<String, Problem> {
    if reason.len() > limits::SKIP_REASON_BYTES_MAX {
        let what = format!("is a text of {} bytes: at most {}", reason.len(), limits::SKIP_REASON_BYTES_MAX);
        return Err(Problem::parameter("reason", what));
    }
    Ok(reason)
}
