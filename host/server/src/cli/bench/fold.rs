//! How fast a view is folded from the beginning.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::goals::Figure;
use super::load::{LINES_PER_CHUNK, Until};
use super::session::{Measured, Session};
use crate::cli::address::query;
use crate::cli::clock;
use crate::cli::handling::head;
use crate::cli::progress::Progress;
use crate::cli::words::counted;

const NAMESPACE: &str = "bench-fold";
/// Folded anew so often; the median counts.
const FOLDS: u32 = 3;
/// How often it is looked whether the view is level.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const LEVEL_WITHIN: Duration = Duration::from_secs(300);

/// Two views of `guest-examples/flights` over so many departures: one folded as a whole, one split by
/// carrier.
pub fn fold(session: &mut Session, events: u64, quiet: bool) -> Result<()> {
    let client = session.namespace_with(NAMESPACE, "flights")?;
    // The log is to hold what the views fold and nothing else.
    for handler in ["delays", "knock-on"] {
        client.post_empty(&client.path(&["functions", handler, "pause"]))?;
    }
    let here = head(&client)?;
    if here < events {
        let progress = Progress::start("departures for the fold", Some(events), quiet);
        let lines = session.events.departures(LINES_PER_CHUNK);
        session.load.stream(&client.path(&["events"]), lines, Until::Sent(events - here))?;
        progress.end();
    }
    let last = head(&client)?;
    for view in ["delays-by-month", "delays-by-carrier"] {
        wait_until_level(&client, view, last)?;
    }
    for (row, view) in [("fold", "delays-by-month"), ("fold-split", "delays-by-carrier")] {
        for _ in 0..FOLDS {
            let cpu_before = session.target.cpu_us();
            let started = clock::now();
            client.post_empty(&client.path(&["views", view, "rebuild"])).with_context(|| format!("{view} can't be rebuilt"))?;
            wait_until_level(&client, view, last)?;
            let elapsed = started.elapsed();
            let measured = Measured { row, clients: 0, log: last };
            session.note(measured, Figure::EventsPerSecond, last as f64 / elapsed.as_secs_f64());
            if let (Some(before), Some(after)) = (cpu_before, session.target.cpu_us()) {
                session.note(measured, Figure::CpuUsPerEvent, (after - before) as f64 / last as f64);
            }
        }
    }
    if let Some((_, most)) = session.target.own.as_ref().and_then(|own| own.memory_bytes()) {
        session.note(Measured { row: "fold", clients: 0, log: last }, Figure::MostMebibytes, most as f64 / f64::from(1 << 20));
    }
    Ok(())
}

fn wait_until_level(client: &crate::cli::client::Client, view: &str, position: u64) -> Result<()> {
    let started = clock::now();
    let path = client.path(&["functions", view]);
    loop {
        let function = client.get(&path)?;
        let cursor = function["cursor"].as_str().and_then(|cursor| cursor.rsplit('.').next()?.parse::<u64>().ok()).unwrap_or(0);
        if cursor >= position {
            let ask = query(&[("limit", Some("1")), ("timeout", Some("60s")), ("min-position", Some(&position.to_string()))]);
            client.get(&(client.path(&["views", view]) + &ask))?;
            return Ok(());
        }
        if started.elapsed() > LEVEL_WITHIN {
            bail!("{view} has not come to {}: it stands at {cursor}", counted(position, "event"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
