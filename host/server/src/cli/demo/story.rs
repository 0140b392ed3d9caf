//! What the demo says. For a program it says nothing until the end.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::figures::Figures;
use crate::cli::appended::Appended;
use crate::cli::output::print;
use crate::cli::tree;
use crate::cli::words::{counted, rate, thousands};

#[derive(Clone, Copy)]
pub struct Story {
    pub is_quiet: bool,
}

/// How the flights came in.
pub struct Streamed {
    pub appended: Appended,
    pub took: Duration,
    /// From then until every function had dealt with all of it.
    pub handled_after: Duration,
}

impl Streamed {
    pub fn events_per_second(&self) -> u64 {
        rate(self.appended.events, self.took)
    }
}

impl Story {
    fn say(self, text: &str) -> Result<()> {
        if self.is_quiet { Ok(()) } else { print(text) }
    }

    pub fn begin(self) -> Result<()> {
        self.say(
            "One day of flights from New York, 1 January 2013.\n\n1. Building two handlers and a converter, from guest-examples/flights.\n",
        )
    }

    pub fn listening(self, url: &str, data: &str) -> Result<()> {
        self.say(&format!("2. A host listens on {url}; its store is in {data}.\n"))
    }

    pub fn deployed(self, module: &Value) -> Result<()> {
        let text = |field: &str| module[field].as_str().unwrap_or("?");
        let functions: Vec<&str> = module["functions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let (name, version, digest) = (text("name"), text("version"), text("digest"));
        self.say(&format!("3. Deployed the module {name} {version} with the functions {}.\n   {digest}\n", functions.join(" and ")))
    }

    pub fn streamed(self, streamed: &Streamed) -> Result<()> {
        let known = streamed.appended.events - streamed.appended.new;
        let known = if known > 0 { format!(" ({} were there already)", thousands(known)) } else { String::new() };
        self.say(&format!(
            "4. Streamed in {}{known}, all of them durable: {} ms, {} a second.\n   The functions were done with them {} ms later.\n",
            counted(streamed.appended.events, "event"),
            streamed.took.as_millis(),
            thousands(streamed.events_per_second()),
            streamed.handled_after.as_millis(),
        ))
    }

    pub fn happened(self, figures: &Figures, is_as_expected: bool) -> Result<()> {
        let count = |name: &str| thousands(figures.of(name));
        self.say(&format!(
            "5. What happened, read back from the log of {}:\n\
             \x20  {:>5} flights scheduled, {} departed, {} arrived, {} cancelled\n\
             \x20  {:>5} departed more than 15 minutes late     flight.delayed, made by `delays`\n\
             \x20  {:>5} of them after a late arrival of the     aircraft.knock-on, made by `knock-on`,\n\
             \x20        same aircraft                            which remembers each aircraft's last arrival\n",
            counted(figures.all(), "event"),
            count("flight.scheduled"),
            count("flight.departed"),
            count("flight.arrived"),
            count("flight.cancelled"),
            count("flight.delayed"),
            count("aircraft.knock-on"),
        ))?;
        self.say(if is_as_expected {
            "   These are the figures that check/figures.py, which shares no code with them, computes from the CSV.\n"
        } else {
            "   THESE ARE NOT the figures that check/figures.py computes from the CSV.\n"
        })?;
        self.say("   Some of what the functions made:\n")?;
        let samples = figures.delayed.iter().chain(&figures.knock_ons);
        samples.into_iter().try_for_each(|event| self.say(&format!("   {}\n", line(event))))
    }

    pub fn why(self, causes: &Value) -> Result<()> {
        let position = causes["event"]["position"].as_str().unwrap_or("?");
        let drawn: String = tree::drawn(causes).lines().map(|line| format!("   {line}\n")).collect();
        self.say(&format!("6. Why one of them happened (retold why {position}):\n{drawn}"))
    }

    /// `retold` is the program as it was called, with the address if it isn't the usual one.
    pub fn try_next(self, retold: &str, url: &str, position: &str) -> Result<()> {
        self.say(&format!(
            "\nTry next, in another terminal:\n\
             \x20 {retold} functions\n\
             \x20 {retold} events --types aircraft.knock-on\n\
             \x20 {retold} why {position}\n\
             \x20 {retold} events --follow\n\
             \x20 curl -s {url}/v1/namespaces/main/events?limit=2\n\
             \x20 curl -s {url}/openapi.json\n\
             Ctrl-C ends the demo.\n"
        ))
    }
}

fn line(event: &Value) -> String {
    let text = |field: &str| event[field].as_str().unwrap_or("");
    format!("{:>6}  {:<18} {:<22} {}", text("position"), text("type"), text("subject"), event["data"])
}
