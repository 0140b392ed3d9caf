//! `retold logs`: what a function said.

use std::io::{BufReader, Write, stdout};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::sse;

/// A host that sends neither a line nor a heartbeat for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);

const AFTER_HELP: &str = "\
Examples:
  retold logs pricing
  retold logs pricing --level warn --limit 1000
  retold logs pricing --follow                          lines as they come, until Ctrl-C

The host keeps the last thousand lines of each function, as long as it runs.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Logs {
    #[arg(value_name = "FUNCTION")]
    function: String,
    /// Only lines of this level and above: trace, debug, info, warn or error
    #[arg(long)]
    level: Option<String>,
    /// The last so many lines
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u64,
    /// Stay, and print lines as they come
    #[arg(long, short)]
    follow: bool,
}

pub fn run(common: &Common, logs: &Logs) -> Result<()> {
    let client = Client::new(common)?;
    let path = client.path(&["functions", &logs.function, "logs"]);
    let limit = logs.limit.to_string();
    let page = client.get(&(path.clone() + &query(&[("level", logs.level.as_deref()), ("limit", Some(&limit))])))?;
    let lines = page["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    if common.json && !logs.follow {
        return print_json(&page);
    }
    for line in lines {
        print(&shown(line, common.json))?;
    }
    if !logs.follow {
        return Ok(());
    }
    let after = page["last"].as_u64().unwrap_or(0).to_string();
    let path = path + &query(&[("level", logs.level.as_deref()), ("after-line", Some(&after))]);
    let mut stream = BufReader::new(client.stream(&path, &[("accept", "text/event-stream")], Some(SILENCE_MAX))?);
    let mut out = stdout().lock();
    while let Some(message) = sse::next(&mut stream).context("the connection broke: follow again")? {
        let line: Value = serde_json::from_str(&message.data).context("the host sent what is no line")?;
        out.write_all(shown(&line, common.json).as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

fn shown(line: &Value, as_json: bool) -> String {
    let text = |field: &str| line[field].as_str().unwrap_or("");
    if as_json { format!("{line}\n") } else { format!("{} {:<5} {}\n", text("time"), text("level"), text("message")) }
}
