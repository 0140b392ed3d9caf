//! `retold append`: events from a file or a pipe go into the log.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use super::address::query;
use super::appended::Appended;
use super::arguments::Common;
use super::client::Client;
use super::failure::Usage;
use super::handling::{self, Handling};
use super::input::{Input, OneLine};
use super::output::{print, print_json};
use super::progress::Progress;
use super::sending;
use super::words::counted;

const HANDLED_EVERY: Duration = Duration::from_millis(20);

const AFTER_HELP: &str = "\
Examples:
  retold append events.ndjson
  retold append order.json --wait handled
  tail -f events.ndjson | retold append -

FILE holds one CloudEvent, a JSON array of them, or one a line (NDJSON). An array is appended as a whole
or not at all. Lines are sent as they come, in parts: those before the first bad one stand, and sending
the mended file again adds only what is missing, as an event is known by its source and id for ever.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Append {
    /// CloudEvents as JSON; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// What to wait for: that the events are on disk, or that functions have handled them too
    #[arg(long, value_enum, default_value_t = Wait::Durable)]
    wait: Wait,
    /// How long to wait for functions, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wait {
    Durable,
    Handled,
}

pub fn run(common: &Common, append: &Append) -> Result<()> {
    let client = Client::new(common)?;
    let (from, bytes) = open(&append.file)?;
    let path = client.path(&["events"]);
    let one_line = if append.wait == Wait::Handled { OneLine::MayBeAll } else { OneLine::IsALine };
    let appended = match Input::open(from, one_line)? {
        Input::Event(event) => whole(&client, &(path + &append.query()), "application/cloudevents+json", &event)?,
        Input::Batch(events) => whole(&client, &(path + &append.query()), "application/cloudevents-batch+json", &events)?,
        Input::Lines(lines) => {
            let progress = Progress::start("append", bytes, common.json);
            let appended = sending::all(&client, &lines, |appended, sent| progress.at(sent, &counted(appended.events, "event")));
            progress.end();
            let mut appended = appended?;
            if append.wait == Wait::Handled {
                appended.waiting = append.wait_until_handled(&client)?;
            }
            appended
        }
    };
    if common.json {
        print_json(&appended.as_value())?;
    } else {
        print(&appended.as_text())?;
    }
    if !appended.waiting.is_empty() {
        bail!("the events are durable, but not all of them are handled yet: see `retold functions` for {}", appended.waiting.join(", "));
    }
    Ok(())
}

fn whole(client: &Client, path: &str, content_type: &str, body: &[u8]) -> Result<Appended> {
    let mut appended = Appended::default();
    appended.add(&client.post(path, content_type, body).context("nothing was appended")?);
    Ok(appended)
}

/// The input and its length, where it has one.
fn open(file: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>)> {
    if file == Path::new("-") {
        return Ok((Box::new(stdin()), None));
    }
    let opened = File::open(file).map_err(|error| Usage(format!("cannot read {}: {error}", file.display())))?;
    let metadata = opened.metadata()?;
    let bytes = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(opened), bytes))
}

impl Append {
    fn query(&self) -> String {
        match self.wait {
            Wait::Durable => String::new(),
            Wait::Handled => query(&[("wait", Some("handled")), ("timeout", Some(&format!("{}s", self.timeout)))]),
        }
    }

    /// Lines are many requests, so functions are watched from here. Answers those that don't get there.
    fn wait_until_handled(&self, client: &Client) -> Result<Vec<String>> {
        match handling::wait(client, Duration::from_secs(self.timeout), HANDLED_EVERY, |_| ())? {
            Handling::Complete => Ok(Vec::new()),
            Handling::Waiting(functions) => Ok(functions),
        }
    }
}
