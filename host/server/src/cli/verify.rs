//! `retold verify`: whether a data directory is whole; with `--replay`, whether what runs makes what is there.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::rehearsing::{ANSWER_WITHIN, Percent};
use super::replay::{Watch, follow, is_same, report, verdict};
use super::words::{counted, figures, thousands};
use crate::drive::{self, Checked};

const AFTER_HELP: &str = "\
Examples:
  retold verify
  retold verify --data /backups/retold-2026-11-21
  retold verify --replay --namespace shop   on a running host: every function of shop once more
  retold verify --replay --function pricing

Reads everything once, without a host: stop the one that runs on the folder, or copy it first. Every record is held
against the hash chain, every position and id against the index, every module against its digest. Exits with 1 if
anything is damaged, and says where; what follows from the log is made again by `retold rebuild`. Two logs of one chain hash are the same, byte for byte.

With --replay it asks a running host to run the functions of a namespace over all that they have read, beside live work:
what they make is held against what is recorded, by ids and content, and their state and rows against the live ones at
one position. What earlier versions made is held against their own code, where it is still here; what can't be compared is
told. Exits with 1 if anything differs. Nothing is changed; the report is kept as a replay.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Verify {
    /// The folder that holds everything
    #[arg(long, value_name = "DIR", default_value = "retold-data", conflicts_with = "replay")]
    data: PathBuf,
    /// Ask a running host to run what is deployed over history once more
    #[arg(long)]
    replay: bool,
    /// Only this function
    #[arg(long, value_name = "NAME", requires = "replay")]
    function: Option<String>,
    /// How much of a processor's time it may take, such as 50% [default: what live work leaves]
    #[arg(long, value_name = "PERCENT", requires = "replay")]
    budget: Option<Percent>,
}

pub fn run(common: &Common, verify: &Verify) -> Result<()> {
    if verify.replay { replay(common, verify) } else { read(common, verify) }
}

fn replay(common: &Common, verify: &Verify) -> Result<()> {
    let client = Client::new(common)?;
    let budget = verify.budget.map(|Percent(percent)| percent.to_string());
    let asked = [("function", verify.function.as_deref()), ("budget", budget.as_deref()), ("timeout", Some(ANSWER_WITHIN))];
    let begun = client.post_empty(&(client.path(&["verify"]) + &query(&asked)))?;
    let replay = follow(&client, begun, if common.json { Watch::Quiet } else { Watch::Person })?;
    if common.json {
        print_json(&replay)?;
    } else {
        print(&report(&replay))?;
    }
    if replay["status"] != "done" {
        bail!("{} could not be verified: {}", client.namespace(), replay["failed"]["message"].as_str().unwrap_or("its replay failed"));
    }
    if !is_same(&replay) {
        bail!("{} is {}", client.namespace(), verdict(&replay));
    }
    Ok(())
}

fn read(common: &Common, verify: &Verify) -> Result<()> {
    let mut all: Vec<Checked> = Vec::new();
    drive::verify(&verify.data, |checked| {
        if !common.json {
            eprintln!("retold: {} is read", checked.folder);
        }
        all.push(checked);
    })?;
    if common.json {
        print_json(&json!({ "logs": all.iter().map(value).collect::<Vec<_>>() }))?;
    } else {
        print(&figures(&["namespace", "chain", "events", "commits", "modules"], &all.iter().filter_map(row).collect::<Vec<_>>(), 2))?;
    }
    let damaged: Vec<String> =
        all.iter().filter_map(|checked| Some(format!("{}: {}", checked.folder, checked.found.as_ref().err()?))).collect();
    if !damaged.is_empty() {
        bail!("{} not whole\n  {}", counted(damaged.len() as u64, "log"), damaged.join("\n  "));
    }
    Ok(())
}

fn row(checked: &Checked) -> Option<Vec<String>> {
    let found = checked.found.as_ref().ok()?;
    let name = if checked.folder.ends_with(&checked.namespace) {
        checked.namespace.clone()
    } else {
        format!("{} ({})", checked.namespace, checked.folder)
    };
    let numbers = [thousands(found.events), thousands(found.commits), checked.modules.to_string()];
    Some([vec![name, found.chain.to_string()], numbers.to_vec()].concat())
}

fn value(checked: &Checked) -> Value {
    let mut value = json!({ "namespace": checked.namespace, "folder": checked.folder, "whole": checked.found.is_ok() });
    match &checked.found {
        Ok(found) => {
            value["events"] = found.events.into();
            value["commits"] = found.commits.into();
            value["chain"] = found.chain.to_string().into();
            value["modules"] = checked.modules.into();
        }
        Err(error) => value["damage"] = error.to_string().into(),
    }
    value
}
