//! Views: rows by key, pages of rows, and queries in the view's own words. Every answer tells how far the
//! view has come.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use retold_engine::model::{Position, Query as Question, limits};
use serde_json::json;

use super::body::{self, Body, answer};
use super::call::{Answer, Call};
use super::json::{write_number, write_text};
use super::parameters::{ROWS_DEFAULT, ROWS_MAX, WAIT_SECONDS_MAX};
use super::problem::Problem;
use super::problem_kinds as kinds;
use super::upload;
use super::values::write_value;
use crate::drive::{Namespace, ViewRead};

/// How long a reader waits for `min-position`, unless it says otherwise.
const MIN_POSITION_SECONDS_DEFAULT: u64 = 5;
/// Where a page ends, though more rows were asked for.
const PAGE_BYTES: usize = 8 << 20;
/// A question's data.
const QUESTION_BYTES_MAX: usize = 1 << 20;

const POSITION: HeaderName = HeaderName::from_static("retold-position");
const LAG: HeaderName = HeaderName::from_static("retold-lag");

/// From where on a view may be read, and how long to wait for that.
struct Freshness {
    min: Option<Position>,
    timeout: Duration,
}

fn freshness(call: &Call, namespace: &Namespace) -> Result<Freshness, Problem> {
    let query = call.query()?;
    let min = query.position("min-position", namespace)?;
    let timeout = query.duration("timeout", Duration::from_secs(WAIT_SECONDS_MAX))?;
    let default = Duration::from_secs(if min.is_some() { MIN_POSITION_SECONDS_DEFAULT } else { 0 });
    Ok(Freshness { min, timeout: timeout.unwrap_or(default) })
}

async fn view(call: &Call) -> Result<ViewRead, Problem> {
    let namespace = call.namespace()?;
    let Freshness { min, timeout } = freshness(call, &namespace)?;
    Ok(namespace.view(call.parameter("name"), min, timeout).await?)
}

pub async fn row(call: Box<Call>) -> Answer {
    let key = call.decoded("key")?;
    let view = view(&call).await?;
    let Some(value) = view.snapshot.get(&key)? else {
        let detail = format!(
            "view {} has no row {key:?} at position {}: GET …/views/{}?prefix= lists its keys",
            view.row.name, view.position, view.row.name
        );
        let problem = Problem::new(&kinds::UNKNOWN_ROW, detail).with("key", key);
        return Err(problem.with("position", view.position.to_string()).with("lag", view.lag));
    };
    let mut out = Vec::with_capacity(value.len() + key.len() + 64);
    out.push(b'{');
    write_row(&mut out, &key, &value);
    write_place(&mut out, &view);
    out.push(b'}');
    Ok(answer(StatusCode::OK, "application/json", Body::full(out)))
}

pub async fn rows(call: Box<Call>) -> Answer {
    let query = call.query()?;
    let prefix = query.text("prefix")?.unwrap_or_default().into_owned();
    let after = query.text("after-key")?.map(|key| key.into_owned());
    let limit = query.number("limit", ROWS_MAX)?.unwrap_or(ROWS_DEFAULT) as usize;
    let view = view(&call).await?;
    let (page, view) = tokio::task::spawn_blocking(move || {
        let page = view.snapshot.scan(&prefix, after.as_deref(), limit + 1);
        (page, view)
    })
    .await
    .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    let page = page?;
    let mut out = b"{\"rows\":[".to_vec();
    let mut written = 0;
    for (key, value) in page.iter().take(limit) {
        if written > 0 {
            if out.len() + value.len() > PAGE_BYTES {
                break;
            }
            out.push(b',');
        }
        out.push(b'{');
        write_row(&mut out, key, value);
        out.push(b'}');
        written += 1;
    }
    let more = written < page.len();
    out.extend_from_slice(if more { b"],\"more\":true,\"next\":" } else { b"],\"more\":false,\"next\":" });
    match page.get(written.wrapping_sub(1)).filter(|_| more) {
        Some((last, _)) => write_text(&mut out, last),
        None => out.extend_from_slice(b"null"),
    }
    write_place(&mut out, &view);
    out.push(b'}');
    Ok(answer(StatusCode::OK, "application/json", Body::full(out)))
}

fn write_row(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    out.extend_from_slice(b"\"key\":");
    write_text(out, key);
    out.push(b',');
    write_value(out, "value", value);
}

fn write_place(out: &mut Vec<u8>, view: &ViewRead) {
    out.extend_from_slice(b",\"position\":\"");
    write_number(out, view.position.0);
    out.extend_from_slice(b"\",\"lag\":");
    write_number(out, view.lag);
}

pub async fn query(call: Box<Call>) -> Answer {
    let namespace = call.namespace()?;
    let name = call.parameter("name").to_owned();
    let Freshness { min, timeout } = freshness(&call, &namespace)?;
    let question = call.query()?.text("name")?.map(|text| text.into_owned()).unwrap_or_default();
    let Call { site, parts, body, .. } = *call;
    let body = upload::whole(body, &parts.headers, QUESTION_BYTES_MAX, &site.bodies).await?;
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if content_type.as_ref().is_some_and(|text| text.len() > limits::CONTENT_TYPE_BYTES_MAX) {
        return Err(Problem::parameter("Content-Type", format!("is longer than {} bytes: shorten it", limits::CONTENT_TYPE_BYTES_MAX)));
    }
    let question = Question { name: question, content_type, data: body.to_vec() };
    drop(body);
    let answered = namespace.query(&name, question, min, timeout).await?;
    let mut response = body::answer(StatusCode::OK, "application/json", Body::full(answered.payload.data));
    let media = HeaderValue::from_str(&answered.payload.content_type).map_err(|_| {
        Problem::new(&kinds::FUNCTION_FAILED, format!("view {name} answered with a content type that no header can hold: mend its module"))
    })?;
    response.headers_mut().insert(CONTENT_TYPE, media);
    body::own_words(&mut response);
    response.headers_mut().insert(POSITION, HeaderValue::from(answered.position.0));
    response.headers_mut().insert(LAG, HeaderValue::from(answered.lag));
    Ok(response)
}

pub async fn rebuild(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    let head = namespace.reader().head();
    tokio::task::spawn_blocking(move || namespace.rebuild_view(&name))
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
    Ok(body::json(StatusCode::ACCEPTED, &json!({ "view": call.parameter("name"), "until": head.to_string() })))
}
