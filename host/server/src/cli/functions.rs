//! `retold functions`: how far each one is, and why one stands.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::failure::Usage;
use super::function_page::page;
use super::output::{print, print_json};
use super::words::{table, thousands};

const AFTER_HELP: &str = "\
Examples:
  retold functions
  retold functions pricing                  one function, with its limits, counts and last log lines
  retold functions pause pricing
  retold functions rewind pricing --to 0    read the whole log again; known events aren't made twice

A function is active, paused (by you) or halted (by a failure, where its policy is to halt). The lag is
how many positions lie between the first event it has not dealt with and the end of the log.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Functions {
    /// Show this one, with all that is known of it
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Let a function stand where it is
    Pause { name: String },
    /// Let a paused or halted function go on
    Resume { name: String },
    /// Let a function read again everything behind a position
    Rewind {
        name: String,
        /// 0 is the beginning
        #[arg(long, value_name = "POSITION")]
        to: String,
    },
}

pub fn run(common: &Common, functions: &Functions) -> Result<()> {
    let client = Client::new(common)?;
    let function = match (&functions.verb, &functions.name) {
        (None, None) => return list(&client, common.json),
        (None, Some(name)) => client.get(&client.path(&["functions", name]))?,
        (Some(_), Some(name)) => return Err(Usage(format!("write the verb first: retold functions pause {name}")).into()),
        (Some(Verb::Pause { name }), None) => client.post_empty(&client.path(&["functions", name, "pause"]))?,
        (Some(Verb::Resume { name }), None) => client.post_empty(&client.path(&["functions", name, "resume"]))?,
        (Some(Verb::Rewind { name, to }), None) => {
            let path = client.path(&["functions", name, "rewind"]) + &query(&[("to", Some(to))]);
            client.post_empty(&path)?
        }
    };
    if common.json { print_json(&function) } else { print(&page(&function)) }
}

fn list(client: &Client, as_json: bool) -> Result<()> {
    let answer = client.get(&client.path(&["functions"]))?;
    if as_json {
        return print_json(&answer);
    }
    let functions = answer["functions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if functions.is_empty() {
        return print("no functions: deploy a module with `retold deploy FILE.wasm`\n");
    }
    print(&listed(functions))
}

fn listed(functions: &[Value]) -> String {
    let text = |function: &Value, field: &str| function[field].as_str().unwrap_or("").to_owned();
    let number = |value: &Value| thousands(value.as_u64().unwrap_or(0));
    let row = |function: &Value| {
        let limits = &function["limits"];
        vec![
            text(function, "name"),
            status(function),
            text(function, "cursor"),
            number(&function["lag"]),
            number(&function["parked"]),
            format!("{} {}", text(function, "module"), text(function, "version")),
            format!(
                "{} M fuel, {} MiB, {} attempts",
                number(&Value::from(limits["fuel_per_call"].as_u64().unwrap_or(0) / 1_000_000)),
                number(&Value::from(limits["memory_bytes"].as_u64().unwrap_or(0) >> 20)),
                number(&limits["attempts"]),
            ),
        ]
    };
    let heading = ["function", "status", "cursor", "lag", "parked", "module", "limits of a call"];
    let mut shown = table(&heading, &functions.iter().map(row).collect::<Vec<_>>());
    for function in functions.iter().filter(|function| function["halted"].is_object()) {
        let (name, halted) = (text(function, "name"), &function["halted"]);
        shown.push_str(&format!(
            "{name} halted at {}: {}; mend it and run `retold functions resume {name}`\n",
            text(halted, "position"),
            text(halted, "message")
        ));
    }
    shown
}

/// The status and what it hides: state that is being made again, an event that is tried again.
pub fn status(function: &Value) -> String {
    let status = function["status"].as_str().unwrap_or("?");
    if function["rebuilding"] == true {
        format!("{status}, rebuilding")
    } else if function["retrying"].is_object() {
        format!("{status}, retrying")
    } else {
        status.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_halted_function_says_where_and_what_to_do() {
        let function = json!({
            "name": "pricing", "status": "halted", "cursor": "1.16", "lag": 3, "parked": 0, "module": "hello", "version": "0.1.0",
            "halted": { "position": "17", "reason": "trap", "message": "unreachable" },
            "limits": { "fuel_per_call": 2_000_000_000, "memory_bytes": 67_108_864, "attempts": 4 },
        });
        let shown = listed(&[function]);
        assert!(shown.contains("pricing halted at 17: unreachable; mend it and run `retold functions resume pricing`"), "{shown}");
        assert!(shown.contains("2,000 M fuel, 64 MiB, 4 attempts"), "{shown}");
    }
}
