//! What a member does: fetch, acknowledge, give back, extend.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::super::client::Client;
use super::super::output::{print, print_json};
use super::super::words::counted;

#[derive(Debug, Args)]
pub struct Fetch {
    name: String,
    /// Who fetches
    #[arg(long, value_name = "NAME", default_value = "member")]
    member: String,
    /// At most so many events
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u64,
    /// If there is nothing yet, wait so long, such as 5s
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
}

/// Which events of a lease.
#[derive(Debug, Args)]
struct These {
    /// What fetch said
    lease: String,
    /// Only these; without it and --upto, all
    #[arg(long, value_delimiter = ',', value_name = "POSITIONS", conflicts_with = "upto")]
    positions: Option<Vec<String>>,
    /// Only those up to here
    #[arg(long, value_name = "POSITION")]
    upto: Option<String>,
}

#[derive(Debug, Args)]
pub struct Acknowledge {
    name: String,
    #[command(flatten)]
    these: These,
}

#[derive(Debug, Args)]
pub struct GiveBack {
    name: String,
    #[command(flatten)]
    these: These,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// Not given again before, such as 5s
    #[arg(long, value_name = "TIME")]
    delay: Option<String>,
    /// Set them aside at once
    #[arg(long)]
    park: bool,
}

#[derive(Debug, Args)]
pub struct Extend {
    name: String,
    lease: String,
    /// For how long from now on, such as 30s
    #[arg(long = "for", value_name = "TIME")]
    lasts: Option<String>,
}

impl These {
    fn body(&self) -> Value {
        let mut body = json!({ "lease": self.lease });
        if let Some(positions) = &self.positions {
            body["positions"] = json!(positions);
        }
        if let Some(upto) = &self.upto {
            body["upto"] = json!(upto);
        }
        body
    }
}

fn post(client: &Client, name: &str, verb: &str, body: &Value) -> Result<Value> {
    client.post(&client.path(&["consumers", name, verb]), "application/json", body.to_string().as_bytes())
}

pub fn fetch(client: &Client, fetch: &Fetch, as_json: bool) -> Result<()> {
    let mut body = json!({ "member": fetch.member, "limit": fetch.limit });
    if let Some(wait) = &fetch.wait {
        body["wait"] = json!(wait);
    }
    let fetched = post(client, &fetch.name, "fetch", &body)?;
    if as_json {
        return print_json(&fetched);
    }
    let Some(lease) = fetched["lease"].as_str() else { return print("there is nothing to fetch now\n") };
    let mut text = String::new();
    for event in fetched["events"].as_array().into_iter().flatten() {
        text.push_str(&format!("{event}\n"));
    }
    let advice = format!("lease {lease}: retold consumers acknowledge {} {lease}\n", fetch.name);
    print(&(text + &advice))
}

fn said(answer: &Value, as_json: bool) -> Result<()> {
    if as_json {
        return print_json(answer);
    }
    match answer["left"].as_u64() {
        Some(left @ 1..) => print(&format!("{} still out under the lease\n", counted(left, "event"))),
        _ => print("nothing is out under the lease any more\n"),
    }
}

pub fn acknowledge(client: &Client, word: &Acknowledge, as_json: bool) -> Result<()> {
    said(&post(client, &word.name, "acknowledge", &word.these.body())?, as_json)
}

pub fn give_back(client: &Client, word: &GiveBack, as_json: bool) -> Result<()> {
    let mut body = word.these.body();
    for (member, value) in [("reason", &word.reason), ("delay", &word.delay)] {
        if let Some(value) = value {
            body[member] = json!(value);
        }
    }
    if word.park {
        body["park"] = json!(true);
    }
    said(&post(client, &word.name, "give-back", &body)?, as_json)
}

pub fn extend(client: &Client, word: &Extend, as_json: bool) -> Result<()> {
    let mut body = json!({ "lease": word.lease });
    if let Some(lasts) = &word.lasts {
        body["for"] = json!(lasts);
    }
    said(&post(client, &word.name, "extend", &body)?, as_json)
}
