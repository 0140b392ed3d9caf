//! `retold modules`: what is deployed.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::Value;

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::replay::{Watch, follow, warnings};
use super::uploading::{failed, with_report};
use super::words::table;

const AFTER_HELP: &str = "\
Examples:
  retold modules
  retold modules --history                  every version, where it ran and whether it is kept
  retold modules remove pricing             its functions stop; what they made stays";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Modules {
    /// Every version that was ever deployed
    #[arg(long)]
    history: bool,
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
        None if modules.history => history(&client, common.json),
        None => list(&client, common.json),
        Some(Verb::Remove { name }) => {
            let removed = client.delete(&client.path(&["modules", name]));
            let removed = with_report(&client, common.json, removed).with_context(|| format!("{name} is as it was"))?;
            let (is_replay, watch) = (removed["id"].is_string(), if common.json { Watch::Quiet } else { Watch::Person });
            let replay = if is_replay { follow(&client, removed.clone(), watch)? } else { removed["replay"].clone() };
            if let Some(refusal) = failed(&replay) {
                return Err(refusal).with_context(|| format!("{name} is as it was"));
            }
            if common.json {
                return print_json(if is_replay { &replay } else { &removed });
            }
            let became = if replay["status"] == "done" { "is removed" } else { "is still being removed" };
            print(&format!("{name} {became}\n{}", warnings(&replay)))
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

fn history(client: &Client, as_json: bool) -> Result<()> {
    let answer = client.get(&(client.path(&["modules"]) + &query(&[("history", Some("true"))])))?;
    if as_json {
        return print_json(&answer);
    }
    let versions = answer["modules"].as_array().map(Vec::as_slice).unwrap_or_default();
    if versions.is_empty() {
        return print("no module was ever deployed: deploy one with `retold deploy FILE.wasm`\n");
    }
    print(&versions_listed(versions))
}

fn versions_listed(versions: &[Value]) -> String {
    let row = |version: &Value| {
        let text = |field: &str| version[field].as_str().unwrap_or("").to_owned();
        let from = if version["rolled_back"] == true { format!("{} (rolled back)", text("deployed_at")) } else { text("deployed_at") };
        let status = match (version["active"] == true, version["kept"] == true) {
            (true, _) => "active",
            (false, true) => "kept",
            (false, false) => "",
        };
        vec![text("name"), text("version"), from, text("ended_at"), status.to_owned(), text("digest")]
    };
    table(&["module", "version", "since", "until", "status", "digest"], &versions.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn history_tells_from_where_to_where_each_version_ran() {
        let version = |version: &str, from: &str, to: Value, active: bool, kept: bool, rolled_back: bool| {
            json!({ "name": "pricing", "version": version, "deployed_at": from, "ended_at": to, "active": active, "kept": kept,
                "rolled_back": rolled_back, "digest": "sha256:ab" })
        };
        let versions = [
            version("1.0.0", "3", json!("90"), false, true, false),
            version("1.1.0", "90", json!("120"), false, false, false),
            version("1.0.0", "120", Value::Null, true, false, true),
        ];
        let expected = "\
module   version  since              until  status  digest
pricing  1.0.0    3                  90     kept    sha256:ab
pricing  1.1.0    90                 120            sha256:ab
pricing  1.0.0    120 (rolled back)         active  sha256:ab
";
        assert_eq!(versions_listed(&versions), expected);
    }
}
