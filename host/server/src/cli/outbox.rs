//! `retold outbox`: what is still to leave, and what is held back.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::failure::Usage;
use super::output::{print, print_json};
use super::words::{counted, shortened, table};

const AFTER_HELP: &str = "\
Examples:
  retold outbox                          requests that have no answer yet, and how their hosts are
  retold outbox --host api.example.com --state waiting
  retold outbox retry 17                 sent as soon as can be, whatever came before
  retold outbox discard 17               it fails for good, and who made it hears so
  retold outbox release 17               a held request leaves
  retold outbox held onboarding          what it made of events from before its deployment
  retold outbox held onboarding --release

A request leaves after the commit that has it, again and again with growing pauses, until there is a reply
or it has failed for good. A host that is down holds up its own requests alone.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub struct Outbox {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Only those that this function made
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Only those to hosts that begin so
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// all, waiting or held
    #[arg(long, value_name = "STATE", default_value = "all", value_parser = ["all", "waiting", "held"])]
    state: String,
    /// Show at most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send a request as soon as can be
    Retry { position: String },
    /// Let a held request leave
    Release { position: String },
    /// Have a request fail for good
    Discard { position: String },
    /// Show the outputs of a function that are held; release or discard them
    Held {
        function: String,
        /// Append them to the log: requests leave, timers are set, commands are decided
        #[arg(long)]
        release: bool,
        /// Forget them
        #[arg(long, conflicts_with = "release")]
        discard: bool,
        /// Only the one of this id
        #[arg(long, value_name = "ID")]
        id: Option<String>,
    },
}

pub fn run(common: &Common, outbox: &Outbox) -> Result<()> {
    let client = Client::new(common)?;
    let say = |answer: &Value, text: String| if common.json { print_json(answer) } else { print(&text) };
    let told = |position: &str, word: &str| client.post_empty(&client.path(&["outbox", position, word]));
    match &outbox.verb {
        None => {
            let answer = list(&client, outbox)?;
            say(&answer, listed(&answer))
        }
        Some(Verb::Retry { position }) => say(&told(position, "retry")?, format!("{position} is sent as soon as can be\n")),
        Some(Verb::Release { position }) => say(&told(position, "release")?, format!("{position} may leave\n")),
        Some(Verb::Discard { position }) => say(&told(position, "discard")?, format!("{position} has failed for good\n")),
        Some(Verb::Held { function, release: false, discard: false, id: None }) => {
            let answer = held(&client, function, outbox.limit)?;
            say(&answer, held_listed(function, &answer))
        }
        Some(Verb::Held { release: false, discard: false, .. }) => {
            Err(Usage("--id says which one to release or discard: add --release or --discard".to_owned()).into())
        }
        Some(Verb::Held { function, release, id, .. }) => {
            let word = if *release { "release" } else { "discard" };
            let body = id.as_ref().map(|id| json!({ "id": id }).to_string()).unwrap_or_default();
            let answer = client.post(&client.path(&["functions", function, "held", word]), "application/json", body.as_bytes())?;
            let count = answer["released"].as_u64().or(answer["discarded"].as_u64()).unwrap_or(0);
            let done = if *release { "released" } else { "discarded" };
            say(&answer, format!("{} of {function} {done}\n", counted(count, "held output")))
        }
    }
}

/// Page after page, up to the limit.
fn list(client: &Client, outbox: &Outbox) -> Result<Value> {
    const PAGE: usize = 1_000;
    let mut requests: Vec<Value> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let limit = (outbox.limit - requests.len()).clamp(1, PAGE).to_string();
        let query = query(&[
            ("after", after.as_deref()),
            ("limit", Some(&limit)),
            ("function", outbox.function.as_deref()),
            ("host", outbox.host.as_deref()),
            ("state", Some(&outbox.state)),
        ]);
        let mut page = client.get(&(client.path(&["outbox"]) + &query))?;
        if let Value::Array(more) = page["requests"].take() {
            requests.extend(more);
        }
        if requests.len() >= outbox.limit || page["more"] != true {
            page["requests"] = requests.into();
            return Ok(page);
        }
        after = page["cursor"].as_str().map(str::to_owned);
    }
}

fn listed(answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let count = |member: &str| answer[member].as_u64().unwrap_or(0);
    let requests = answer["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut shown = String::new();
    if !requests.is_empty() {
        let row = |request: &Value| {
            vec![
                text(&request["position"]),
                text(&request["function"]),
                text(&request["method"]),
                shortened(&text(&request["url"]), 60),
                text(&request["state"]),
                request["attempts"].to_string(),
                text(&request["not_before"]),
                shortened(&text(&request["error"]), 80),
            ]
        };
        let heading = ["position", "function", "method", "url", "state", "attempts", "not before", "error"];
        shown.push_str(&table(&heading, &requests.iter().map(row).collect::<Vec<_>>()));
    }
    shown.push_str(&format!("{} waiting, {} held\n", counted(count("waiting"), "request"), count("held")));
    if count("outputs_held") > 0 {
        let held = counted(count("outputs_held"), "output");
        shown.push_str(&format!("{held} of functions held: `retold functions` says whose, `retold outbox held FUNCTION` shows them\n"));
    }
    if let Some(off) = answer["off"].as_str() {
        shown.push_str(&format!("nothing leaves: {off}\n"));
    } else if answer["leave"] == false {
        shown.push_str("nothing leaves from this namespace: requests that are made here are held\n");
    }
    for host in answer["hosts"].as_array().into_iter().flatten().filter(|host| host["trouble"].is_string()) {
        let closed = host["closed_seconds"].as_u64().map(|seconds| format!(", nothing is sent for {seconds} s")).unwrap_or_default();
        shown.push_str(&format!("{}: {}{closed}\n", text(&host["host"]), text(&host["trouble"])));
    }
    shown
}

fn held(client: &Client, function: &str, limit: usize) -> Result<Value> {
    let limit = limit.clamp(1, 1_000).to_string();
    client.get(&(client.path(&["functions", function, "held"]) + &query(&[("limit", Some(&limit))])))
}

fn held_listed(function: &str, answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let outputs = answer["outputs"].as_array().map(Vec::as_slice).unwrap_or_default();
    if outputs.is_empty() {
        return format!("nothing of {function} is held\n");
    }
    let row = |output: &Value| ["cause", "kind", "type", "subject", "id"].map(|member| text(&output[member])).to_vec();
    let mut shown = table(&["cause", "kind", "type", "subject", "id"], &outputs.iter().map(row).collect::<Vec<_>>());
    if answer["more"] == true {
        shown.push_str(&format!("{} of {}\n", outputs.len(), counted(answer["total"].as_u64().unwrap_or(0), "held output")));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_down_is_told_beside_what_waits_for_it() {
        let answer = json!({
            "requests": [{
                "position": "17", "function": "onboarding", "method": "POST", "url": "http://127.0.0.1:17171/credit", "state": "waiting",
                "attempts": 2, "not_before": "2026-11-21T05:18:36Z", "error": "refused: nobody listens",
            }],
            "waiting": 1, "held": 0, "outputs_held": 3, "leave": true, "off": null,
            "hosts": [{ "host": "127.0.0.1:17171", "failures": 5, "closed_seconds": 4, "trouble": "refused: nobody listens" }],
        });
        let shown = listed(&answer);
        assert!(shown.contains("17        onboarding"), "{shown}");
        assert!(shown.contains("1 request waiting, 0 held\n3 outputs of functions held"), "{shown}");
        assert!(shown.ends_with("127.0.0.1:17171: refused: nobody listens, nothing is sent for 4 s\n"), "{shown}");
    }
}
