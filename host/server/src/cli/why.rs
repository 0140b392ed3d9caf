//! `retold why`: what led to an event, and what it led to, as a tree.

use anyhow::Result;
use clap::Args;

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::tree;

const AFTER_HELP: &str = "\
Examples:
  retold why 17
  retold why 17 --within 1000000            look further for what it led to

Each event names its cause, so what led to it is always whole. What it led to is searched for among the
events behind it.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Why {
    /// The event's position
    #[arg(value_name = "POSITION")]
    position: String,
    /// How many events behind it are searched for its effects
    #[arg(long, value_name = "EVENTS")]
    within: Option<u64>,
}

pub fn run(common: &Common, why: &Why) -> Result<()> {
    let client = Client::new(common)?;
    let within = why.within.map(|events| events.to_string());
    let path = client.path(&["events", &why.position, "causes"]) + &query(&[("limit", within.as_deref())]);
    let causes = client.get(&path)?;
    if common.json { print_json(&causes) } else { print(&tree::drawn(&causes)) }
}
