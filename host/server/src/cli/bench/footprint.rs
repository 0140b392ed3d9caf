//! Disk, memory and restart: measured once, when all load is over.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::goals::Figure;
use super::growth;
use super::metrics::Metrics;
use super::own_host::OwnHost;
use super::session::{Measured, Session};

/// How long the host may tidy up behind the load before it is called idle.
const IDLE_AFTER: Duration = Duration::from_secs(3);

/// What a namespace takes on the disk; redb grows its files ahead of need.
const DISK_BYTES: &str = "retold_disk_bytes";
/// Data and attributes of what was appended since the host started.
const EVENT_BYTES: &str = "retold_appended_bytes_total";
/// Length of the log that is measured if growth didn't make one.
const EVENTS: u64 = 1_000_000;
const MEBIBYTE: f64 = (1 << 20) as f64;

fn measured(row: &'static str) -> Measured {
    Measured { row, clients: 0, log: 0 }
}

/// Of a log that is this run's own, so that all of it was appended since the host started.
pub fn disk(session: &mut Session) -> Result<()> {
    let client = match &session.long_log {
        Some(client) => client.clone(),
        None => {
            let client = session.namespace(&format!("bench-disk-{}", session.run))?;
            growth::fill(session, &client, EVENTS, |_| ())?;
            client
        }
    };
    thread::sleep(IDLE_AFTER);
    let metrics = Metrics::read(&client)?;
    let of_log = |name| metrics.of_namespace(name, client.namespace());
    if let (Some(disk), Some(events)) = (of_log(DISK_BYTES), of_log(EVENT_BYTES)) {
        session.note(measured("disk"), Figure::DiskToEvents, disk / events.max(1.0));
    }
    Ok(())
}

/// The most that a host of our own held under the load so far; of another nothing is known.
pub fn memory_under_load(session: &mut Session) {
    if let Some((_, most)) = session.target.own.as_ref().and_then(OwnHost::memory_bytes) {
        session.note(measured("memory"), Figure::MostMebibytes, most as f64 / MEBIBYTE);
    }
}

/// What it holds when it has nothing to do, with all logs that were made.
pub fn idle_memory(session: &mut Session) {
    thread::sleep(IDLE_AFTER);
    if let Some((now, _)) = session.target.own.as_ref().and_then(OwnHost::memory_bytes) {
        session.note(measured("memory"), Figure::IdleMebibytes, now as f64 / MEBIBYTE);
    }
}

/// Kills a host of our own and starts it again on all that is in its logs.
pub fn restart(session: &mut Session) -> Result<()> {
    if let Some(own) = &mut session.target.own {
        let took = own.kill_and_restart()?;
        session.note(measured("restart"), Figure::ReadyMs, took.as_secs_f64() * 1e3);
    }
    Ok(())
}
