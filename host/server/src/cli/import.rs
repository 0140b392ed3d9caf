//! `retold import`: a namespace out of the lines of an export.

use std::io::{BufReader, stdin};

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::arguments::Common;
use super::client::Client;
use super::failure::Refusal;
use super::output::{print, print_json};
use super::words::lasting;
use crate::drive::{BadLine, ImportBytes};

const AFTER_HELP: &str = "\
Examples:
  retold import copy < main.ndjson
  retold export main | retold import copy --url http://10.0.0.4:7070

The host runs, and has no namespace of this name, or one that nothing was ever written to. The lines are a whole export,
from position 1 on without gaps, with the empty line at its end; all of them are taken, or nothing. Positions, times, ids, causes and data are as they
were, so an export of what was imported has the same lines; the same file again is refused.

Entries of the host's own sources are taken too, as the events that they are. Nothing follows from them here: no timer
fires, no request leaves, no command is decided again. Functions that are deployed afterwards and begin at the beginning
read what was imported, and what is in the log already under its id isn't appended again.

To append events to what a namespace has, use `retold append`.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Import {
    /// The namespace that is made
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
}

pub fn run(common: &Common, import: &Import) -> Result<()> {
    let client = Client::new(common)?.of(&import.namespace);
    let bytes = ImportBytes::new(&import.namespace, BufReader::new(stdin()))?;
    let end = bytes.end();
    // Functions that come later are to work as they would anywhere.
    let path = client.path(&["restore"]) + "?effects=true";
    let answer = client.post_stream(&path, "application/octet-stream", bytes);
    if let Some(BadLine { line, what }) = end.take() {
        return Err(Refusal(format!("nothing is imported: line {line}: {what}")).into());
    }
    let imported = answer?;
    if common.json { print_json(&imported) } else { print(&told(&imported)) }
}

fn told(imported: &Value) -> String {
    let text = |name: &str| imported[name].as_str().unwrap_or("?");
    let took = lasting(imported["took_us"].as_u64().unwrap_or(0) as f64 / 1e6);
    format!("{} has positions 1 to {}, imported in {took}\n", text("name"), text("at"))
}
