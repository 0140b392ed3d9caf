//! What a member says of what it was given.

use http::StatusCode;
use retold_engine::model::{Position, limits};
use retold_engine::run::{ConsumerRefused, GiveBack, Which};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::cursor::{Place, parse_cursor};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::durations::duration_ms;
use crate::drive::Namespace;

/// Positions of a whole fetch.
const BODY_BYTES_MAX: usize = 256 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcknowledgeBody {
    lease: String,
    member: Option<String>,
    positions: Option<Vec<String>>,
    upto: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtendBody {
    lease: String,
    member: Option<String>,
    r#for: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GiveBackBody {
    lease: String,
    member: Option<String>,
    positions: Option<Vec<String>>,
    upto: Option<String>,
    reason: Option<String>,
    delay: Option<String>,
    #[serde(default)]
    park: bool,
}

#[derive(Serialize)]
struct LeaseAnswer {
    lease: String,
    /// Events that are still out under it.
    left: usize,
}

async fn read_body<T: DeserializeOwned>(call: Box<Call>, like: &str) -> Result<T, Problem> {
    let body = call.whole_body(BODY_BYTES_MAX).await?;
    serde_json::from_slice(&body).map_err(|error| {
        Problem::new(&kinds::MALFORMED_REQUEST, format!("the body is not what this path takes ({error}): send {like}"))
            .with("field", "lease")
    })
}

fn position(text: &str, namespace: &Namespace) -> Result<Position, Problem> {
    let cursor = parse_cursor(text).map_err(|what| Problem::parameter("positions", what))?;
    match cursor.place("positions", namespace)? {
        Place::Here(position) => Ok(position),
        // Leases don't outlive the log that they were given for.
        Place::Earlier { .. } => Err(ConsumerRefused::UnknownLease.into()),
    }
}

fn which(positions: Option<Vec<String>>, upto: Option<String>, namespace: &Namespace) -> Result<Which, Problem> {
    match (positions, upto) {
        (None, None) => Ok(Which::All),
        (Some(positions), None) => Ok(Which::These(positions.iter().map(|text| position(text, namespace)).collect::<Result<_, _>>()?)),
        (None, Some(upto)) => Ok(Which::UpTo(position(&upto, namespace)?)),
        (Some(_), Some(_)) => {
            let what = "the body has `positions` and `upto`: name the events in one way; leave the other out";
            Err(Problem::new(&kinds::MALFORMED_REQUEST, what).with("field", "upto"))
        }
    }
}

pub async fn acknowledge(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    let AcknowledgeBody { lease, member, positions, upto } =
        read_body(call, "{\"lease\":\"…\",\"positions\":[\"42\"]}, with `upto` instead of `positions`, or neither for all").await?;
    let which = which(positions, upto, &namespace)?;
    let left = namespace.acknowledge(&name, lease.clone(), member, which).await?;
    Ok(json(StatusCode::OK, &LeaseAnswer { lease, left }))
}

pub async fn extend(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    let ExtendBody { lease, member, r#for } = read_body(call, "{\"lease\":\"…\",\"for\":\"30s\"}").await?;
    let lease_ms = r#for.map(|text| duration_ms("for", &text)).transpose()?;
    let left = namespace.extend(&name, lease.clone(), member, lease_ms).await?;
    Ok(json(StatusCode::OK, &LeaseAnswer { lease, left }))
}

pub async fn give_back(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    let GiveBackBody { lease, member, positions, upto, reason, delay, park } =
        read_body(call, "{\"lease\":\"…\",\"positions\":[\"42\"],\"reason\":\"the mail server is down\"}").await?;
    let which = which(positions, upto, &namespace)?;
    let mut reason = reason.unwrap_or_else(|| "given back".into());
    reason.truncate(reason.floor_char_boundary(limits::CONSUMER_REASON_BYTES_MAX));
    let delay_ms = delay.map(|text| duration_ms("delay", &text)).transpose()?.map(|ms| ms.min(limits::CONSUMER_LEASE_MS_MAX));
    let how = GiveBack { reason, delay_ms, counts: true, park };
    let left = namespace.give_back(&name, lease.clone(), member, which, how).await?;
    Ok(json(StatusCode::OK, &LeaseAnswer { lease, left }))
}
