//! `retold rebuild`: a namespace whose log is whole, with everything else made anew.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};

use super::arguments::Common;
use super::failure::Refusal;
use super::output::{print, print_json};
use super::words::{counted, thousands};
use crate::drive::{self, DriveError};

const AFTER_HELP: &str = "\
Examples:
  retold rebuild main
  retold rebuild main --data /var/lib/retold

For when `retold verify` says that something is damaged that follows from the log, or when such a file is lost. Works on a
stopped host's folder. Everything is made anew out of the log: indexes and lookup tables, what is known of functions,
modules, parked events, timers and requests; the host makes states and views again at its next start, by replay. The new
files are written beside the old and take their place at the end, so it needs as much space again as the log takes; one
that is killed has changed nothing.

The log itself can't be made again: where it is damaged, nothing is changed, and the file and the first position that is
lost are told. Restore it from a backup then, up to there or whole. What no log speaks of is taken over as it is
(modules' code, what was held of requests and how often each was tried, consumers), or named where it can't be read;
tokens and secrets are elsewhere and stay.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Rebuild {
    /// The namespace that is made anew
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    /// The folder that holds everything
    #[arg(long, value_name = "DIR", default_value = "retold-data")]
    data: PathBuf,
}

pub fn run(common: &Common, rebuild: &Rebuild) -> Result<()> {
    let began_us = drive::passed_us();
    let rebuilt = drive::rebuild(&rebuild.data, &rebuild.namespace)
        .map_err(refused)
        .with_context(|| format!("{} was not rebuilt, and is as it was", rebuild.namespace))?;
    let value = json!({
        "namespace": rebuild.namespace,
        "at": rebuilt.at.to_string(),
        "commits": rebuilt.commit,
        "chain": rebuilt.chain.to_string(),
        "segments": rebuilt.segments,
        "modules": rebuilt.modules,
        "rebuilding": rebuilt.rebuilding,
        "without_code": rebuilt.without_code,
        "dropped": rebuilt.dropped,
        "lost": rebuilt.lost,
        "took_us": drive::passed_us() - began_us,
    });
    if common.json { print_json(&value) } else { print(&told(&value)) }
}

/// What has to be asked for otherwise is no failure.
fn refused(error: DriveError) -> anyhow::Error {
    match error {
        DriveError::Name(_) | DriveError::Generation { .. } => Refusal(error.to_string()).into(),
        other => other.into(),
    }
}

fn told(rebuilt: &Value) -> String {
    let number = |name: &str| rebuilt[name].as_u64().unwrap_or_default();
    let texts = |name: &str| rebuilt[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let all = |name: &str| Some(texts(name).collect::<Vec<_>>().join(", ")).filter(|names| !names.is_empty());
    let mut out = format!(
        "{} is made anew out of its log: {} events in {}, {}, the code of {}\n",
        rebuilt["namespace"].as_str().unwrap_or("?"),
        rebuilt["at"].as_str().and_then(|at| at.parse().ok()).map_or_else(|| "?".to_owned(), thousands),
        counted(number("commits"), "commit"),
        counted(number("segments"), "segment"),
        counted(number("modules"), "module version"),
    );
    if let Some(rebuilding) = all("rebuilding") {
        out += &format!("  make their state again when a host runs: {rebuilding}\n");
    }
    if let Some(dropped) = all("dropped") {
        out += &format!("  filled again when a host runs: {dropped}\n");
    }
    if let Some(missing) = all("without_code") {
        out += &format!("  without code, deploy them again: {missing}\n");
    }
    texts("lost").for_each(|lost| out += &format!("  could not be read: {lost}\n"));
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rebuild_tells_what_was_made_and_what_is_missing() {
        let rebuilt = json!({
            "namespace": "main", "at": "120000", "commits": 130, "segments": 1, "modules": 2, "rebuilding": ["pricing"],
            "dropped": ["view-a.redb"], "without_code": ["shop"], "lost": ["its consumers"],
        });
        let words = told(&rebuilt);
        assert!(words.starts_with("main is made anew out of its log: 120,000 events in 130 commits, 1 segment, the code of 2 module"));
        for part in ["a host runs: pricing\n", "a host runs: view-a.redb\n", "deploy them again: shop\n", "read: its consumers\n"] {
            assert!(words.contains(part), "{words}");
        }
    }
}
