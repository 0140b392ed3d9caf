//! The host's answer.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub struct Flow {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    pub lints: Vec<Lint>,
    pub counted_to: Option<String>,
    pub head: String,
    pub left_out: u64,
}

#[derive(Debug, Deserialize)]
pub struct Node {
    pub id: String,
    pub kind: String,
    pub name: String,
    pub function_kind: Option<String>,
    pub module: Option<String>,
    pub status: Option<String>,
    pub function: Option<String>,
    pub cron: Option<String>,
    pub time_zone: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Edge {
    pub from: String,
    pub to: String,
    pub link: String,
    pub declared: bool,
    pub count: Option<u64>,
    pub set: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub struct Lint {
    pub level: String,
    pub nodes: Vec<String>,
    pub message: String,
    pub advice: String,
}

impl Flow {
    pub fn read(answer: &Value) -> Result<Flow> {
        Flow::deserialize(answer).context("the host's flow is of another version than this program")
    }

    pub fn by_id(&self) -> BTreeMap<&str, &Node> {
        self.nodes.iter().map(|node| (node.id.as_str(), node)).collect()
    }
}

impl Node {
    /// As people call it.
    pub fn title(&self) -> String {
        match self.kind.as_str() {
            "schedule" => {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                let (function, cron, time_zone) = (text(&self.function), text(&self.cron), text(&self.time_zone));
                format!("{function} {}: {cron} {time_zone}", self.name).trim_end().to_owned()
            }
            "function" => match self.status.as_deref() {
                None | Some("active") => self.name.clone(),
                Some(status) => format!("{} ({status})", self.name),
            },
            "others" => "others from outside".to_owned(),
            "senders" => "senders outside".to_owned(),
            _ => self.name.clone(),
        }
    }
}

/// What tests of the drawings draw: something of everything.
#[cfg(test)]
pub fn sample() -> Flow {
    let answer = serde_json::json!({
        "nodes": [
            { "id": "command:stock.take", "kind": "command", "name": "stock.take" },
            { "id": "event:order.placed", "kind": "event", "name": "order.placed" },
            { "id": "event:stock.taken", "kind": "event", "name": "stock.taken" },
            { "id": "event:too.late", "kind": "event", "name": "too.late" },
            { "id": "function:orders", "kind": "function", "name": "orders", "function_kind": "handler", "module": "shop", "status": "paused" },
            { "id": "function:stock", "kind": "function", "name": "stock", "function_kind": "aggregate", "module": "shop", "status": "active" },
            { "id": "host:*.example.com", "kind": "host", "name": "*.example.com" },
            { "id": "schedule:orders/daily", "kind": "schedule", "name": "daily", "function": "orders", "cron": "0 9 * * *", "time_zone": "UTC" },
            { "id": "source:/a\"b<c>", "kind": "source", "name": "/a\"b<c>" },
        ],
        "edges": [
            { "from": "command:stock.take", "to": "function:stock", "link": "decides", "declared": true, "count": 3 },
            { "from": "event:order.placed", "to": "function:orders", "link": "reads", "declared": true, "count": 1_234 },
            { "from": "event:stock.taken", "to": "function:stock", "link": "folds", "declared": true, "count": 2 },
            { "from": "function:orders", "to": "command:stock.take", "link": "sends", "declared": true, "count": 3 },
            { "from": "function:orders", "to": "event:stock.taken", "link": "emits", "declared": false, "count": 7 },
            { "from": "function:orders", "to": "event:too.late", "link": "fires", "declared": true, "count": 1, "set": 5 },
            { "from": "function:orders", "to": "host:*.example.com", "link": "requests", "declared": true, "count": 0 },
            { "from": "function:stock", "to": "event:stock.taken", "link": "emits", "declared": true, "count": 2 },
            { "from": "host:*.example.com", "to": "function:orders", "link": "answers", "declared": true, "count": 0 },
            { "from": "schedule:orders/daily", "to": "event:too.late", "link": "occurs", "declared": true, "count": 9 },
            { "from": "source:/a\"b<c>", "to": "event:order.placed", "link": "appends", "declared": false, "count": 1_234 },
        ],
        "lints": [
            { "lint": "nobody-reads", "level": "note", "nodes": ["event:too.late"], "message": "nobody reads too.late", "advice": "leave it out" },
        ],
        "counted_to": "20", "head": "24", "left_out": 0,
    });
    Flow::read(&answer).expect("as the host answers")
}
