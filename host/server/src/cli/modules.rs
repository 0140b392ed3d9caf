//! `retold modules`: what is deployed.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::words::table;

const AFTER_HELP: &str = "\
Examples:
  retold modules
  retold modules remove pricing             its functions stop; what they made stays";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Modules {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Retire a module's functions
    Remove { name: String },
}

pub fn run(common: &Common, modules: &Modules) -> Result<()> {
    let client = Client::new(common)?;
    match &modules.verb {
        None => list(&client, common.json),
        Some(Verb::Remove { name }) => {
            let removed = client.delete(&client.path(&["modules", name]))?;
            if common.json { print_json(&removed) } else { print(&format!("{name} is removed\n")) }
        }
    }
}

fn list(client: &Client, as_json: bool) -> Result<()> {
    let answer = client.get(&client.path(&["modules"]))?;
    if as_json {
        return print_json(&answer);
    }
    let modules = answer["modules"].as_array().map(Vec::as_slice).unwrap_or_default();
    if modules.is_empty() {
        return print("no modules: deploy one with `retold deploy FILE.wasm`\n");
    }
    let row = |module: &Value| {
        let text = |field: &str| module[field].as_str().unwrap_or("").to_owned();
        let functions: Vec<&str> = module["functions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        vec![text("name"), text("version"), text("deployed_at"), text("digest"), functions.join(", ")]
    };
    print(&table(&["module", "version", "since", "digest", "functions"], &modules.iter().map(row).collect::<Vec<_>>()))
}
