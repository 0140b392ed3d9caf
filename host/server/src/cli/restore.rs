//! `retold restore`: a namespace out of its backups.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::address;
use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::words::lasting;
use crate::drive::WholeBackup;

const AFTER_HELP: &str = "\
Examples:
  retold restore main --from /backups/main
  retold restore before --from /backups/main --at 120000
  retold restore before --from /backups/main --until 2026-11-21T10:00:00Z

The host runs, and has no namespace of this name, or one that nothing was ever written to. The log is the same, byte for
byte; states and views are made again by replay. Everything in the folder is read and checked before anything is sent.

As in a fork, no timer fires and no request leaves, unless --effects says so: then what was waiting at that place goes
out, under the same idempotency keys. Say so only if the namespace that was backed up is gone.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Restore {
    /// The namespace that is made
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    /// The folder of backups
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Up to this position [default: all]
    #[arg(long, value_name = "POSITION")]
    at: Option<u64>,
    /// What was recorded at this time or before, such as 2026-11-21T10:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "at")]
    until: Option<String>,
    /// Let its timers fire and its requests leave
    #[arg(long)]
    effects: bool,
}

pub fn run(common: &Common, restore: &Restore) -> Result<()> {
    let client = Client::new(common)?.of(&restore.namespace);
    let backup = WholeBackup::read(&restore.from)?;
    let at = restore.at.map(|at| at.to_string());
    let effects = restore.effects.then_some("true");
    let query = address::query(&[("at", at.as_deref()), ("until", restore.until.as_deref()), ("effects", effects)]);
    let path = client.path(&["restore"]) + &query;
    let restored = client.post_stream(&path, "application/octet-stream", backup.into_bytes())?;
    if common.json { print_json(&restored) } else { print(&told(&restored, restore.effects)) }
}

fn told(restored: &Value, effects: bool) -> String {
    let text = |name: &str| restored[name].as_str().unwrap_or("?");
    let names = |name: &str| {
        let names = restored[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        Some(names.collect::<Vec<_>>().join(", ")).filter(|names| !names.is_empty())
    };
    let took = lasting(restored["took_us"].as_u64().unwrap_or(0) as f64 / 1e6);
    let mut out = format!("{} is {} as it was at position {}, restored in {took}\n", text("name"), text("of"), text("at"));
    if let Some(rebuilding) = names("rebuilding") {
        out += &format!("  making their state again: {rebuilding}\n");
    }
    if let Some(missing) = names("without_code") {
        out += &format!("  without code, deploy them again: {missing}\n");
    }
    out += if effects {
        "  its timers fire and its requests leave\n"
    } else {
        "  no timer fires and no request leaves: `retold outbox` and `retold timers` show what waits\n"
    };
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_restore_tells_where_it_ends_and_what_is_held() {
        let restored = json!({ "name": "before", "of": "main", "at": "120000", "rebuilding": ["pricing"], "without_code": ["shop"], "took_us": 150_000 });
        let words = told(&restored, false);
        assert!(words.starts_with("before is main as it was at position 120000, restored in 0.1 s\n"), "{words}");
        assert!(words.contains("making their state again: pricing") && words.contains("deploy them again: shop"), "{words}");
        assert!(words.contains("no request leaves"), "{words}");
        assert!(told(&restored, true).contains("its requests leave"));
    }
}
