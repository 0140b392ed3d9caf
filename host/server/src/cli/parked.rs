//! `retold parked`: what functions set aside, and another try, or none.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::failure::Usage;
use super::function_page::page;
use super::output::{print, print_json};
use super::words::{counted, table, thousands};

const AFTER_HELP: &str = "\
Examples:
  retold parked                                         which functions have set something aside, and why
  retold parked pricing
  retold parked pricing --release                       all of them are tried again, in order
  retold parked pricing --release --subject order/7
  retold parked pricing --release --position 17         the first of its subject; those behind it stay
  retold parked pricing --skip --position 17 --reason \"a test order\"

An event that a function can't handle is set aside together with the later ones of its subject, so that
their order is kept. Mend the cause, deploy, and release them: the newest version tries them. What is skipped
is never tried again; the log says so, and why.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Parked {
    #[arg(value_name = "FUNCTION")]
    function: Option<String>,
    /// Try them again
    #[arg(long, requires = "function")]
    release: bool,
    /// Take them as dealt with
    #[arg(long, requires = "function", conflicts_with = "release")]
    skip: bool,
    /// Only those of this subject
    #[arg(long, conflicts_with = "position")]
    subject: Option<String>,
    /// Only this one
    #[arg(long)]
    position: Option<String>,
    /// Why they are skipped
    #[arg(long, requires = "skip")]
    reason: Option<String>,
    /// Show at most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
}

pub fn run(common: &Common, parked: &Parked) -> Result<()> {
    let client = Client::new(common)?;
    if (parked.subject.is_some() || parked.position.is_some()) && !parked.release && !parked.skip {
        return Err(Usage("say what is to become of them: --release or --skip".into()).into());
    }
    let Some(name) = &parked.function else {
        let answer = client.get(&client.path(&["functions"]))?;
        let functions: Vec<&Value> =
            answer["functions"].as_array().into_iter().flatten().filter(|function| function["parked"] != 0).collect();
        return if common.json { print_json(&json!({ "functions": functions })) } else { print(&summary(&functions)) };
    };
    if parked.release || parked.skip {
        let function = release(&client, name, parked)?;
        return if common.json { print_json(&function) } else { print(&page(&function)) };
    }
    let (events, total) = list(&client, name, parked.limit)?;
    if common.json { print_json(&json!({ "parked": events, "total": total })) } else { print(&listed(name, &events, total)) }
}

fn release(client: &Client, function: &str, parked: &Parked) -> Result<Value> {
    let mut body = json!({ "skip": parked.skip });
    for (member, given) in [("subject", &parked.subject), ("position", &parked.position), ("reason", &parked.reason)] {
        if let Some(given) = given {
            body[member] = json!(given);
        }
    }
    client.post(&client.path(&["functions", function, "release"]), "application/json", body.to_string().as_bytes())
}

/// Functions that have set something aside.
fn summary(functions: &[&Value]) -> String {
    if functions.is_empty() {
        return "nothing is set aside\n".to_owned();
    }
    let row = |function: &&Value| {
        let text = |field: &str| function[field].as_str().unwrap_or("").to_owned();
        let number = |field: &str| thousands(function[field].as_u64().unwrap_or(0));
        vec![text("name"), number("parked"), number("released"), text("oldest_parked"), reasons(function)]
    };
    table(&["function", "parked", "released", "oldest", "reasons"], &functions.iter().map(row).collect::<Vec<_>>())
}

/// `3 trap, 1 behind`.
pub fn reasons(function: &Value) -> String {
    let all = function["parked_reasons"].as_object().into_iter().flatten();
    all.map(|(reason, count)| format!("{} {reason}", thousands(count.as_u64().unwrap_or(0)))).collect::<Vec<_>>().join(", ")
}

/// Page after page, up to the limit; and how many there are in all.
fn list(client: &Client, function: &str, most: usize) -> Result<(Vec<Value>, u64)> {
    const PAGE: usize = 1_000;
    let mut events = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let limit = (most - events.len()).clamp(1, PAGE).to_string();
        let query = query(&[("after", after.as_deref()), ("limit", Some(&limit))]);
        let mut page = client.get(&(client.path(&["functions", function, "parked"]) + &query))?;
        if let Value::Array(more) = page["parked"].take() {
            events.extend(more);
        }
        if events.len() >= most || page["more"] != true {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_have_set_something_aside_say_how_much_since_when_and_why() {
        let function = json!({
            "name": "pricing", "parked": 1_003, "released": 2, "oldest_parked": "2026-01-02T03:04:05Z",
            "parked_reasons": { "behind": 1_000, "trap": 3 },
        });
        let shown = summary(&[&function]);
        assert!(shown.ends_with("pricing   1,003   2         2026-01-02T03:04:05Z  1,000 behind, 3 trap\n"), "{shown}");
        assert_eq!(summary(&[]), "nothing is set aside\n");
    }
}
