//! Disk and memory: measured once, when all load is over.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::goals::Figure;
use super::metrics::Metrics;
use super::session::{Measured, Session};

/// How long the host may tidy up behind the load before it is called idle.
const IDLE_AFTER: Duration = Duration::from_secs(3);

/// Over all namespaces. In use, as redb grows its files ahead of need.
const DISK_BYTES: &str = "retold_disk_used_bytes";
const EVENT_BYTES: &str = "retold_event_bytes";

fn measured(row: &'static str) -> Measured {
    Measured { row, clients: 0, log: 0 }
}

pub fn disk(session: &mut Session) -> Result<()> {
    let metrics = Metrics::read(&session.client()?)?;
    if let (Some(disk), Some(events)) = (metrics.sum(DISK_BYTES), metrics.sum(EVENT_BYTES)) {
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
