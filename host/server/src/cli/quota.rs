//! `retold namespaces quota`: what one namespace may have.

use std::fmt::Display;
use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::output::{print, print_json};
use super::serve::bytes as size;
use super::words::{bytes, counted};

#[derive(Debug, Args)]
pub struct QuotaOptions {
    name: String,
    /// Events that it may have; none is no bound
    #[arg(long, value_name = "COUNT")]
    events: Option<Most>,
    /// What it may take on the disk, such as 20GiB; none is no bound
    #[arg(long, value_name = "SIZE", value_parser = most_bytes)]
    bytes: Option<Most>,
    /// Requests to it a second, such as 500/s, but for those of who operates it; none is no bound
    #[arg(long, value_name = "RATE")]
    rate: Option<MostRate>,
    /// Back to what the host has for all
    #[arg(long, conflicts_with_all = ["events", "bytes", "rate"])]
    default: bool,
}

/// At most so much; `None` is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Most(Option<u64>);

impl FromStr for Most {
    type Err = String;

    fn from_str(text: &str) -> Result<Most, String> {
        most(text, |text| text.parse().map_err(|_| "write a number, or none".to_owned()))
    }
}

fn most_bytes(text: &str) -> Result<Most, String> {
    most(text, size)
}

fn most(text: &str, read: impl Fn(&str) -> Result<u64, String>) -> Result<Most, String> {
    match text {
        "none" => Ok(Most(None)),
        text => match read(text)? {
            0 => Err("write at least 1, or none for no bound".to_owned()),
            most => Ok(Most(Some(most))),
        },
    }
}

/// As it is written, which the host reads.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MostRate(Option<String>);

impl FromStr for MostRate {
    type Err = String;

    fn from_str(text: &str) -> Result<MostRate, String> {
        let count = || text.strip_suffix("/s").and_then(|count| count.parse::<u32>().ok()).filter(|count| *count > 0);
        match text {
            "none" => Ok(MostRate(None)),
            text if count().is_some() => Ok(MostRate(Some(text.to_owned()))),
            _ => Err("write requests a second, such as 500/s, or none".to_owned()),
        }
    }
}

impl QuotaOptions {
    /// What it says, or nothing if it only asks.
    fn body(&self) -> Option<Map<String, Value>> {
        let mut body = Map::new();
        if let Some(Most(events)) = self.events {
            body.insert("events".into(), json!(events));
        }
        if let Some(Most(bytes)) = self.bytes {
            body.insert("bytes".into(), json!(bytes));
        }
        if let Some(MostRate(rate)) = &self.rate {
            body.insert("rate".into(), json!(rate));
        }
        (!body.is_empty()).then_some(body)
    }
}

pub fn run(client: &Client, as_json: bool, options: &QuotaOptions) -> Result<()> {
    let of = client.of(&options.name);
    let namespace = match options.body() {
        _ if options.default => of.delete(&of.path(&["quota"]))?,
        Some(body) => {
            let body = with_the_others(body, &of.get(&of.path(&[]))?["quota"]);
            of.put(&of.path(&["quota"]), "application/json", body.to_string().as_bytes())?
        }
        None => of.get(&of.path(&[]))?,
    };
    if as_json { print_json(&namespace["quota"]) } else { print(&told(&namespace)) }
}

/// The bounds of its own of which nothing is said now stay what they are.
fn with_the_others(mut body: Map<String, Value>, quota: &Value) -> Value {
    for bound in quota["own"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        body.entry(bound).or_insert_with(|| quota[bound].clone());
    }
    Value::Object(body)
}

fn told(namespace: &Value) -> String {
    let quota = &namespace["quota"];
    let is_own = |bound: &str| quota["own"].as_array().is_some_and(|own| own.iter().any(|name| name == bound));
    let line = |bound: &str, value: Option<String>| {
        let value: &dyn Display = value.as_ref().map_or(&"no bound" as &dyn Display, |value| value);
        format!("  {bound:<8}{value}{}\n", if is_own(bound) { "" } else { ", as all namespaces of this host" })
    };
    let lines = [
        line("events", quota["events"].as_u64().map(|events| counted(events, "event"))),
        line("bytes", quota["bytes"].as_u64().map(bytes)),
        line("rate", quota["rate"].as_str().map(str::to_owned)),
    ];
    format!("{} may have\n{}", namespace["name"].as_str().unwrap_or("?"), lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_number_or_none() {
        assert_eq!(("7".parse(), "none".parse()), (Ok(Most(Some(7))), Ok(Most(None))));
        assert_eq!((most_bytes("20GiB"), most_bytes("none")), (Ok(Most(Some(20 << 30))), Ok(Most(None))));
        assert_eq!(("500/s".parse(), "none".parse()), (Ok(MostRate(Some("500/s".into()))), Ok(MostRate(None))));
        for text in ["", "0", "-1", "7x", "None"] {
            assert!(text.parse::<Most>().is_err() && most_bytes(text).is_err(), "{text}");
        }
        for text in ["", "500", "0/s", "-1/s", "500/m"] {
            assert!(text.parse::<MostRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_bound_of_which_nothing_is_said_stays() {
        let quota = json!({ "events": 1_000, "bytes": 7, "rate": null, "own": ["events", "rate"] });
        let body = |said: Value| with_the_others(said.as_object().expect("an object").clone(), &quota);
        assert_eq!(body(json!({ "bytes": 9 })), json!({ "events": 1_000, "bytes": 9, "rate": null }));
        assert_eq!(body(json!({ "events": null, "rate": "5/s" })), json!({ "events": null, "rate": "5/s" }));
    }

    #[test]
    fn what_a_namespace_may_have_is_told_with_where_it_is_from() {
        let quota = json!({ "events": 1_000, "bytes": 20_u64 << 30, "rate": null, "own": ["events", "rate"] });
        let expected = "\
shop may have
  events  1,000 events
  bytes   20.0 GiB, as all namespaces of this host
  rate    no bound
";
        assert_eq!(told(&json!({ "name": "shop", "quota": quota })), expected);
    }
}
