//! A consumer as answers show it.

use retold_engine::model::{ConsumerPlace, ConsumerSettings, Endpoint, EndpointForm};
use retold_engine::run::Member;
use serde::Serialize;

use super::super::cursor::{Place, write_place};
use super::super::timestamps::timestamp_text;
use crate::drive::{ConsumerInfo, Namespace};

#[derive(Serialize)]
pub struct ConsumerAnswer {
    name: String,
    types: Vec<String>,
    subjects: Vec<String>,
    tags: Vec<String>,
    attempts: u32,
    lease_ms: u64,
    expires_ms: Option<u64>,
    created: String,
    /// Everything up to here is acknowledged, what is parked aside.
    cursor: String,
    /// Events that are to be acknowledged yet.
    lag: u64,
    /// Of them, those that were read and can't be given yet.
    waiting: usize,
    /// Of them, those that are with a member.
    leased: usize,
    parked: usize,
    oldest_parked: Option<String>,
    /// Since it was made.
    acknowledged: u64,
    members: Vec<MemberAnswer>,
    endpoint: Option<EndpointAnswer>,
}

#[derive(Serialize)]
struct MemberAnswer {
    name: String,
    leased: usize,
    seen_ms_ago: u64,
}

#[derive(Serialize)]
struct EndpointAnswer {
    url: String,
    form: &'static str,
    secret: Option<String>,
    at_once: u32,
    timeout_ms: u64,
    handshake: bool,
    /// As the receiver allowed.
    per_minute: Option<u32>,
    /// Why nothing is sent there any more.
    stopped: Option<String>,
    /// What went wrong last, until something goes well.
    trouble: Option<String>,
}

pub fn form_word(form: EndpointForm) -> &'static str {
    match form {
        EndpointForm::Structured => "structured",
        EndpointForm::Binary => "binary",
        EndpointForm::Batch => "batch",
    }
}

fn cursor(place: ConsumerPlace, here: u64) -> String {
    let ConsumerPlace { generation, position, from } = place;
    let place = if generation == here { Place::Here(position) } else { Place::Earlier { generation, position, from } };
    let mut out = Vec::new();
    write_place(&mut out, here, place);
    String::from_utf8(out).unwrap_or_default()
}

impl ConsumerAnswer {
    pub fn of(namespace: &Namespace, ConsumerInfo { name, status, trouble }: ConsumerInfo) -> ConsumerAnswer {
        let ConsumerSettings { types, subjects, tags, attempts_max, lease_ms, expires_ms, endpoint } = status.row.settings;
        let stopped = status.row.stopped;
        ConsumerAnswer {
            name,
            types,
            subjects,
            tags,
            attempts: attempts_max,
            lease_ms,
            expires_ms,
            created: timestamp_text(status.row.created),
            cursor: cursor(status.acknowledged, namespace.generation()),
            lag: status.lag,
            waiting: status.waiting,
            leased: status.leased,
            parked: status.parked,
            oldest_parked: status.oldest_parked.map(timestamp_text),
            acknowledged: status.row.acknowledged,
            members: status
                .members
                .into_iter()
                .map(|Member { name, leased, seen_ms_ago }| MemberAnswer { name, leased, seen_ms_ago })
                .collect(),
            endpoint: endpoint.map(|endpoint| EndpointAnswer::of(endpoint, stopped, trouble)),
        }
    }
}

impl EndpointAnswer {
    fn of(endpoint: Endpoint, stopped: Option<String>, trouble: Option<String>) -> EndpointAnswer {
        let Endpoint { url, form, secret, at_once, timeout_ms, asks_first, per_minute_max } = endpoint;
        EndpointAnswer {
            url,
            form: form_word(form),
            secret,
            at_once,
            timeout_ms,
            handshake: asks_first,
            per_minute: per_minute_max,
            stopped,
            trouble,
        }
    }
}
