//! What it costs to replay history: through code with state, beside live appends, and held against the record.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::arrivals::Arrivals;
use super::goals::Figure;
use super::load::{LINES_PER_CHUNK, Until};
use super::own_host::OwnHost;
use super::rows;
use super::samples::median;
use super::session::{Measured, Session};
use crate::cli::address::query;
use crate::cli::client::Client;
use crate::cli::clock;
use crate::cli::handling::{self, head, position_of};
use crate::cli::progress::Progress;

/// Orders and nothing else.
const ORDERS: &str = "bench-replay";
/// Orders and their prices.
pub const PRICED: &str = "bench-rehearse";
/// Replayed so often; the median counts.
const REPLAYS: usize = 3;
/// Turns with and without a rehearsal beside the appends.
const TURNS: usize = 7;
const TURN: Duration = Duration::from_millis(700);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const HANDLED_WITHIN: Duration = Duration::from_secs(900);
const MEBIBYTE: f64 = (1 << 20) as f64;

/// Code with state over a log of orders, none of it deployed: first as one unit of state, then split.
pub fn replay(session: &mut Session, events: u64, quiet: bool) -> Result<()> {
    let client = session.namespace(ORDERS)?;
    fill(session, &client, events, quiet)?;
    let events = head(&client)?;
    for (row, example, name) in [("replay", "bench/sums", "sums"), ("replay-split", "bench/sums-by-order", "sums-by-order")] {
        let measured = Measured { row, clients: 0, log: events };
        for _ in 0..REPLAYS {
            rehearsed(session, measured, &client, example, name, events)?;
        }
    }
    Ok(())
}

/// A handler without state, whose every output is recorded and held against what the candidate makes.
pub fn rehearse(session: &mut Session, events: u64, quiet: bool) -> Result<()> {
    let client = priced(session, events, quiet)?;
    let measured = Measured { row: "rehearse", clients: 0, log: events };
    for _ in 0..REPLAYS {
        let replay = rehearsed(session, measured, &client, "bench/pricing", "hello", events)?;
        let outputs = &replay["functions"][0]["outputs"];
        if outputs["equal"].as_u64() < Some(events) || outputs["different"] != 0 {
            bail!("the rehearsal found other outputs than are recorded: {outputs}");
        }
    }
    beside(session, &client, events)
}

/// A log in which every order was priced live.
pub fn priced(session: &mut Session, events: u64, quiet: bool) -> Result<Client> {
    let client = session.namespace_with_handler(PRICED)?;
    let orders = head(&client)? / 2;
    fill(session, &client, head(&client)? + events.saturating_sub(orders), quiet)?;
    handling::wait(&client, HANDLED_WITHIN, LOOK_EVERY, |_| ())?;
    Ok(client)
}

fn fill(session: &Session, client: &Client, length: u64, quiet: bool) -> Result<()> {
    let missing = length.saturating_sub(head(client)?);
    if missing > 0 {
        let progress = Progress::start("orders for the replays", Some(missing), quiet);
        let lines = session.events.lines(LINES_PER_CHUNK);
        session.load.stream(&client.path(&["events"]), lines, Until::Sent(missing))?;
        progress.end();
    }
    Ok(())
}

/// One rehearsal from its beginning to its end, with the processor's time and the most memory that the host took
/// for it. The rate is what the host says of the replay itself: compiling the module comes before.
fn rehearsed(session: &mut Session, measured: Measured, client: &Client, example: &'static str, name: &str, events: u64) -> Result<Value> {
    let decoding = rows::decoding(session)?;
    begin_peak(session);
    let cpu_before = session.target.cpu_us();
    let begun = begin(session, client, example, name)?;
    let replay = ended(client, begun)?;
    if replay["status"] != "done" || replay["events"].as_u64() < Some(events) {
        bail!("the rehearsal of {name} came to another end: {replay}");
    }
    if let (Some(before), Some(after)) = (cpu_before, session.target.cpu_us()) {
        session.note(measured, Figure::CpuUsPerEvent, (after - before) as f64 / events as f64);
    }
    note_peak(session, measured);
    let rate = replay["events_per_second"].as_f64().unwrap_or(0.0);
    session.note(measured, Figure::EventsPerSecond, rate);
    session.note(measured, Figure::RateToDecoding, rate / decoding);
    client.delete(&client.path(&["replays", replay["id"].as_str().unwrap_or_default()]))?;
    Ok(replay)
}

fn begin(session: &mut Session, client: &Client, example: &'static str, name: &str) -> Result<Value> {
    let bytes = std::fs::read(session.module(example)?)?;
    let path = client.path(&["modules", name]) + &query(&[("rehearse", Some("only")), ("timeout", Some("0s"))]);
    client.put(&path, "application/wasm", &bytes).with_context(|| format!("{name} can't be rehearsed"))
}

fn ended(client: &Client, mut replay: Value) -> Result<Value> {
    let path = client.path(&["replays", replay["id"].as_str().unwrap_or_default()]);
    while replay["status"] == "running" {
        std::thread::sleep(LOOK_EVERY);
        replay = client.get(&path)?;
    }
    Ok(replay)
}

/// Live appends with a rehearsal beside them, in turn with appends alone.
fn beside(session: &mut Session, client: &Client, events: u64) -> Result<()> {
    let (mut alone, mut with) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        alone.push(Arrivals::during(session, client, TURN)?);
        let mut replay = begin(session, client, "bench/pricing", "hello")?;
        let path = client.path(&["replays", replay["id"].as_str().unwrap_or_default()]);
        // Before, the module is compiled: that is any deployment's cost, and not the replay's.
        while replay["status"] == "running" && position_of(&replay["position"]) == 0 {
            std::thread::sleep(LOOK_EVERY);
            replay = client.get(&path)?;
        }
        let figures = Arrivals::during(session, client, TURN)?;
        let went_on = client.get(&path)?["status"] == "running";
        client.delete(&path)?;
        if went_on {
            with.push(figures);
        }
    }
    let measured = |row| Measured { row, clients: super::arrivals::CLIENTS, log: events };
    for (row, figures) in [("rehearse-alone", &alone), ("rehearse-beside", &with)] {
        for figures in figures {
            session.note(measured(row), Figure::P50Us, figures.p50_us);
            session.note(measured(row), Figure::P99Us, figures.p99_us);
        }
    }
    let of = |figures: &[Arrivals], which: fn(&Arrivals) -> f64| median(&figures.iter().map(which).collect::<Vec<_>>());
    if with.is_empty() {
        eprintln!("retold: the rehearsals were over before the appends: ask for more --events");
    }
    for (figure, which) in [(Figure::P50ToAlone, (|it| it.p50_us) as fn(&Arrivals) -> f64), (Figure::P99ToAlone, |it| it.p99_us)] {
        if let (Some(alone), Some(with)) = (of(&alone, which), of(&with, which)) {
            session.note(measured("rehearse-beside"), figure, with / alone);
        }
    }
    Ok(())
}

/// From now on the most memory that the host held is counted anew.
pub fn begin_peak(session: &Session) {
    if let Some(own) = &session.target.own {
        own.forget_most_memory();
    }
}

pub fn note_peak(session: &mut Session, measured: Measured) {
    if let Some((_, most)) = session.target.own.as_ref().and_then(OwnHost::memory_bytes) {
        session.note(measured, Figure::MostMebibytes, most as f64 / MEBIBYTE);
    }
}

/// Waits until a retelling follows the head of its base. Answers how long that took.
pub fn until_level(client: &Client, id: &str) -> Result<Duration> {
    let started = clock::now();
    let path = client.path(&["replays", id]);
    loop {
        let replay = client.get(&path)?;
        match replay["status"].as_str() {
            Some("level") => return Ok(started.elapsed()),
            Some("running") => std::thread::sleep(LOOK_EVERY),
            _ => bail!("the retelling came to another end: {replay}"),
        }
    }
}
