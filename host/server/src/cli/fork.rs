//! `retold fork`: a namespace that shares another's history up to a position.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::words::{bytes, counted, lasting};

const AFTER_HELP: &str = "\
Examples:
  retold fork main --as whatif
  retold fork main --as whatif --at 120000
  retold append events.ndjson --namespace whatif
  retold diff main whatif
  retold namespaces drop whatif

It can be written like any other namespace, and costs little: history is shared. No timer fires in it and
nothing is sent to the outside from it, unless --effects says so.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Fork {
    /// The namespace whose history is shared
    #[arg(value_name = "BASE")]
    base: String,
    /// The name of the new one
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// Up to this position [default: the head]
    #[arg(long, value_name = "POSITION")]
    at: Option<String>,
    /// Let its timers fire and its requests leave
    #[arg(long)]
    effects: bool,
}

pub fn run(common: &Common, fork: &Fork) -> Result<()> {
    let mut how = json!({ "base": fork.base, "effects": fork.effects });
    if let Some(at) = &fork.at {
        how["at"] = json!(at);
    }
    let body = json!({ "name": fork.name, "fork": how }).to_string();
    let forked = Client::new(common)?.post("/v1/namespaces", "application/json", body.as_bytes())?;
    if common.json { print_json(&forked) } else { print(&told(&forked)) }
}

fn told(forked: &Value) -> String {
    let text = |name: &str| forked[name].as_str().unwrap_or("?");
    let number = |name: &str| forked[name].as_u64().unwrap_or(0);
    format!(
        "{} is a fork of {} at position {}\n  {} shared, {} copied, in {}\n",
        text("name"),
        text("base"),
        text("at"),
        counted(number("segments"), "segment"),
        bytes(number("bytes_copied")),
        lasting(number("took_us") as f64 / 1e6),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_tells_what_it_shares_and_what_was_copied() {
        let forked = json!({ "name": "whatif", "base": "main", "at": "120000", "segments": 3, "bytes_copied": 4_096, "took_us": 150_000 });
        assert_eq!(told(&forked), "whatif is a fork of main at position 120000\n  3 segments shared, 4.0 KiB copied, in 0.1 s\n");
    }
}
