//! Disk and memory: measured once, when all load is over.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::goals::Figure;
use super::growth;
use super::metrics::Metrics;
use super::session::{Measured, Session};

/// How long the host may tidy up behind the load before it is called idle.
const IDLE_AFTER: Duration = Duration::from_secs(3);

/// What a namespace takes on the disk; redb grows its files ahead of need.
const DISK_BYTES: &str = "retold_disk_bytes";
/// Data and attributes of what was appended since the host started.
const EVENT_BYTES: &str = "retold_appended_bytes_total";
/// Length of the log that is measured if growth didn't make one.
const EVENTS: u64 = 1_000_000;

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

/// Of a host of our own; of another nothing is known.
pub fn memory(session: &mut Session) {
    const MEBIBYTE: f64 = (1 << 20) as f64;
    thread::sleep(IDLE_AFTER);
    if let Some((now, most)) = session.target.memory_bytes() {
        session.note(measured("memory"), Figure::IdleMebibytes, now as f64 / MEBIBYTE);
        session.note(measured("memory"), Figure::MostMebibytes, most as f64 / MEBIBYTE);
    }
}
