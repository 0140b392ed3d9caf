//! What reaches beyond the log: timers that wait and fire, requests to a server beside the bench, webhooks that
//! come in. On a host of the bench's own, which may reach that server and has the secret.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::goals::Figure;
use super::load::{LINES_PER_CHUNK, Until};
use super::own_host::{OwnHost, SECRET};
use super::samples::median;
use super::server::Server;
use super::session::{Measured, Session};
use crate::cli::client::Client;
use crate::cli::clock;
use crate::cli::handling;
use crate::cli::progress::Progress;

const EXAMPLE: &str = "bench/outside";
const INGRESS: &str = "bench-ingress";
const TIMERS: &str = "bench-timers";
const NO_TIMERS: &str = "bench-no-timers";
const FIRED: &str = "bench-fired";
const REQUESTS: &str = "bench-requests";
/// Appends in turn, with timers that wait and without.
const TURNS: usize = 7;
const TURN: Duration = Duration::from_millis(500);
/// Timers that are due at one moment.
const HERD: u64 = 200_000;
/// How long there is to set them.
const HERD_LEAD: Duration = Duration::from_secs(20);
/// Requests of the handler.
const ASKED: u64 = 30_000;
/// What the bench itself has under way at once, to the same server: as many as the host.
const DIRECT_CLIENTS: usize = 32;
const DIRECT: Duration = Duration::from_secs(1);
const WITHIN: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const MEBIBYTE: f64 = (1 << 20) as f64;

fn measured(row: &'static str, clients: usize, log: u64) -> Measured {
    Measured { row, clients, log }
}

/// Signed webhooks, each a request.
pub fn ingress(session: &mut Session, clients: usize, length: Duration) -> Result<()> {
    const BODY: &str = r#"{"action":"opened","number":4711,"note":"as long as a small webhook's body is, and no longer than that"}"#;
    if session.target.own.is_none() {
        return Ok(());
    }
    let client = session.namespace_with(INGRESS, EXAMPLE)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).context("the secret is a key")?;
    mac.update(BODY.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = session.events.webhook(&client.path(&["ingress", "hook"]), &signature, BODY);
    session.measure(measured("ingress", clients, 0), &client, |load| load.requests(clients, Until::Elapsed(length), |_| request.clone()))
}

/// Appends to a log in which timers wait, in turn with a log without; then timers that are due at once.
pub fn timers(session: &mut Session, pending: u64, quiet: bool) -> Result<()> {
    if session.target.own.is_none() {
        return Ok(());
    }
    let without = session.namespace_with(NO_TIMERS, EXAMPLE)?;
    let client = session.namespace_with(TIMERS, EXAMPLE)?;
    let idle_before = memory(session);
    let progress = Progress::start("timers that wait", Some(pending), quiet);
    set(session, &client, "2999-12-31T23:59:59Z", pending)?;
    progress.end();
    let row = measured("timers-pending", 1, pending);
    if let (Some(before), Some(after)) = (idle_before, memory(session)) {
        session.note(row, Figure::IdleMebibytes, after - before);
    }
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        alone.push(append(session, &without)?);
        beside.push(append(session, &client)?);
    }
    for (row, figures) in [(measured("timers-alone", 1, 0), &alone), (row, &beside)] {
        figures.iter().for_each(|p50| session.note(row, Figure::P50Us, *p50));
    }
    if let (Some(alone), Some(beside)) = (median(&alone), median(&beside)) {
        session.note(row, Figure::P50ToAlone, beside / alone);
    }
    fire(session, quiet)
}

/// Timers of one due time, until none waits any more.
fn fire(session: &mut Session, quiet: bool) -> Result<()> {
    let client = session.namespace_with(FIRED, EXAMPLE)?;
    let progress = Progress::start("timers that are due", Some(HERD), quiet);
    let set_at = clock::now();
    let due = jiff::Timestamp::now() + HERD_LEAD;
    set(session, &client, &due.to_string(), HERD)?;
    if set_at.elapsed() >= HERD_LEAD {
        bail!("{HERD} timers could not be set within {HERD_LEAD:?}: this machine is too busy for this row");
    }
    std::thread::sleep(HERD_LEAD - set_at.elapsed());
    let cpu_before = session.target.cpu_us();
    let started = clock::now();
    until(&client, "timing", |function| function["timers"] == 0)?;
    let row = measured("timers-fired", 0, HERD);
    session.note(row, Figure::EventsPerSecond, HERD as f64 / started.elapsed().as_secs_f64());
    if let (Some(before), Some(after)) = (cpu_before, session.target.cpu_us()) {
        session.note(row, Figure::CpuUsPerEvent, (after - before) as f64 / HERD as f64);
    }
    progress.end();
    Ok(())
}

/// Requests of a handler to a server that answers at once, until each reply is in the log.
pub fn requests(session: &mut Session) -> Result<()> {
    if session.target.own.is_none() {
        return Ok(());
    }
    let client = session.namespace_with(REQUESTS, EXAMPLE)?;
    let server = Server::start()?;
    let direct = server.requests(DIRECT_CLIENTS, DIRECT)?;
    session.note(measured("requests-direct", DIRECT_CLIENTS, 0), Figure::EventsPerSecond, direct);
    let row = measured("requests", 0, 0);
    let cpu_before = session.target.cpu_us();
    let lines = session.events.asking("request.asked", "url", &server.url(), 1_000);
    let started = clock::now();
    session.load.stream(&client.path(&["events"]), lines, Until::Sent(ASKED))?;
    until(&client, "asking", |function| function["lag"] == 0 && function["requests_waiting"] == 0)?;
    session.note(row, Figure::EventsPerSecond, ASKED as f64 / started.elapsed().as_secs_f64());
    if let (Some(before), Some(after)) = (cpu_before, session.target.cpu_us()) {
        session.note(row, Figure::CpuUsPerEvent, (after - before) as f64 / ASKED as f64);
    }
    Ok(())
}

fn set(session: &Session, client: &Client, due: &str, timers: u64) -> Result<()> {
    let lines = session.events.asking("timer.asked", "due", due, LINES_PER_CHUNK.min(timers as usize));
    session.load.stream(&client.path(&["events"]), lines, Until::Sent(timers))?;
    handling::wait(client, WITHIN, LOOK_EVERY, |_| ()).map(drop)
}

fn append(session: &Session, client: &Client) -> Result<f64> {
    let path = client.path(&["events"]);
    let mut outcome = session.load.requests(1, Until::Elapsed(TURN), |index| session.events.single(&path, index))?;
    Ok(outcome.latencies.percentile_us(50))
}

fn memory(session: &Session) -> Option<f64> {
    session.target.own.as_ref().and_then(OwnHost::memory_bytes).map(|(now, _)| now as f64 / MEBIBYTE)
}

fn until(client: &Client, function: &str, done: impl Fn(&serde_json::Value) -> bool) -> Result<()> {
    let started = clock::now();
    let path = client.path(&["functions", function]);
    loop {
        let now = client.get(&path)?;
        if done(&now) {
            return Ok(());
        }
        if started.elapsed() > WITHIN {
            bail!("{function} never got there: {now}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
