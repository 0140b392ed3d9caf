//! A stream of lines on its way to the host: in requests of some size, each sent again if the host goes
//! away meanwhile. Appending is idempotent, so nothing is added twice.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::appended::Appended;
use super::client::Client;
use super::input::Lines;
use super::problem::{Before, Problem};

/// Lines of one request: about this many bytes.
const REQUEST_BYTES: usize = 4 << 20;
/// How often a request is sent again, with a pause that doubles: a quarter of a minute together.
const ATTEMPTS_MAX: u32 = 8;
/// The host is busy, or stops and may come back. No other answer changes by asking again.
const UNAVAILABLE: u16 = 503;
const PAUSE_MIN: Duration = Duration::from_millis(120);

/// Sends lines until there are no more. `tell` hears what stands, and how many bytes were sent for it.
pub fn all(client: &Client, lines: &Lines, tell: impl Fn(&Appended, u64)) -> Result<Appended> {
    let mut appended = Appended::default();
    let (mut bytes_sent, mut lines_sent) = (0, 0);
    while let Some(portion) = lines.next(REQUEST_BYTES)? {
        let before = Before { lines: lines_sent, events: appended.events, new: appended.new };
        appended.add(&send(client, &portion, before)?);
        bytes_sent += portion.len() as u64;
        lines_sent += portion.iter().filter(|&&byte| byte == b'\n').count() as u64;
        tell(&appended, bytes_sent);
    }
    Ok(appended)
}

fn send(client: &Client, portion: &[u8], before: Before) -> Result<Value> {
    let path = client.path(&["events"]);
    let mut pause = PAUSE_MIN;
    // A host that was never there is told at once.
    let attempts = if before.lines == 0 { 1 } else { ATTEMPTS_MAX };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let error = match client.post(&path, "application/x-ndjson", portion) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let error = match error.downcast::<Problem>() {
            Ok(problem) if problem.status != UNAVAILABLE => return Err(problem.after(before).into()),
            Ok(problem) => problem.after(before).into(),
            Err(error) => error,
        };
        if attempt == attempts {
            return Err(error.context(format!("{} events were appended, then it stopped", before.events)));
        }
        eprintln!("retold: {error:#}; trying again");
        thread::sleep(pause);
        pause *= 2;
    }
}
