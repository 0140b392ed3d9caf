//! `retold namespaces`: the logs of a host.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::quota::{self, QuotaOptions};
use super::words::{bytes, counted, table};

const AFTER_HELP: &str = "\
Examples:
  retold namespaces
  retold namespaces create shop
  retold namespaces quota shop --events 5000000 --bytes 20GiB --rate 500/s
  retold namespaces quota shop --default    back to what the host has for all
  retold namespaces drop whatif             a fork, a retelling or an old generation, with all its files
  retold --namespace shop events";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Namespaces {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a namespace: a log of its own, with its modules
    Create { name: String },
    /// Show what a namespace may have, or say all of it: what isn't given is as the host has it for all
    Quota(QuotaOptions),
    /// Remove a namespace with all its events: a fork, a retelling, an earlier generation, or one with a log of its own
    Drop { name: String },
}

pub fn run(common: &Common, namespaces: &Namespaces) -> Result<()> {
    let client = Client::new(common)?;
    match &namespaces.verb {
        None => list(&client, common.json),
        Some(Verb::Create { name }) => {
            let created = create(&client, name)?;
            if common.json { print_json(&created) } else { print(&format!("{name} is there\n")) }
        }
        Some(Verb::Quota(options)) => quota::run(&client, common.json, options),
        Some(Verb::Drop { name }) => {
            let dropped = client.delete(&client.of(name).path(&[]))?;
            if common.json { print_json(&dropped) } else { print(&gone(&dropped)) }
        }
    }
}

/// It may be there already.
pub fn create(client: &Client, name: &str) -> Result<Value> {
    let body = json!({ "name": name }).to_string();
    client.post("/v1/namespaces", "application/json", body.as_bytes())
}

fn list(client: &Client, as_json: bool) -> Result<()> {
    let answer = client.get("/v1/namespaces")?;
    if as_json {
        return print_json(&answer);
    }
    print(&listed(answer["namespaces"].as_array().map(Vec::as_slice).unwrap_or_default()))
}

fn listed(namespaces: &[Value]) -> String {
    let row = |namespace: &Value| {
        let text = |field: &str| namespace[field].as_str().unwrap_or("").to_owned();
        vec![text("name"), text("head"), namespace["generation"].to_string(), role(namespace), text("created")]
    };
    table(&["namespace", "head", "generation", "role", "created"], &namespaces.iter().map(row).collect::<Vec<_>>())
}

/// What it is, and of what.
fn role(namespace: &Value) -> String {
    let text = |field: &str| namespace[field].as_str().unwrap_or("?");
    match text("role") {
        "fork" => format!("fork of {} at {}", text("base"), text("at")),
        "retelling" => format!("retelling of {}", text("base")),
        "old" => format!("earlier generation of {}, read only", text("base")),
        _ => String::new(),
    }
}

fn gone(dropped: &Value) -> String {
    let number = |field: &str| dropped[field].as_u64().unwrap_or(0);
    let name = dropped["namespace"].as_str().unwrap_or("?");
    format!("{name} is gone: {} with {} removed\n", counted(number("files"), "file"), bytes(number("bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_listed_with_where_they_are_from() {
        let of = |name: &str, generation: u64, role: &str, base: Value, at: Value| json!({ "name": name, "head": "9", "generation": generation, "role": role, "base": base, "at": at, "created": "2026-11-21T05:18:36Z" });
        let namespaces = [
            of("main", 2, "own", Value::Null, Value::Null),
            of("main@1", 1, "old", json!("main"), Value::Null),
            of("whatif", 1, "fork", json!("main"), json!("7")),
        ];
        let expected = "\
namespace  head  generation  role                                   created
main       9     2                                                  2026-11-21T05:18:36Z
main@1     9     1           earlier generation of main, read only  2026-11-21T05:18:36Z
whatif     9     1           fork of main at 7                      2026-11-21T05:18:36Z
";
        assert_eq!(listed(&namespaces), expected);
    }

    #[test]
    fn what_was_freed_is_told() {
        let dropped = json!({ "namespace": "whatif", "files": 3, "bytes": 3 << 20 });
        assert_eq!(gone(&dropped), "whatif is gone: 3 files with 3.0 MiB removed\n");
    }
}
