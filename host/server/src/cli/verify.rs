//! `retold verify`: whether a data directory is whole.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::arguments::Common;
use super::output::{print, print_json};
use super::words::{counted, figures, thousands};
use crate::drive::{self, Checked};

const AFTER_HELP: &str = "\
Examples:
  retold verify
  retold verify --data /backups/retold-2026-11-21

Reads everything once, without a host: stop the one that runs on the folder, or copy it first. Every record is held
against the hash chain, every position and id against the index, every module against its digest. Exits with 1 if
anything is damaged, and says where. Two logs of one chain hash are the same, byte for byte.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Verify {
    /// The folder that holds everything
    #[arg(long, value_name = "DIR", default_value = "retold-data")]
    data: PathBuf,
}

pub fn run(common: &Common, verify: &Verify) -> Result<()> {
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
