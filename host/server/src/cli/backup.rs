//! `retold backup`: a namespace into a folder of files, while it is used.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::{Value, json};

use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::words::{counted, thousands};
use crate::drive::BackupFolder;

const AFTER_HELP: &str = "\
Examples:
  retold backup main --to /backups/main
  retold restore main --from /backups/main

Run again with the same folder it adds what came since, in a file of its own. A folder that holds another history is
refused. Each file is checked as it comes and has its name when it is whole; copy the folder wherever you like.

It holds the log with all that follows from it, and the modules. It doesn't hold consumers and how far they have read,
tokens, secrets and the host's configuration; nor how often a request was tried. What was forgotten stays in the
backups that were made before.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Backup {
    /// The namespace
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    /// The folder, made if it isn't there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub fn run(common: &Common, backup: &Backup) -> Result<()> {
    let client = Client::new(common)?.of(&backup.namespace);
    let mut folder = BackupFolder::open(&backup.to)?;
    let before = folder.end().map(|end| (end.commit, end.last.0, end.chain));
    let query = before.map_or(String::new(), |(commit, _, chain)| format!("?after-commit={commit}&chain={chain}"));
    let stream = match client.stream(&(client.path(&["backup"]) + &query), &[], None) {
        Ok(stream) => stream,
        // Nothing came of it.
        Err(error) => return folder.leave().map_err(|_| anyhow!("the folder can't be written")).and(Err(error)),
    };
    let end = folder.receive(stream)?;
    let mut modules = 0;
    for module in &end.modules {
        if !folder.has(*module) {
            folder.put(*module, &client.whole(&client.path(&["backup", "modules", &module.to_string()]))?)?;
            modules += 1;
        }
    }
    let (commit_before, position_before) = before.map_or((0, 0), |(commit, position, _)| (commit, position));
    let file = if end.commit > commit_before || before.is_none() {
        Some(folder.keep()?)
    } else {
        folder.leave()?;
        None
    };
    let told = json!({
        "namespace": backup.namespace, "at": end.last.to_string(), "commit": end.commit, "chain": end.chain.to_string(),
        "events": end.last.0 - position_before, "modules": modules,
        "file": file.map(|file| file.display().to_string()),
    });
    if common.json { print_json(&told) } else { print(&words(&told)) }
}

fn words(told: &Value) -> String {
    let text = |name: &str| told[name].as_str().unwrap_or("?");
    let number = |name: &str| told[name].as_u64().unwrap_or(0);
    let Some(file) = told["file"].as_str() else {
        return format!("{} is backed up to position {} already\n", text("namespace"), text("at"));
    };
    let events = if number("events") == 1 { "1 event".to_owned() } else { format!("{} events", thousands(number("events"))) };
    let modules = if number("modules") > 0 { format!(" and {}", counted(number("modules"), "module")) } else { String::new() };
    format!("{} is backed up to position {}\n  {events}{modules} in {file}\n", text("namespace"), text("at"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_tells_how_far_it_goes_and_what_came() {
        let mut told = json!({ "namespace": "main", "at": "120000", "events": 150, "modules": 2, "file": "b/log-1-2.retold" });
        assert_eq!(words(&told), "main is backed up to position 120000\n  150 events and 2 modules in b/log-1-2.retold\n");
        told["file"] = Value::Null;
        assert_eq!(words(&told), "main is backed up to position 120000 already\n");
    }
}
