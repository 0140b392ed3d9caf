//! `retold export`: a namespace's log as lines.

use std::io::{Write, copy, stdout};

use anyhow::Result;
use clap::Args;

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use crate::drive::EXPORT_END;

const AFTER_HELP: &str = "\
Examples:
  retold export main > main.ndjson
  retold export main --after 120000 > since.ndjson
  retold import copy < main.ndjson

Each line is a CloudEvent with `position` and `recordedtime`. Every entry of the log is one: events of all sources, those
of functions and the host among them, and commands, timers and requests, which `entrykind` tells. The export ends with
what was there when it began, and with an empty line, without which it broke off. Functions, parked events, consumers and modules aren't in it: `retold backup` has them.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Export {
    /// The namespace
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    /// Begin behind this position
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
}

pub fn run(common: &Common, export: &Export) -> Result<()> {
    let client = Client::new(common)?.of(&export.namespace);
    let path = client.path(&["events"]) + &query(&[("after", export.after.as_deref())]);
    let mut lines = client.stream(&path, &[("accept", "application/x-ndjson")], None)?;
    let mut out = stdout().lock();
    copy(&mut lines, &mut out)?;
    out.write_all(EXPORT_END.as_bytes())?;
    Ok(out.flush()?)
}
