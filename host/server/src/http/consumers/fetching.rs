//! Events for a member, under a lease.

use std::time::Duration;

use http::StatusCode;
use retold_engine::run::Given;
use serde::Deserialize;

use super::super::body::{Body, answer};
use super::super::call::{Answer, Call};
use super::super::cloudevents::EventWriter;
use super::super::json::{write_number, write_text};
use super::super::parameters::{FETCH_EVENTS_DEFAULT, FETCH_EVENTS_MAX, WAIT_SECONDS_MAX};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::durations::duration_ms;
use crate::drive::{Delivery, FetchAsk};

const BODY_BYTES_MAX: usize = 4 << 10;
/// Data of the events of one answer: the one that reaches it is the last.
const ANSWER_BYTES: usize = 4 << 20;
const MEMBER_BYTES_MAX: usize = 64;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FetchBody {
    member: Option<String>,
    limit: Option<u64>,
    wait: Option<String>,
}

fn wrong(field: &'static str, what: String) -> Problem {
    Problem::new(&kinds::INVALID_CONSUMER, format!("`{field}` {what}")).with("field", field)
}

fn read_body(body: &[u8]) -> Result<FetchAsk, Problem> {
    let asked: FetchBody = if body.trim_ascii().is_empty() {
        FetchBody::default()
    } else {
        serde_json::from_slice(body).map_err(|error| {
            let what = format!(
                "the body is not what this path takes ({error}): send {{\"member\":\"one\",\"limit\":100,\"wait\":\"5s\"}}, or nothing"
            );
            Problem::new(&kinds::MALFORMED_REQUEST, what)
        })?
    };
    let member = asked.member.unwrap_or_else(|| "member".into());
    if member.is_empty() || member.len() > MEMBER_BYTES_MAX || member.chars().any(char::is_control) {
        return Err(wrong(
            "member",
            format!("is {:?}: use a name of 1 to {MEMBER_BYTES_MAX} bytes", member.chars().take(80).collect::<String>()),
        ));
    }
    let limit = asked.limit.unwrap_or(FETCH_EVENTS_DEFAULT);
    if !(1..=FETCH_EVENTS_MAX).contains(&limit) {
        return Err(wrong("limit", format!("is {limit}: use a number from 1 to {FETCH_EVENTS_MAX}")));
    }
    let wait = Duration::from_millis(asked.wait.map_or(Ok(0), |text| duration_ms("wait", &text))?);
    if wait > Duration::from_secs(WAIT_SECONDS_MAX) {
        return Err(wrong("wait", format!("is {} s: at most {WAIT_SECONDS_MAX}s", wait.as_secs())));
    }
    Ok(FetchAsk { member, events: limit as usize, bytes: ANSWER_BYTES, wait })
}

pub async fn fetch(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    let ask = read_body(&call.whole_body(BODY_BYTES_MAX).await?)?;
    let delivery = namespace.fetch(&name, ask).await?;
    let mut writer = EventWriter::new(namespace.reader().modules());
    Ok(answer(StatusCode::OK, "application/json", Body::full(written(&delivery, &mut writer))))
}

fn written(Delivery { lease, events }: &Delivery, writer: &mut EventWriter) -> Vec<u8> {
    let mut out = b"{\"lease\":".to_vec();
    match lease {
        Some(lease) => write_text(&mut out, lease),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"events\":[");
    for (index, given) in events.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        writer.write(&mut out, &given.event());
    }
    out.extend_from_slice(b"],\"attempts\":[");
    for (index, Given { attempt, .. }) in events.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_number(&mut out, u64::from(*attempt));
    }
    out.extend_from_slice(b"]}");
    out
}
