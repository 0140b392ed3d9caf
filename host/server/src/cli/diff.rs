//! `retold diff`: two namespaces, held against each other.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::failure::Refusal;
use super::handling::position_of;
use super::output::{print, print_json};
use super::progress::Progress;
use super::replay::logs_report;

const AFTER_HELP: &str = "\
Examples:
  retold diff main retold
  retold diff main whatif --json

Events are held against each other by source and id: equal, in both with other content, or in one of the two
only; then the rows of their views.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Diff {
    #[arg(value_name = "BASE")]
    base: String,
    #[arg(value_name = "OTHER")]
    other: String,
}

pub fn run(common: &Common, diff: &Diff) -> Result<()> {
    let client = Client::new(common)?.of(&diff.base);
    let path = client.path(&["diff", &diff.other]) + &query(&[("timeout", Some("1s"))]);
    let progress = Progress::start("comparing", None, common.json);
    let difference = loop {
        match client.get(&path) {
            Ok(difference) if difference["status"] == "running" => {
                progress.at(position_of(&difference["position"]), &how_far(&difference));
            }
            ended => break ended,
        }
    };
    progress.end();
    let difference = difference?;
    if common.json {
        print_json(&difference)?
    } else {
        print(&logs_report(&difference))?
    }
    match difference["failed"]["message"].as_str() {
        Some(message) => Err(Refusal(message.to_owned()).into()),
        None => Ok(()),
    }
}

fn how_far(difference: &Value) -> String {
    let (position, head) = (position_of(&difference["position"]), position_of(&difference["head"]));
    format!("position {position} of {head}, {} %", (position * 100).checked_div(head).unwrap_or(100))
}
