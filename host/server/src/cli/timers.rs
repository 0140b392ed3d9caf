//! `retold timers`: what is to come, and when.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::words::{counted, table};

const AFTER_HELP: &str = "\
Examples:
  retold timers                                 schedules, and the timers that are due next
  retold timers --function onboarding           those of one function, by key
  retold timers --limit 1000 --json

A timer makes an event when it is due; its time is the due time, however late it fires. Setting a timer of
the same key replaces it. In a fork nothing fires, unless it was made with --effects.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Timers {
    /// Only those of this function
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Show at most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
}

pub fn run(common: &Common, timers: &Timers) -> Result<()> {
    let client = Client::new(common)?;
    let mut schedules = client.get(&client.path(&["schedules"]))?["schedules"].take();
    if let (Some(name), Value::Array(all)) = (&timers.function, &mut schedules) {
        all.retain(|schedule| schedule["function"] == name.as_str());
    }
    let (listed, total) = list(&client, timers)?;
    if common.json {
        return print_json(&json!({ "timers": listed, "total": total, "schedules": schedules }));
    }
    print(&told(&listed, total, schedules.as_array().map(Vec::as_slice).unwrap_or_default()))
}

/// Page after page, up to the limit; and how many there are in all.
fn list(client: &Client, asked: &Timers) -> Result<(Vec<Value>, u64)> {
    const PAGE: usize = 1_000;
    let mut timers = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let limit = (asked.limit - timers.len()).clamp(1, PAGE).to_string();
        let query = query(&[("function", asked.function.as_deref()), ("after", after.as_deref()), ("limit", Some(&limit))]);
        let mut page = client.get(&(client.path(&["timers"]) + &query))?;
        if let Value::Array(more) = page["timers"].take() {
            timers.extend(more);
        }
        after = page["next"].as_str().map(str::to_owned);
        if timers.len() >= asked.limit || after.is_none() {
            return Ok((timers, page["total"].as_u64().unwrap_or(0)));
        }
    }
}

fn told(timers: &[Value], total: u64, schedules: &[Value]) -> String {
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or("").to_owned();
    let mut shown = String::new();
    if !schedules.is_empty() {
        let row = |schedule: &Value| {
            let next = schedule["next"].as_str().unwrap_or("never").to_owned();
            let field = |name: &str| text(schedule, name);
            vec![next, field("function"), field("key"), field("cron"), field("time_zone"), field("type"), field("missed")]
        };
        let heading = ["next", "function", "schedule", "cron", "time zone", "type", "missed ones"];
        shown.push_str(&table(&heading, &schedules.iter().map(row).collect::<Vec<_>>()));
    }
    if total == 0 {
        shown.push_str("no timer is set\n");
        return shown;
    }
    if !shown.is_empty() {
        shown.push('\n');
    }
    let row = |timer: &Value| ["due", "function", "key", "type", "subject", "position"].map(|field| text(timer, field)).to_vec();
    let heading = ["due", "function", "key", "type", "subject", "set at"];
    shown.push_str(&table(&heading, &timers.iter().map(row).collect::<Vec<_>>()));
    if (timers.len() as u64) < total {
        shown.push_str(&format!("{} of {}; --limit shows more\n", timers.len(), counted(total, "timer")));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_stand_before_timers_and_nothing_is_said_of_what_there_is_not() {
        assert_eq!(told(&[], 0, &[]), "no timer is set\n");
        let timer = json!({ "due": "2026-11-21T18:00:00Z", "function": "limit", "key": "order/7", "type": "order.late", "subject": "order/7", "position": "9" });
        let schedule = json!({ "next": null, "function": "daily", "key": "evening", "cron": "0 18 * * *", "time_zone": "UTC", "type": "evening.came", "missed": "all" });
        let shown = told(&[timer], 3, &[schedule]);
        let (daily, order) = (shown.find("evening.came"), shown.find("order.late"));
        assert!(daily.is_some() && daily < order, "{shown}");
        assert!(shown.contains("never") && shown.ends_with("1 of 3 timers; --limit shows more\n"), "{shown}");
    }
}
