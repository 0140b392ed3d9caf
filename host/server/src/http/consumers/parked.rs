//! Events that a consumer has set aside, and another try.

use http::StatusCode;
use retold_engine::model::EntryStanding;
use retold_engine::run::Release;
use retold_engine::store::{Snapshot, StoreError};
use serde::{Deserialize, Serialize};

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::cursor::{cursor_text, parse_cursor};
use super::super::parameters::{PARKED_DEFAULT, PARKED_MAX};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::super::timestamps::timestamp_text;
use crate::drive::ParkedAside;

const BODY_BYTES_MAX: usize = 4 << 10;

#[derive(Serialize)]
struct ParkedAnswer {
    position: String,
    id: String,
    source: String,
    r#type: String,
    subject: String,
    /// `parked`, or `behind` an earlier one of its subject.
    standing: &'static str,
    reason: String,
    attempts: u32,
    since: String,
}

#[derive(Serialize)]
struct ParkedPageAnswer {
    parked: Vec<ParkedAnswer>,
    cursor: String,
    more: bool,
    /// On all pages.
    total: usize,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseBody {
    subject: Option<String>,
    position: Option<String>,
    #[serde(default)]
    skip: bool,
}

#[derive(Serialize)]
struct ReleasedAnswer {
    released: usize,
}

impl ParkedAnswer {
    fn of(log: &Snapshot, ParkedAside { position, entry }: ParkedAside) -> Result<ParkedAnswer, StoreError> {
        let record = log.record(position)?;
        let stored = record.as_ref().and_then(|record| record.event(position));
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Ok(ParkedAnswer {
            position: position.to_string(),
            id: text(stored.map(|stored| stored.id)),
            source: text(stored.map(|stored| stored.source)),
            r#type: text(stored.map(|stored| stored.r#type)),
            subject: entry.subject,
            standing: if entry.standing == EntryStanding::Behind { "behind" } else { "parked" },
            reason: entry.reason,
            attempts: entry.attempts,
            since: timestamp_text(entry.since),
        })
    }
}

pub async fn list_parked(call: Box<Call>) -> Answer {
    let query = call.query()?;
    let namespace = call.namespace()?;
    let after = query.position("after", &namespace)?.unwrap_or_default();
    let limit = query.number("limit", PARKED_MAX)?.unwrap_or(PARKED_DEFAULT) as usize;
    let (mut page, total) = namespace.parked_aside(call.parameter("name"), after, limit + 1).await?;
    let more = page.len() > limit;
    page.truncate(limit);
    let cursor = page.last().map_or(after, |parked| parked.position);
    let log = namespace.reader().snapshot()?;
    let parked = page.into_iter().map(|parked| ParkedAnswer::of(&log, parked)).collect::<Result<_, _>>()?;
    Ok(json(StatusCode::OK, &ParkedPageAnswer { parked, cursor: cursor_text(namespace.generation(), cursor), more, total }))
}

pub async fn release(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    let body = call.whole_body(BODY_BYTES_MAX).await?;
    let malformed = |what: String| Problem::new(&kinds::MALFORMED_REQUEST, what).with("field", "subject");
    let ReleaseBody { subject, position, skip } = if body.trim_ascii().is_empty() {
        ReleaseBody::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            let like = "send {\"subject\":\"order/7\"} or {\"position\":\"42\"}, with `skip` to have them dealt with, or nothing for all";
            malformed(format!("the body is not what this path takes ({error}): {like}"))
        })?
    };
    let which = match (subject, position) {
        (None, None) => Release::All,
        (Some(subject), None) => Release::Subject(subject),
        (None, Some(text)) => {
            let cursor = parse_cursor(&text).map_err(|what| Problem::parameter("position", what))?;
            Release::One(cursor.position("position", &namespace)?)
        }
        (Some(_), Some(_)) => return Err(malformed("the body has `subject` and `position`: name one of both".into())),
    };
    let released = namespace.release(&name, which, skip).await?;
    Ok(json(StatusCode::OK, &ReleasedAnswer { released }))
}
