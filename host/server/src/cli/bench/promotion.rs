//! A retelling, its promotion under load and the way back; and a fork beside a copy of the same files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::arrivals::Arrivals;
use super::goals::Figure;
use super::session::{Measured, Session};
use super::upgrades::{PRICED, begin_peak, note_peak, priced, until_level};
use crate::cli::client::Client;
use crate::cli::clock;

const ROUNDS: usize = 3;
/// Of a log that is longer, one round takes minutes, and is enough.
const ROUNDS_UPTO: u64 = 5_000_000;
/// Appends arrive so long before a promotion, and as long after it.
const AROUND: Duration = Duration::from_millis(500);

/// Retells the priced orders, has the retelling take over while appends arrive, and goes back.
pub fn promote(session: &mut Session, events: u64, quiet: bool) -> Result<()> {
    let base = priced(session, events, quiet)?;
    for round in 0..if events > ROUNDS_UPTO { 1 } else { ROUNDS } {
        let name = format!("{PRICED}-{}-{round}", session.run);
        begin_peak(session);
        let cpu_before = session.target.cpu_us();
        let begun = create(&base, &json!({ "name": name, "retell": { "base": PRICED, "with": [] } }))?;
        let took = until_level(&base, begun["id"].as_str().unwrap_or_default())?;
        let retell = Measured { row: "retell", clients: 0, log: events };
        session.note(retell, Figure::EventsPerSecond, events as f64 / took.as_secs_f64());
        if let (Some(before), Some(after)) = (cpu_before, session.target.cpu_us()) {
            session.note(retell, Figure::CpuUsPerEvent, (after - before) as f64 / events as f64);
        }
        note_peak(session, retell);
        under_load(session, "promote", &base.of(&name), &json!({}), events)?;
        let back = under_load(session, "promote-back", &base, &json!({ "back": true }), events)?;
        // The retelling, which was left again.
        base.delete(&base.of(back["old"].as_str().unwrap_or_default()).path(&[]))?;
    }
    Ok(())
}

/// Promotes while appends arrive at the namespace. The longest that one of them took is its pause.
fn under_load(session: &mut Session, row: &'static str, client: &Client, body: &Value, events: u64) -> Result<Value> {
    let appends = client.of(PRICED);
    let load = session.load.another()?;
    let (promoted, arrivals) = std::thread::scope(|scope| {
        let here = &*session;
        let promotion = scope.spawn(move || {
            std::thread::sleep(AROUND);
            client.post(&client.path(&["promote"]), "application/json", body.to_string().as_bytes())
        });
        let arrivals = Arrivals::of(&load, here, &appends, AROUND * 4);
        let promoted = promotion.join().map_err(|_| anyhow::anyhow!("the promotion panicked"))?;
        anyhow::Ok((promoted, arrivals))
    })?;
    let (promoted, arrivals) = (promoted.context("the retelling can't be promoted")?, arrivals.context("while it was promoted")?);
    let measured = Measured { row, clients: super::arrivals::CLIENTS, log: events };
    session.note(measured, Figure::P50Us, arrivals.p50_us);
    session.note(measured, Figure::P99Us, arrivals.p99_us);
    session.note(measured, Figure::PauseMs, arrivals.most_us / 1e3);
    session.note(measured, Figure::ToldPauseMs, promoted["paused_us"].as_f64().unwrap_or(0.0) / 1e3);
    Ok(promoted)
}

/// A fork at the head, in turn with a copy of the host's files.
pub fn fork(session: &mut Session, events: u64, quiet: bool) -> Result<()> {
    let base = priced(session, events, quiet)?;
    let measured = Measured { row: "fork", clients: 0, log: events };
    let mut names = Vec::new();
    for round in 0..ROUNDS {
        let name = format!("bench-fork-{}-{round}", session.run);
        let started = clock::now();
        create(&base, &json!({ "name": name, "fork": { "base": PRICED } }))?;
        let took = started.elapsed();
        names.push(name);
        session.note(measured, Figure::TookMs, took.as_secs_f64() * 1e3);
        if let Some(own) = &session.target.own {
            let to = session.target.folder().join("copy");
            let started = clock::now();
            copy(&own.folder_of(PRICED), &to)?;
            let copied = started.elapsed();
            fs::remove_dir_all(&to)?;
            session.note(measured, Figure::TookToCopy, took.as_secs_f64() / copied.as_secs_f64());
        }
    }
    names.iter().try_for_each(|name| base.delete(&base.of(name).path(&[])).map(drop))
}

fn create(client: &Client, body: &Value) -> Result<Value> {
    client.post("/v1/namespaces", "application/json", body.to_string().as_bytes())
}

/// As durable as a fork: each file is synced.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to)?;
            fs::File::open(&to)?.sync_all()?;
        }
    }
    Ok(())
}
