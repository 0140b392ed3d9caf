//! One scenario, run in one way, in a namespace of its own.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::outcome::{Event, Outcome};
use super::scenario::{Entry, Question, Scenario, When};
use crate::cli::address::query;
use crate::cli::client::Client;
use crate::cli::problem::Problem;

/// A way to run a scenario. None may make a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    OneByOne,
    InOneBatch,
    /// Everything is sent a second time.
    Twice,
    /// Each call has an instance of its own.
    Fresh,
    FreshAgain,
}

pub const WAYS: [Way; 5] = [Way::OneByOne, Way::InOneBatch, Way::Twice, Way::Fresh, Way::FreshAgain];

impl Way {
    pub fn words(self) -> &'static str {
        match self {
            Way::OneByOne => "one by one",
            Way::InOneBatch => "in one batch",
            Way::Twice => "with everything sent twice",
            Way::Fresh => "in fresh instances",
            Way::FreshAgain => "in fresh instances once more",
        }
    }

    pub fn is_fresh(self) -> bool {
        matches!(self, Way::Fresh | Way::FreshAgain)
    }
}

/// Where what follows is waited for.
const HANDLED: &[(&str, Option<&str>)] = &[("wait", Some("handled")), ("timeout", Some("30s"))];

pub struct Trial<'a> {
    pub client: &'a Client,
    pub way: Way,
}

impl Trial<'_> {
    /// Runs the scenario on a module that is deployed already.
    pub fn run(&self, scenario: &Scenario) -> Result<Outcome> {
        let given: Vec<Value> =
            scenario.given.iter().enumerate().map(|(index, entry)| event(entry, &format!("given-{}", index + 1), index)).collect();
        self.append(&given).context("what is given can't be appended")?;
        let before = self.head()?;
        let mut outcome = Outcome::default();
        let index = given.len();
        match &scenario.when {
            None => {}
            Some(When::Event(entry)) => self.append(&[event(entry, "when-1", index)])?,
            Some(When::Events(entries)) => {
                let events: Vec<Value> =
                    entries.iter().enumerate().map(|(nth, entry)| event(entry, &format!("when-{}", nth + 1), index + nth)).collect();
                self.append(&events)?;
            }
            Some(When::Command(entry)) => self.command(entry, index, &mut outcome)?,
            Some(When::Query(question)) => self.ask(question, &mut outcome)?,
        }
        self.collect(scenario, &before, &mut outcome)?;
        outcome.sort();
        Ok(outcome)
    }

    fn head(&self) -> Result<String> {
        let page = self.client.get(&(self.client.path(&["events"]) + &query(&[("limit", Some("1"))])))?;
        Ok(page["head"].as_str().unwrap_or("0").to_owned())
    }

    fn append(&self, events: &[Value]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let path = self.client.path(&["events"]) + &query(HANDLED);
        let batches: Vec<Value> = match self.way {
            Way::InOneBatch => vec![Value::Array(events.to_vec())],
            _ => events.iter().map(|event| json!([event])).collect(),
        };
        let times = if self.way == Way::Twice { 2 } else { 1 };
        for batch in batches {
            for _ in 0..times {
                self.client.post(&path, "application/cloudevents-batch+json", batch.to_string().as_bytes())?;
            }
        }
        Ok(())
    }

    fn command(&self, entry: &Entry, index: usize, outcome: &mut Outcome) -> Result<()> {
        let path = self.client.path(&["commands", &entry.r#type]) + &query(HANDLED);
        let command = event(entry, "when-1", index).to_string();
        let send = || self.client.post(&path, "application/cloudevents+json", command.as_bytes());
        let mut answer = send();
        if self.way == Way::Twice {
            answer = send();
        }
        match answer {
            Ok(_) => Ok(()),
            Err(error) => {
                outcome.rejected = Some(rejection(error)?);
                Ok(())
            }
        }
    }

    fn ask(&self, question: &Question, outcome: &mut Outcome) -> Result<()> {
        let head = self.head()?;
        let fresh = [("name", Some(&*question.name)), ("min-position", Some(&*head)), ("timeout", Some("30s"))];
        let path = self.client.path(&["views", &question.view, "query"]) + &query(&fresh);
        let data = if question.data.is_null() { Vec::new() } else { question.data.to_string().into_bytes() };
        match self.client.bytes(&path, "application/json", &data) {
            Ok(answer) => {
                let text = || Value::String(String::from_utf8_lossy(&answer).into_owned());
                outcome.answer = Some(serde_json::from_slice(&answer).unwrap_or_else(|_| text()));
            }
            Err(error) => outcome.rejected = Some(rejection(error)?),
        }
        Ok(())
    }

    /// Everything that followed.
    fn collect(&self, scenario: &Scenario, before: &str, outcome: &mut Outcome) -> Result<()> {
        let page = self.client.get(&(self.client.path(&["events"]) + &query(&[("after", Some(before)), ("limit", Some("10000"))])))?;
        for event in page["events"].as_array().into_iter().flatten() {
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            // What has no cause is what was sent.
            if event.get("causeposition").is_some() {
                let data = event.get("data").or(event.get("data_base64")).cloned().unwrap_or(Value::Null);
                outcome.events.push(Event { r#type: text("type"), subject: text("subject"), data, id: text("id") });
            }
        }
        let functions = self.client.get(&self.client.path(&["functions"]))?;
        for function in functions["functions"].as_array().into_iter().flatten().filter(|function| function["parked"] != 0) {
            let name = function["name"].as_str().unwrap_or_default();
            let parked = self.client.get(&self.client.path(&["functions", name, "parked"]))?;
            for entry in parked["parked"].as_array().into_iter().flatten() {
                outcome.parked.push((name.to_owned(), entry["reason"].as_str().unwrap_or_default().to_owned()));
            }
        }
        if let Some(rows) = &scenario.then.rows {
            let head = page["head"].as_str();
            for key in rows.rows.keys() {
                let path = self.client.path(&["views", &rows.view, key]) + &query(&[("min-position", head), ("timeout", Some("30s"))]);
                let value = match self.client.get(&path) {
                    Ok(row) => row.get("value").or(row.get("value_base64")).cloned().unwrap_or(Value::Null),
                    Err(error) if status(&error) == Some(404) => Value::Null,
                    Err(error) => return Err(error),
                };
                outcome.rows.push((key.clone(), value));
            }
        }
        Ok(())
    }
}

fn status(error: &anyhow::Error) -> Option<u16> {
    error.downcast_ref::<Problem>().map(|problem| problem.status)
}

/// A refusal in the function's own words; anything else is trouble.
fn rejection(error: anyhow::Error) -> Result<(String, String, Value)> {
    let problem = error.downcast::<Problem>()?;
    let told = problem.as_value();
    match told["code"].as_str() {
        Some(code) => {
            let detail = told["detail"].as_str().unwrap_or_default();
            Ok((code.to_owned(), detail.to_owned(), told.get("data").cloned().unwrap_or(Value::Null)))
        }
        None => Err(problem.into()),
    }
}

/// A CloudEvent of what was written. What isn't said is made up, the same each time.
fn event(entry: &Entry, id: &str, index: usize) -> Value {
    let time = entry.time.clone().unwrap_or_else(|| format!("2026-01-01T00:{:02}:{:02}Z", index / 60 % 60, index % 60));
    let mut event = json!({
        "specversion": "1.0",
        "id": entry.id.as_deref().unwrap_or(id),
        "source": entry.source.as_deref().unwrap_or("/scenario"),
        "type": entry.r#type,
        "time": time,
    });
    if !entry.subject.is_empty() {
        event["subject"] = entry.subject.clone().into();
    }
    if !entry.data.is_null() {
        event["data"] = entry.data.clone();
    }
    if !entry.tags.is_empty() {
        event["tags"] = entry.tags.join(",").into();
    }
    event
}
