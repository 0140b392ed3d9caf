//! The rows that are measured in short slices, in turn: one function a row.

use std::time::Duration;

use anyhow::Result;

use super::goals::{DECODING, FDATASYNC, Figure, REDB_BLOCKS, REDB_COMMIT};
use super::load::{LINES_PER_CHUNK, Load, Outcome, Until};
use super::machine;
use super::requests::{Events, read_head, row_request};
use super::samples::Latencies;
use super::session::{Measured, Session};
use crate::cli::address::query;
use crate::cli::client::Client;
use crate::cli::clock;
use crate::cli::handling::{self, head};

pub const EVENTS_PER_REQUEST: usize = 100;
pub const BULK_CLIENTS: usize = 16;
/// The read row reads at least so many, if it is given the time.
const READ_EVENTS_MIN: u64 = 500_000;
/// How often a function is asked how far it is.
const LAG_EVERY: Duration = Duration::from_millis(5);
const HANDLED_WITHIN: Duration = Duration::from_secs(120);

const LOG: &str = "bench";
const HANDLED: &str = "bench-handled";
const PIPELINE: &str = "bench-pipeline";
const COMMANDS: &str = "bench-commands";
const VIEWS: &str = "bench-views";
/// Lines that fit the processor's caches, and for how long they are decoded again and again.
const LINES_DECODED: usize = 1_000;
const DECODED_FOR: Duration = Duration::from_millis(200);
/// Clients that append while rows are read.
const APPENDING_CLIENTS: usize = 4;
/// A view's rows: a carrier and a month each.
const ROW_KEYS: [&str; 4] = ["UA/2013-01", "AA/2013-02", "B6/2013-03", "DL/2013-04"];
/// Departures in the log before rows are read.
const ROW_EVENTS_MIN: u64 = 20_000;

fn measured(row: &'static str, clients: usize) -> Measured {
    Measured { row, clients, log: 0 }
}

/// This machine's own limits: a third of the slice each.
pub fn machine(session: &mut Session, length: Duration) -> Result<()> {
    let folder = session.target.folder().to_owned();
    let event_bytes = session.events.event_bytes;
    let fdatasync = machine::append_and_fdatasync(&folder, length / 3)?;
    session.note(measured(FDATASYNC, 1), Figure::P50Us, fdatasync);
    let commit = machine::redb_commit(&folder, length / 3)?;
    session.note(measured(REDB_COMMIT, 1), Figure::P50Us, commit);
    let blocks = machine::redb_blocks(&folder, length / 3, event_bytes)?;
    session.note(measured(REDB_BLOCKS, 1), Figure::EventsPerSecond, blocks);
    decoding(session)?;
    Ok(())
}

/// Answers how many events a second are decoded just now.
pub fn decoding(session: &mut Session) -> Result<f64> {
    let rate = machine::decoding(&session.events.lines(LINES_DECODED).bytes, DECODED_FOR)?;
    session.note(measured(DECODING, machine::cores()), Figure::EventsPerSecond, rate);
    Ok(rate)
}

pub fn append(session: &mut Session, clients: usize, length: Duration) -> Result<()> {
    let client = session.namespace(LOG)?;
    singles(session, "append", &client, &client.path(&["events"]), clients, length)
}

pub fn handled(session: &mut Session, clients: usize, length: Duration) -> Result<()> {
    let client = session.namespace_with_handler(HANDLED)?;
    singles(session, "handled", &client, &(client.path(&["events"]) + "?wait=handled"), clients, length)
}

fn singles(session: &mut Session, row: &'static str, client: &Client, path: &str, clients: usize, length: Duration) -> Result<()> {
    let events = session.events.clone();
    session
        .measure(measured(row, clients), client, |load| load.requests(clients, Until::Elapsed(length), |index| events.single(path, index)))
}

pub fn bulk(session: &mut Session, length: Duration) -> Result<()> {
    let client = session.namespace(LOG)?;
    let batch = session.events.batch(&client.path(&["events"]), EVENTS_PER_REQUEST);
    session.measure(measured("bulk", BULK_CLIENTS), &client, |load| load.requests(BULK_CLIENTS, Until::Elapsed(length), |_| batch.clone()))
}

pub fn ndjson(session: &mut Session, length: Duration) -> Result<()> {
    let client = session.namespace(LOG)?;
    let lines = session.events.lines(LINES_PER_CHUNK);
    let path = client.path(&["events"]);
    session.measure(measured("ndjson", 1), &client, |load| load.stream(&path, lines, Until::Elapsed(length)))
}

/// From the beginning of the log, for as long as the slice is.
pub fn read(session: &mut Session, length: Duration) -> Result<()> {
    let client = session.namespace(LOG)?;
    let path = client.path(&["events"]);
    let head = head(&client)?;
    if head < READ_EVENTS_MIN {
        let lines = session.events.lines(LINES_PER_CHUNK);
        session.load.stream(&path, lines, Until::Sent(READ_EVENTS_MIN - head))?;
    }
    session.measure(measured("read", 1), &client, |load| load.read(&read_head(&path), length))
}

/// The slice's time is for sending; what the handler then still has to do counts too.
pub fn pipeline(session: &mut Session, length: Duration) -> Result<()> {
    let client = session.namespace_with_handler(PIPELINE)?;
    let lines = session.events.lines(LINES_PER_CHUNK);
    let path = client.path(&["events"]);
    session.measure(measured("pipeline", 1), &client, |load| {
        let started = clock::now();
        let sent = load.stream(&path, lines, Until::Elapsed(length))?;
        handling::wait(&client, HANDLED_WITHIN, LAG_EVERY, |_| ()).map_err(std::io::Error::other)?;
        Ok(Outcome { events: sent.events, elapsed: started.elapsed(), latencies: Latencies::default() })
    })
}

/// Commands on subjects that are hot after the first round.
pub fn command(session: &mut Session, clients: usize, length: Duration) -> Result<()> {
    let client = session.namespace_with(COMMANDS, "shop")?;
    let events = session.events.clone();
    let path = client.path(&["commands", "stock.receive"]);
    session.measure(measured("command", clients), &client, |load| {
        load.requests(clients, Until::Elapsed(length), |index| events.command(&path, index))
    })
}

/// Rows of a view by key, while others append what it folds.
pub fn row(session: &mut Session, clients: usize, length: Duration) -> Result<()> {
    let client = session.namespace_with(VIEWS, "flights")?;
    let path = client.path(&["events"]);
    let head = head(&client)?;
    if head < ROW_EVENTS_MIN {
        let lines = session.events.departures(LINES_PER_CHUNK);
        session.load.stream(&path, lines, Until::Sent(ROW_EVENTS_MIN - head))?;
        let last = handling::head(&client)?.to_string();
        client.get(&(client.path(&["views", "delays-by-month"]) + &query(&[("min-position", Some(&last)), ("timeout", Some("60s"))])))?;
    }
    let beside = Load::new(session.target.address)?;
    let source = format!("{}/beside/{}", session.events.source, clock::now().elapsed().as_nanos() + u128::from(head));
    let events = Events { source, ..session.events.clone() };
    let appending =
        std::thread::spawn(move || beside.requests(APPENDING_CLIENTS, Until::Elapsed(length), |index| events.departure(&path, index)));
    let view = client.path(&["views", "delays-by-month"]);
    let measured = session.measure(measured("row", clients), &client, |load| {
        load.requests(clients, Until::Elapsed(length), |index| row_request(&format!("{view}/{}", ROW_KEYS[index % ROW_KEYS.len()])))
    });
    appending.join().map_err(|_| anyhow::anyhow!("the appending clients panicked"))??;
    measured
}
