//! Outputs that are held back: what a function made of events from before its deployment, and what is no entry
//! of the log until somebody releases it.

use http::StatusCode;
use retold_engine::model::{Kind, Position};
use retold_engine::store::HeldOutput;
use serde::{Deserialize, Serialize};

use super::super::admin::known;
use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::parameters::{OUTBOX_DEFAULT, OUTBOX_MAX};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;

const BODY_BYTES_MAX: usize = 4 << 10;

#[derive(Serialize)]
struct HeldAnswer {
    id: String,
    /// `command`, `timer` or `request`.
    kind: &'static str,
    r#type: String,
    subject: String,
    /// Position of the event that it was made of.
    cause: String,
}

#[derive(Serialize)]
struct HeldPageAnswer {
    outputs: Vec<HeldAnswer>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
    more: bool,
    /// Of the function, on all pages.
    total: u64,
}

impl HeldAnswer {
    fn of(held: HeldOutput) -> HeldAnswer {
        let output = held.output;
        HeldAnswer {
            kind: match output.kind {
                Kind::Event => "event",
                Kind::Command => "command",
                Kind::Timer => "timer",
                Kind::Request => "request",
            },
            id: output.id,
            r#type: output.r#type,
            subject: output.subject,
            cause: output.cause.to_string(),
        }
    }
}

/// `CAUSE:ID`, of the last output of a page.
fn place(text: &str) -> Option<(Position, &str)> {
    let (cause, id) = text.split_once(':')?;
    Some((Position(cause.parse().ok()?), id))
}

pub async fn list_held(call: Box<Call>) -> Answer {
    let query = call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name"));
    let limit = query.number("limit", OUTBOX_MAX)?.unwrap_or(OUTBOX_DEFAULT) as usize;
    let after_key = query.text("after-key")?.unwrap_or_else(|| "0:".into());
    let after = place(&after_key).ok_or_else(|| Problem::parameter("after-key", "is not the `next` of a page before: use that"))?;
    known(&namespace, name)?;
    let snapshot = namespace.reader().snapshot()?;
    let page = snapshot.held(name, after, limit)?;
    let next = page.outputs.last().filter(|_| page.more).map(|last| format!("{}:{}", last.output.cause, last.output.id));
    let total = snapshot.function(name).map_or(0, |row| snapshot.outside_counts(row.ordinal).outputs_held);
    let outputs = page.outputs.into_iter().map(HeldAnswer::of).collect();
    Ok(json(StatusCode::OK, &HeldPageAnswer { outputs, next, more: page.more, total }))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhichBody {
    id: Option<String>,
}

async fn which(call: Box<Call>) -> Result<Option<String>, Problem> {
    let body = call.whole_body(BODY_BYTES_MAX).await?;
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let WhichBody { id } = serde_json::from_slice(&body).map_err(|error| {
        let detail = format!("the body is not what this path takes ({error}): send {{\"id\":\"…\"}}, or nothing for all");
        Problem::new(&kinds::MALFORMED_REQUEST, detail).with("field", "id")
    })?;
    Ok(id)
}

pub async fn release_outputs(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    known(&namespace, &name)?;
    let id = which(call).await?;
    let released = namespace.release_outputs(&name, id.as_deref()).await?;
    Ok(json(StatusCode::OK, &serde_json::json!({ "released": released })))
}

pub async fn discard_outputs(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    known(&namespace, &name)?;
    let id = which(call).await?;
    let discarded = namespace.discard_outputs(&name, id.as_deref()).await?;
    Ok(json(StatusCode::OK, &serde_json::json!({ "discarded": discarded })))
}
