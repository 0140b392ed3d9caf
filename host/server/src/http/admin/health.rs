//! Whether the host lives, and whether it can do its work.

use std::collections::BTreeMap;

use http::StatusCode;
use retold_engine::model::Timestamp;
use serde::Serialize;

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::timestamps::timestamp_text;
use crate::drive::Namespace;

#[derive(Serialize)]
struct AliveAnswer {
    status: &'static str,
}

/// 200 while requests are answered at all.
pub async fn alive(_: Box<Call>) -> Answer {
    Ok(json(StatusCode::OK, &AliveAnswer { status: "alive" }))
}

#[derive(Serialize)]
struct ReadyAnswer {
    ready: bool,
    disk: DiskReady,
    namespaces: Vec<NamespaceReady>,
}

/// Of the file system on which the data lies.
#[derive(Serialize)]
struct DiskReady {
    free_bytes: Option<u64>,
    /// Where less is free, nothing is taken in.
    reserve_bytes: u64,
}

#[derive(Serialize)]
struct NamespaceReady {
    name: String,
    /// False: its storage failed, is being opened, or has no space.
    writable: bool,
    head: String,
    /// Of the function that is furthest behind.
    lag: u64,
    parked: u64,
    parked_reasons: BTreeMap<String, u64>,
    oldest_parked: Option<String>,
    oldest_parked_seconds: Option<u64>,
    halted: Vec<String>,
    /// How long the next timer or schedule has been due.
    timers_overdue_seconds: u64,
    requests_waiting: u64,
    requests_held: u64,
    /// Nothing is sent to them for now.
    hosts_down: Vec<String>,
}

/// 200 when every namespace can be written, else 503. Lag and parked events are told, not judged; and only of
/// namespaces that are open to who asks.
pub async fn ready(call: Box<Call>) -> Answer {
    let host = &call.site.host;
    let now = host.now();
    let ready = host.is_ready();
    let seen = host.namespaces().into_iter().filter(|namespace| call.pass.sees(namespace.name()));
    let namespaces = seen.map(|namespace| NamespaceReady::of(&namespace, now)).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let (free_bytes, reserve_bytes) = host.disk_space();
    Ok(json(status, &ReadyAnswer { ready, disk: DiskReady { free_bytes, reserve_bytes }, namespaces }))
}

impl NamespaceReady {
    fn of(namespace: &Namespace, now: Timestamp) -> NamespaceReady {
        let functions = namespace.functions();
        let oldest = functions.iter().filter_map(|function| function.oldest_parked).min();
        let mut parked_reasons = BTreeMap::new();
        for (reason, count) in functions.iter().flat_map(|function| &function.parked_reasons) {
            *parked_reasons.entry(reason.clone()).or_default() += count;
        }
        NamespaceReady {
            name: namespace.name().to_owned(),
            writable: namespace.is_writable(),
            head: namespace.reader().head().to_string(),
            lag: functions.iter().map(|function| function.lag).max().unwrap_or_default(),
            parked: functions.iter().map(|function| function.parked).sum(),
            parked_reasons,
            oldest_parked: oldest.map(timestamp_text),
            oldest_parked_seconds: oldest.map(|oldest| now.0.saturating_sub(oldest.0) / 1_000_000),
            halted: functions
                .iter()
                .filter(|function| super::functions::status_word(&function.status) == "halted")
                .map(|function| function.name.clone())
                .collect(),
            timers_overdue_seconds: namespace.timers_overdue_us() / 1_000_000,
            requests_waiting: functions.iter().map(|function| function.requests.requests).sum(),
            requests_held: functions.iter().map(|function| function.requests.requests_held).sum(),
            hosts_down: namespace.outbox().hosts.into_iter().filter(|host| host.closed_for.is_some()).map(|host| host.host).collect(),
        }
    }
}
