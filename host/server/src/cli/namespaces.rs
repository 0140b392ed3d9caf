//! `retold namespaces`: the logs of a host.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::words::table;

const AFTER_HELP: &str = "\
Examples:
  retold namespaces
  retold namespaces create shop
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
}

pub fn run(common: &Common, namespaces: &Namespaces) -> Result<()> {
    let client = Client::new(common)?;
    match &namespaces.verb {
        None => list(&client, common.json),
        Some(Verb::Create { name }) => {
            let created = create(&client, name)?;
            if common.json { print_json(&created) } else { print(&format!("{name} is there\n")) }
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
    let rows: Vec<Vec<String>> = answer["namespaces"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|namespace| ["name", "head", "created"].map(|field| shown(&namespace[field])).to_vec())
        .collect();
    print(&table(&["namespace", "head", "created"], &rows))
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
