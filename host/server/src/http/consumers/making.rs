//! Making consumers, looking at them, dropping them.

use http::StatusCode;
use retold_engine::model::{ConsumerSettings, Endpoint, EndpointForm, Position, limits};
use serde::{Deserialize, Serialize};

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::cursor::{Place, parse_cursor};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::answer::ConsumerAnswer;
use super::durations::duration_ms;
use crate::drive::{Namespace, NewConsumer, StartAt};

const BODY_BYTES_MAX: usize = 128 << 10;
const ATTEMPTS_DEFAULT: u32 = 5;
const AT_ONCE_DEFAULT: u32 = 4;
const TIMEOUT_MS_DEFAULT: u64 = 10_000;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsumerBody {
    types: Option<Vec<String>>,
    subjects: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    start: Option<String>,
    attempts: Option<u32>,
    lease: Option<String>,
    expires: Option<String>,
    endpoint: Option<EndpointBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointBody {
    url: String,
    form: Option<String>,
    secret: Option<String>,
    at_once: Option<u32>,
    timeout: Option<String>,
    handshake: Option<bool>,
}

#[derive(Serialize)]
struct ConsumersAnswer {
    consumers: Vec<ConsumerAnswer>,
}

#[derive(Serialize)]
struct ConsumerDropped {
    consumer: String,
}

fn read_body(body: &[u8]) -> Result<ConsumerBody, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(ConsumerBody::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = format!(
            "the body is not what this path takes ({error}): send {{\"types\":[\"order.*\"],\"start\":\"now\",\"lease\":\"30s\"}}, or nothing for all events from the beginning"
        );
        Problem::new(&kinds::MALFORMED_REQUEST, what)
    })
}

impl EndpointBody {
    fn checked(self) -> Result<Endpoint, Problem> {
        let form = match self.form.as_deref() {
            None | Some("structured") => EndpointForm::Structured,
            Some("binary") => EndpointForm::Binary,
            Some("batch") => EndpointForm::Batch,
            Some(other) => {
                let what = format!("`endpoint.form` is {other:?}: use structured, binary or batch");
                return Err(Problem::new(&kinds::INVALID_CONSUMER, what).with("field", "endpoint.form"));
            }
        };
        let timeout_ms = self.timeout.map(|text| duration_ms("endpoint.timeout", &text)).transpose()?;
        Ok(Endpoint {
            url: self.url,
            form,
            secret: self.secret,
            at_once: self.at_once.unwrap_or(AT_ONCE_DEFAULT),
            timeout_ms: timeout_ms.unwrap_or(TIMEOUT_MS_DEFAULT),
            asks_first: self.handshake.unwrap_or(true),
            per_minute_max: None,
        })
    }
}

fn start_at(text: Option<&str>, namespace: &Namespace) -> Result<StartAt, Problem> {
    let here = namespace.generation();
    let after = |position| StartAt::After { generation: here, position, from: Position::START };
    match text {
        None | Some("beginning") => Ok(after(Position::START)),
        Some("now") => Ok(StartAt::Now),
        Some(text) => {
            let cursor = parse_cursor(text).map_err(|what| Problem::parameter("start", format!("{what}; or use beginning, or now")))?;
            match cursor.place("start", namespace)? {
                Place::Here(position) => {
                    let head = namespace.reader().head();
                    if position > head {
                        let what = format!("is {position}, and this log ends at {head}: is the cursor another log's? Use now for the end");
                        return Err(Problem::parameter("start", what).with("position", head.to_string()));
                    }
                    Ok(after(position))
                }
                Place::Earlier { generation, position, from } => Ok(StartAt::After { generation, position, from }),
            }
        }
    }
}

pub async fn set_consumer(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    let body = read_body(&call.whole_body(BODY_BYTES_MAX).await?)?;
    let start = start_at(body.start.as_deref(), &namespace)?;
    let settings = ConsumerSettings {
        types: body.types.filter(|types| !types.is_empty()).unwrap_or_else(|| vec!["*".into()]),
        subjects: body.subjects.unwrap_or_default(),
        tags: body.tags.unwrap_or_default(),
        attempts_max: body.attempts.unwrap_or(ATTEMPTS_DEFAULT),
        lease_ms: body.lease.map_or(Ok(limits::CONSUMER_LEASE_MS_DEFAULT), |text| duration_ms("lease", &text))?,
        expires_ms: body.expires.map(|text| duration_ms("expires", &text)).transpose()?,
        endpoint: body.endpoint.map(EndpointBody::checked).transpose()?,
    };
    let (info, is_new) = namespace.set_consumer(&name, NewConsumer { settings, start }).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, &ConsumerAnswer::of(&namespace, info)))
}

pub async fn one_consumer(call: Box<Call>) -> Answer {
    call.query()?;
    let namespace = call.namespace()?;
    let info = namespace.consumer(call.parameter("name")).await?;
    Ok(json(StatusCode::OK, &ConsumerAnswer::of(&namespace, info)))
}

pub async fn list_consumers(call: Box<Call>) -> Answer {
    call.query()?;
    let namespace = call.namespace()?;
    let asked = namespace.clone();
    // Each counts on from where it counted last, which may take a while the first time.
    let all = tokio::task::spawn_blocking(move || asked.consumers()).await;
    let all = all.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
    let consumers = all.into_iter().map(|info| ConsumerAnswer::of(&namespace, info)).collect();
    Ok(json(StatusCode::OK, &ConsumersAnswer { consumers }))
}

pub async fn drop_consumer(call: Box<Call>) -> Answer {
    call.query()?;
    let name = call.parameter("name").to_owned();
    call.namespace()?.drop_consumer(&name).await?;
    Ok(json(StatusCode::OK, &ConsumerDropped { consumer: name }))
}
