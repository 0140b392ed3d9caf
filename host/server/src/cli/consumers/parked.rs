//! Events that a consumer has set aside.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::super::address::query;
use super::super::client::Client;
use super::super::output::{print, print_json};
use super::super::words::{counted, table};

#[derive(Debug, Args)]
pub struct Parked {
    name: String,
    /// Show at most so many, up to 1,000
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
}

#[derive(Debug, Args)]
pub struct Release {
    name: String,
    /// Only those of this subject
    #[arg(long, conflicts_with = "position")]
    subject: Option<String>,
    /// Only this one, the first of its subject
    #[arg(long)]
    position: Option<String>,
    /// Take them as dealt with
    #[arg(long)]
    skip: bool,
}

pub fn list(client: &Client, parked: &Parked, as_json: bool) -> Result<()> {
    let limit = parked.limit.to_string();
    let page = client.get(&(client.path(&["consumers", &parked.name, "parked"]) + &query(&[("limit", Some(&limit))])))?;
    if as_json { print_json(&page) } else { print(&listed(&parked.name, &page)) }
}

fn listed(name: &str, page: &Value) -> String {
    let events = page["parked"].as_array().map(Vec::as_slice).unwrap_or_default();
    if events.is_empty() {
        return format!("{name} has set nothing aside\n");
    }
    let row = |event: &Value| {
        let text = |field: &str| event[field].as_str().unwrap_or("").to_owned();
        vec![
            text("position"),
            text("type"),
            text("subject"),
            text("standing"),
            event["attempts"].to_string(),
            text("since"),
            text("reason"),
        ]
    };
    let heading = ["position", "type", "subject", "standing", "attempts", "since", "reason"];
    let mut shown = table(&heading, &events.iter().map(row).collect::<Vec<_>>());
    if page["more"] == true {
        let total = page["total"].as_u64().unwrap_or(0);
        shown.push_str(&format!("{} of {}; --limit shows more\n", events.len(), counted(total, "parked event")));
    }
    shown
}

pub fn release(client: &Client, release: &Release, as_json: bool) -> Result<()> {
    let mut body = json!({});
    if let Some(subject) = &release.subject {
        body["subject"] = json!(subject);
    }
    if let Some(position) = &release.position {
        body["position"] = json!(position);
    }
    if release.skip {
        body["skip"] = json!(true);
    }
    let path = client.path(&["consumers", &release.name, "release"]);
    let answer = client.post(&path, "application/json", body.to_string().as_bytes())?;
    if as_json {
        return print_json(&answer);
    }
    let released = counted(answer["released"].as_u64().unwrap_or(0), "event");
    print(&if release.skip { format!("{released} skipped\n") } else { format!("{released} given again\n") })
}
