//! `retold query`: rows of a view, or an answer in the view's own words.

use anyhow::Result;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde_json::{Value, json};

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::data;
use super::output::{print, print_json};
use super::words::counted;

const AFTER_HELP: &str = "\
Examples:
  retold query order-history                              rows in the order of their keys
  retold query order-history order/1                      one row
  retold query order-history --prefix order/              all rows whose keys begin so
  retold query order-history --name of-customer --data '{\"customer\":\"eve\"}'
  retold query order-history order/1 --min-position 42    not before the view has come so far";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Query {
    #[arg(value_name = "VIEW")]
    view: String,
    /// The key of one row
    #[arg(value_name = "KEY", conflicts_with_all = ["prefix", "name"])]
    key: Option<String>,
    /// Only rows whose key begins so
    #[arg(long, conflicts_with = "name")]
    prefix: Option<String>,
    /// Show at most so many rows
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = RangedU64ValueParser::<usize>::new().range(1..), conflicts_with = "name")]
    limit: usize,
    /// Ask this query of the view
    #[arg(long)]
    name: Option<String>,
    /// What the query takes: JSON, `@FILE`, or `-` for standard input
    #[arg(long, value_name = "DATA", requires = "name")]
    data: Option<String>,
    /// Wait until the view has come to this position
    #[arg(long, value_name = "POSITION")]
    min_position: Option<String>,
    /// How long to wait for that, in seconds
    #[arg(long, value_name = "SECONDS", requires = "min_position")]
    timeout: Option<u64>,
}

pub fn run(common: &Common, asked: &Query) -> Result<()> {
    let client = Client::new(common)?;
    if let Some(name) = &asked.name {
        return ask(&client, asked, name);
    }
    match &asked.key {
        Some(key) => {
            let path = client.path(&["views", &asked.view, key]) + &asked.freshness(&[]);
            let row = client.get(&path)?;
            if common.json { print_json(&row) } else { print(&format!("{}\n", value(&row))) }
        }
        None => {
            let (rows, last) = rows(&client, asked)?;
            if common.json {
                return print_json(&json!({ "rows": rows, "position": last["position"], "lag": last["lag"], "more": last["more"] }));
            }
            print(&listed(&rows, &last))
        }
    }
}

impl Query {
    fn freshness(&self, more: &[(&str, Option<&str>)]) -> String {
        let timeout = self.timeout.map(|seconds| format!("{seconds}s"));
        let mut pairs = vec![("min-position", self.min_position.as_deref()), ("timeout", timeout.as_deref())];
        pairs.extend_from_slice(more);
        query(&pairs)
    }
}

fn ask(client: &Client, asked: &Query, name: &str) -> Result<()> {
    let path = client.path(&["views", &asked.view, "query"]) + &asked.freshness(&[("name", Some(name))]);
    let data = data::read(asked.data.as_deref())?;
    let mut answer = client.bytes(&path, "application/json", &data)?;
    if !answer.ends_with(b"\n") {
        answer.push(b'\n');
    }
    print(&String::from_utf8_lossy(&answer))
}

/// Page after page, up to the limit; and the last page without its rows.
fn rows(client: &Client, asked: &Query) -> Result<(Vec<Value>, Value)> {
    const PAGE: usize = 1_000;
    let mut rows = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let limit = (asked.limit - rows.len()).clamp(1, PAGE).to_string();
        let more = [("prefix", asked.prefix.as_deref()), ("after-key", after.as_deref()), ("limit", Some(&*limit))];
        let mut page = client.get(&(client.path(&["views", &asked.view]) + &asked.freshness(&more)))?;
        if let Value::Array(more) = page["rows"].take() {
            rows.extend(more);
        }
        if rows.len() >= asked.limit || page["more"] != true {
            return Ok((rows, page));
        }
        after = page["next"].as_str().map(str::to_owned);
    }
}

fn value(row: &Value) -> String {
    match row.get("value") {
        Some(value) => value.to_string(),
        None => row["value_base64"].as_str().unwrap_or_default().to_owned(),
    }
}

fn listed(rows: &[Value], last: &Value) -> String {
    let mut shown = String::new();
    for row in rows {
        shown.push_str(&format!("{}  {}\n", row["key"].as_str().unwrap_or("?"), value(row)));
    }
    let more = if last["more"] == true { ", and there are more; --limit shows them" } else { "" };
    let place = last["position"].as_str().unwrap_or("?");
    shown.push_str(&format!("{} at position {place}, {} behind the head{more}\n", counted(rows.len() as u64, "row"), last["lag"]));
    shown
}
