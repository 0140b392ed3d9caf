//! `GET …/functions/{name}/logs`: what a function said, as a page or as a stream to follow.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};
use retold_engine::model::LogLevel;
use serde::Serialize;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::admin::{known, level_word};
use super::body::{Body, StreamBroken, answer, json};
use super::call::{Answer, Call};
use super::parameters::{LOG_LINES_DEFAULT, LOG_LINES_MAX};
use super::problem::Problem;
use super::race::{First, race};
use super::site::Site;
use super::timestamps::timestamp_text;
use crate::drive::{FunctionLog, LogLine};

#[derive(Serialize)]
struct LineAnswer {
    number: u64,
    time: String,
    level: &'static str,
    message: String,
}

impl From<LogLine> for LineAnswer {
    fn from(line: LogLine) -> LineAnswer {
        LineAnswer { number: line.number, time: timestamp_text(line.time), level: level_word(line.level), message: line.message }
    }
}

#[derive(Serialize)]
struct LogsAnswer {
    lines: Vec<LineAnswer>,
    /// Lines after the place asked for that are no longer kept.
    lost: u64,
    /// Number of the last line there is.
    last: u64,
}

pub async fn logs(call: Box<Call>) -> Answer {
    let namespace = call.namespace()?;
    let name = call.parameter("name");
    known(&namespace, name)?;
    let query = call.query()?;
    let level = match query.text("level")?.as_deref() {
        None | Some("trace") => LogLevel::Trace,
        Some("debug") => LogLevel::Debug,
        Some("info") => LogLevel::Info,
        Some("warn") => LogLevel::Warn,
        Some("error") => LogLevel::Error,
        Some(other) => return Err(Problem::parameter("level", format!("is {other:?}: use trace, debug, info, warn or error"))),
    };
    let limit = query.number("limit", LOG_LINES_MAX)?.unwrap_or(LOG_LINES_DEFAULT) as usize;
    let log = namespace.log(name);
    let after = match query.text("after-line")? {
        Some(text) => {
            let number = text.parse().map_err(|_| Problem::parameter("after-line", format!("is {text:?}: use the number of a line")))?;
            Some(number)
        }
        None => None,
    };
    let last_seen = call.headers().get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let after = last_seen.or(after).unwrap_or_else(|| {
        let latest = log.latest(limit);
        latest.first().map_or(0, |line| line.number - 1)
    });
    if call.headers().get("accept").is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream")) {
        return Ok(follow(&call.site, log, after, level));
    }
    let page = log.after(after, level, limit);
    Ok(json(
        StatusCode::OK,
        &LogsAnswer { lines: page.lines.into_iter().map(LineAnswer::from).collect(), lost: page.lost, last: page.last },
    ))
}

fn follow(site: &Arc<Site>, log: Arc<FunctionLog>, after: u64, level: LogLevel) -> Response<Body> {
    let (sender, body) = Body::stream();
    let site = site.clone();
    tokio::spawn(async move { send_all(&site, &log, after, level, &sender).await });
    let mut response = answer(StatusCode::OK, "text/event-stream", body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Ends when the client is gone or the host stops.
async fn send_all(site: &Site, log: &FunctionLog, mut after: u64, level: LogLevel, sender: &Sender<Result<Bytes, StreamBroken>>) {
    const LINES_AT_ONCE: usize = 200;
    let mut changes = log.changes();
    let mut stopping = site.host.stopping();
    while !*stopping.borrow() {
        changes.mark_unchanged();
        let page = log.after(after, level, LINES_AT_ONCE);
        if page.lines.is_empty() {
            after = page.last;
            let news = race(changes.changed(), stopping.changed());
            match timeout(site.options.heartbeat, race(news, sender.closed())).await {
                Ok(First::One(_)) => continue,
                Ok(First::Other(())) => return,
                Err(_) => {
                    if sender.send(Ok(Bytes::from_static(b": alive\n\n"))).await.is_err() {
                        return;
                    }
                    continue;
                }
            }
        }
        let mut out = Vec::new();
        for line in page.lines {
            after = line.number;
            out.extend_from_slice(format!("id: {after}\ndata: ").as_bytes());
            out.extend_from_slice(&serde_json::to_vec(&LineAnswer::from(line)).unwrap_or_default());
            out.extend_from_slice(b"\n\n");
        }
        if sender.send(Ok(Bytes::from(out))).await.is_err() {
            return;
        }
    }
}
