//! `retold aggregate`: what an aggregate has folded of a subject.

use anyhow::Result;
use clap::Args;

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  retold aggregate cart cart/1
  retold aggregate cart cart/1 --at 17      as it was when the log ended at position 17";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Aggregate {
    #[arg(value_name = "AGGREGATE")]
    name: String,
    #[arg(value_name = "SUBJECT")]
    subject: String,
    /// As it was at this position
    #[arg(long, value_name = "POSITION")]
    at: Option<String>,
}

pub fn run(common: &Common, asked: &Aggregate) -> Result<()> {
    let client = Client::new(common)?;
    let path = client.path(&["aggregates", &asked.name, &asked.subject]);
    let answer = client.get(&(path + &query(&[("at", asked.at.as_deref())])))?;
    if common.json {
        return print_json(&answer);
    }
    let state = answer.get("state").unwrap_or(&answer["state_base64"]);
    let shown = serde_json::to_string_pretty(state)?;
    print(&format!("{} at position {}\n{shown}\n", asked.subject, answer["position"].as_str().unwrap_or("?")))
}
