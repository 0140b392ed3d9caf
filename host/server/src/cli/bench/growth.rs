//! What a long history costs: the same load on a long log and on a short one, in turn, as this kind of
//! machine changes its speed from minute to minute.

use anyhow::Result;

use super::goals::Figure;
use super::load::{LINES_PER_CHUNK, Until};
use super::rows::{BULK_CLIENTS, EVENTS_PER_REQUEST};
use super::samples::median;
use super::session::{Measured, Session};
use crate::cli::client::Client;
use crate::cli::handling::head;
use crate::cli::progress::Progress;
use crate::cli::words::thousands;

/// Length of the log that the others are compared with.
const SHORT_EVENTS: u64 = 100_000;
/// Lengths at which it is measured, up to the one that was asked for.
const LENGTHS: [u64; 8] = [100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 20_000_000, 50_000_000, 100_000_000];
const TURNS: usize = 7;
/// Load of one turn: little, so that the short log stays short.
const APPENDS_PER_TURN: u64 = 600;
const BULK_PER_TURN: u64 = 10_000;

/// One log under load.
struct Log {
    client: Client,
    p50s: Vec<f64>,
    rates: Vec<f64>,
}

pub fn growth(session: &mut Session, events_max: u64, quiet: bool) -> Result<()> {
    let mut lengths: Vec<u64> = LENGTHS.into_iter().filter(|&length| length < events_max).collect();
    lengths.push(events_max);
    let long = session.namespace(&format!("bench-long-{}", session.run))?;
    let progress = Progress::start("growth", Some(events_max), quiet);
    for (index, &length) in lengths.iter().enumerate() {
        let short = session.namespace(&format!("bench-short-{}-{index}", session.run))?;
        fill(session, &short, SHORT_EVENTS, |_| ())?;
        fill(session, &long, length, |head| progress.at(head, &format!("{} events", thousands(head))))?;
        compare(session, length, &short, &long)?;
    }
    progress.end();
    session.long_log = Some(long);
    Ok(())
}

pub fn fill(session: &Session, client: &Client, length: u64, tell: impl Fn(u64)) -> Result<()> {
    const STEP: u64 = 500_000;
    loop {
        let head = head(client)?;
        tell(head.min(length));
        if head >= length {
            return Ok(());
        }
        let lines = session.events.lines(LINES_PER_CHUNK);
        session.load.stream(&client.path(&["events"]), lines, Until::Sent((length - head).min(STEP)))?;
    }
}

fn compare(session: &mut Session, length: u64, short: &Client, long: &Client) -> Result<()> {
    let mut logs = [short, long].map(|client| Log { client: client.clone(), p50s: Vec::new(), rates: Vec::new() });
    for _ in 0..TURNS {
        logs.iter_mut().try_for_each(|log| turn(session, log))?;
    }
    let [short, long] = logs;
    let measured = |clients| Measured { row: "growth", clients, log: length };
    if let (Some(short), Some(long)) = (median(&short.p50s), median(&long.p50s)) {
        session.note(measured(1), Figure::P50Us, long);
        session.note(measured(1), Figure::P50ToShort, long / short);
    }
    if let (Some(short), Some(long)) = (median(&short.rates), median(&long.rates)) {
        session.note(measured(BULK_CLIENTS), Figure::EventsPerSecond, long);
        session.note(measured(BULK_CLIENTS), Figure::RateToShort, long / short);
    }
    Ok(())
}

fn turn(session: &Session, log: &mut Log) -> Result<()> {
    let path = log.client.path(&["events"]);
    let single = session.events.single(&path, 0);
    let mut appended = session.load.requests(1, Until::Sent(APPENDS_PER_TURN), |_| single.clone())?;
    log.p50s.push(appended.latencies.percentile_us(50));
    let batch = session.events.batch(&path, EVENTS_PER_REQUEST);
    let bulk = session.load.requests(BULK_CLIENTS, Until::Sent(BULK_PER_TURN), |_| batch.clone())?;
    log.rates.push(bulk.events_per_second());
    Ok(())
}
