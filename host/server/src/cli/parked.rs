//! `retold parked`: what a function set aside, and another try.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::function_page::page;
use super::output::{print, print_json};
use super::words::{counted, table};

const AFTER_HELP: &str = "\
Examples:
  retold parked pricing
  retold parked pricing --release                       all of them are tried again, in order
  retold parked pricing --release --subject order/7

An event that a function can't handle is set aside together with the later ones of its subject, so that
their order is kept. Mend the cause, deploy, and release them.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Parked {
    #[arg(value_name = "FUNCTION")]
    function: String,
    /// Try them again
    #[arg(long)]
    release: bool,
    /// Only those of this subject
    #[arg(long, requires = "release")]
    subject: Option<String>,
    /// Show at most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
}

pub fn run(common: &Common, parked: &Parked) -> Result<()> {
    let client = Client::new(common)?;
    if parked.release {
        let function = release(&client, parked)?;
        return if common.json { print_json(&function) } else { print(&page(&function)) };
    }
    let (events, total) = list(&client, parked)?;
    if common.json { print_json(&json!({ "parked": events, "total": total })) } else { print(&listed(&parked.function, &events, total)) }
}

fn release(client: &Client, parked: &Parked) -> Result<Value> {
    let path = client.path(&["functions", &parked.function, "release"]);
    let body = parked.subject.as_ref().map(|subject| json!({ "subject": subject }).to_string()).unwrap_or_default();
    client.post(&path, "application/json", body.as_bytes())
}

/// Page after page, up to the limit; and how many there are in all.
fn list(client: &Client, parked: &Parked) -> Result<(Vec<Value>, u64)> {
    const PAGE: usize = 1_000;
    let mut events = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let limit = (parked.limit - events.len()).clamp(1, PAGE).to_string();
        let query = query(&[("after", after.as_deref()), ("limit", Some(&limit))]);
        let mut page = client.get(&(client.path(&["functions", &parked.function, "parked"]) + &query))?;
        if let Value::Array(more) = page["parked"].take() {
            events.extend(more);
        }
        if events.len() >= parked.limit || page["more"] != true {
            return Ok((events, page["total"].as_u64().unwrap_or(0)));
        }
        after = page["cursor"].as_str().map(str::to_owned);
    }
}

fn listed(function: &str, events: &[Value], total: u64) -> String {
    if total == 0 {
        return format!("{function} has set nothing aside\n");
    }
    let row = |event: &Value| {
        let text = |field: &str| event[field].as_str().unwrap_or("").to_owned();
        let reason = if event["released"] == true { "released".to_owned() } else { text("reason") };
        vec![text("position"), text("type"), text("subject"), reason, event["attempts"].to_string(), text("since"), text("message")]
    };
    let heading = ["position", "type", "subject", "reason", "attempts", "since", "message"];
    let mut shown = table(&heading, &events.iter().map(row).collect::<Vec<_>>());
    if (events.len() as u64) < total {
        shown.push_str(&format!("{} of {}; --limit shows more\n", events.len(), counted(total, "parked event")));
    }
    shown
}
