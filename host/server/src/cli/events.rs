//! `retold events`: the log as lines of JSON.

use std::io::{BufRead, BufReader, Write, copy, stdout};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::problem::Problem;
use super::sse;

/// A host that sends neither an event nor a heartbeat for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(200);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(5);

const AFTER_HELP: &str = "\
Examples:
  retold events
  retold events --types 'order.placed,order.priced' --after 1000 --limit 10
  retold events --subjects UA/1545/2013-01-01 | jq .type
  retold events --follow                    what was recorded and then what comes, until Ctrl-C

Each line is a CloudEvent with the attribute `position`. Without --limit all of them are printed.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Events {
    /// Begin behind this position, or a cursor that the host gave
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
    /// Only these types, separated by commas; `order.*` matches all that begin so
    #[arg(long, value_name = "TYPES")]
    types: Option<String>,
    /// Only these subjects, separated by commas
    #[arg(long, value_name = "SUBJECTS")]
    subjects: Option<String>,
    /// Only events with all of these tags, separated by commas
    #[arg(long, value_name = "TAGS")]
    tags: Option<String>,
    /// Old events in their newest form, as functions read them
    #[arg(long, conflicts_with = "follow")]
    upcast: bool,
    /// At most so many events
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    /// Stay, and print events as they are recorded
    #[arg(long, short)]
    follow: bool,
}

pub fn run(common: &Common, events: &Events) -> Result<()> {
    let client = Client::new(common)?;
    match events.follow {
        true => follow(&client, events),
        false if events.upcast => print_upcast(&client, events),
        false => print_all(&client, events),
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    cursor: String,
    head: String,
}

/// In pages: an event that can't be turned into its newest form is then told, and not cut off.
fn print_upcast(client: &Client, events: &Events) -> Result<()> {
    const PAGE: u64 = 1_000;
    let mut left = events.limit.unwrap_or(u64::MAX);
    let mut after = events.after.clone();
    let mut out = stdout().lock();
    while left > 0 {
        let limit = left.min(PAGE).to_string();
        let text = client.text(&path_after(client, events, after.as_deref(), Some(&limit)))?;
        let page: Page<'_> = serde_json::from_str(&text).context("what answers is not Retold")?;
        for event in &page.events {
            writeln!(out, "{}", event.get()).context("cannot print")?;
        }
        left -= page.events.len() as u64;
        if page.cursor.rsplit('.').next() == Some(&page.head) {
            break;
        }
        after = Some(page.cursor);
    }
    Ok(out.flush()?)
}

fn print_all(client: &Client, events: &Events) -> Result<()> {
    let limit = events.limit.map(|limit| limit.to_string());
    let path = path(client, events, limit.as_deref());
    let mut lines = client.stream(&path, &[("accept", "application/x-ndjson")], None)?;
    let mut out = stdout().lock();
    copy(&mut lines, &mut out)?;
    out.flush()?;
    Ok(())
}

fn path(client: &Client, events: &Events, limit: Option<&str>) -> String {
    path_after(client, events, events.after.as_deref(), limit)
}

fn path_after(client: &Client, events: &Events, after: Option<&str>, limit: Option<&str>) -> String {
    let query = query(&[
        ("after", after),
        ("types", events.types.as_deref()),
        ("subjects", events.subjects.as_deref()),
        ("tags", events.tags.as_deref()),
        ("upcast", events.upcast.then_some("true")),
        ("limit", limit),
    ]);
    client.path(&["events"]) + &query
}

/// Follows through broken connections and restarts of the host, from the last event that was printed.
fn follow(client: &Client, events: &Events) -> Result<()> {
    let path = path(client, events, None);
    let mut followed = Followed { last_id: None, left: events.limit.unwrap_or(u64::MAX) };
    let mut delay = RECONNECT_DELAY_MIN;
    let mut was_connected = false;
    while followed.left > 0 {
        let before = followed.left;
        let ended = match connect(client, &path, followed.last_id.as_deref()) {
            Ok(stream) => {
                was_connected = true;
                followed.print(stream)?
            }
            Err(error) if !was_connected || is_refusal(&error) => return Err(error),
            Err(error) => error,
        };
        if followed.left == 0 {
            break;
        }
        if followed.left < before {
            delay = RECONNECT_DELAY_MIN;
        }
        eprintln!("retold: {ended:#}; trying again");
        thread::sleep(delay);
        delay = (delay * 2).min(RECONNECT_DELAY_MAX);
    }
    Ok(())
}

fn connect(client: &Client, path: &str, last_id: Option<&str>) -> Result<impl BufRead + use<>> {
    let mut headers = vec![("accept", "text/event-stream")];
    headers.extend(last_id.map(|id| ("last-event-id", id)));
    Ok(BufReader::new(client.stream(path, &headers, Some(SILENCE_MAX))?))
}

/// Trying again won't help.
fn is_refusal(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Problem>().is_some_and(|problem| problem.status < 500)
}

struct Followed {
    last_id: Option<String>,
    left: u64,
}

impl Followed {
    /// Prints until the stream ends and answers why it did. Only our own output makes it an error.
    fn print(&mut self, mut stream: impl BufRead) -> Result<anyhow::Error> {
        let mut out = stdout().lock();
        while self.left > 0 {
            let message = match sse::next(&mut stream) {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(anyhow::anyhow!("the host ended the stream")),
                Err(error) => return Ok(anyhow::Error::new(error).context("the connection broke")),
            };
            // Messages without an id are news of the log, not events of it.
            if message.id.is_empty() {
                continue;
            }
            writeln!(out, "{}", message.data).context("cannot print")?;
            out.flush().context("cannot print")?;
            self.last_id = Some(message.id);
            self.left -= 1;
        }
        Ok(anyhow::anyhow!("that was all"))
    }
}
