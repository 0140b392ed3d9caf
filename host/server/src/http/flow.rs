//! `GET …/flow`: who makes what, who reads it, and what is odd about it.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use super::admin::status_word;
use super::body::json;
use super::call::{Answer, Call};
use super::parameters::{FLOW_SECONDS_DEFAULT, WAIT_SECONDS_MAX};
use super::upgrades::kind_of_function;
use crate::drive::{Flow, Level, Link, Lint, Node, What};

#[derive(Serialize)]
struct FlowAnswer {
    nodes: Vec<NodeAnswer>,
    edges: Vec<EdgeAnswer>,
    lints: Vec<LintAnswer>,
    /// Counts of edges are of the entries up to here.
    counted_to: Option<String>,
    head: String,
    /// Entries whose makers were too many to be told apart.
    left_out: u64,
}

#[derive(Serialize)]
struct NodeAnswer {
    id: String,
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<u64>,
}

#[derive(Serialize)]
struct EdgeAnswer {
    from: String,
    to: String,
    link: &'static str,
    declared: bool,
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<u64>,
}

#[derive(Serialize)]
struct LintAnswer {
    lint: &'static str,
    level: &'static str,
    nodes: Vec<String>,
    message: String,
    advice: String,
}

fn link_word(link: Link) -> &'static str {
    match link {
        Link::Appends => "appends",
        Link::Emits => "emits",
        Link::Sends => "sends",
        Link::Decides => "decides",
        Link::Reads => "reads",
        Link::Folds => "folds",
        Link::Fires => "fires",
        Link::Occurs => "occurs",
        Link::Requests => "requests",
        Link::Answers => "answers",
        Link::Upcasts => "upcasts",
        Link::Receives => "receives",
    }
}

impl NodeAnswer {
    fn of(id: String, node: Node) -> NodeAnswer {
        let (name, entries) = (node.name, node.entries);
        let (function_kind, module, status, function, cron, time_zone) = Default::default();
        let plain = |kind| NodeAnswer { id, kind, name, function_kind, module, status, function, cron, time_zone, entries };
        match node.what {
            What::Function { kind, module, status } => NodeAnswer {
                function_kind: Some(kind_of_function(kind)),
                module: Some(module).filter(|module| !module.is_empty()),
                status: Some(status_word(&status)),
                ..plain("function")
            },
            What::Event => plain("event"),
            What::Command => plain("command"),
            What::Host => plain("host"),
            What::Source => plain("source"),
            What::Others => plain("others"),
            What::Schedule { function, cron, time_zone } => {
                NodeAnswer { function: Some(function), cron: Some(cron), time_zone: Some(time_zone), ..plain("schedule") }
            }
            What::Consumer => plain("consumer"),
            What::Senders => plain("senders"),
        }
    }
}

impl From<Lint> for LintAnswer {
    fn from(lint: Lint) -> LintAnswer {
        let level = match lint.level {
            Level::Warning => "warning",
            Level::Note => "note",
        };
        LintAnswer { lint: lint.name, level, nodes: lint.nodes, message: lint.message, advice: lint.advice }
    }
}

impl From<Flow> for FlowAnswer {
    fn from(flow: Flow) -> FlowAnswer {
        let edges = flow.graph.edges.into_iter().map(|((from, to, link), edge)| EdgeAnswer {
            from,
            to,
            link: link_word(link),
            declared: edge.declared,
            count: edge.count,
            set: edge.set,
        });
        FlowAnswer {
            nodes: flow.graph.nodes.into_iter().map(|(id, node)| NodeAnswer::of(id, node)).collect(),
            edges: edges.collect(),
            lints: flow.lints.into_iter().map(LintAnswer::from).collect(),
            counted_to: flow.counted_to.map(|position| position.to_string()),
            head: flow.head.to_string(),
            left_out: flow.left_out,
        }
    }
}

pub async fn flow(call: Box<Call>) -> Answer {
    let query = call.query()?;
    let patience = query.duration("timeout", Duration::from_secs(WAIT_SECONDS_MAX))?.unwrap_or(Duration::from_secs(FLOW_SECONDS_DEFAULT));
    let declared = query.flag("declared")?;
    let flow = call.namespace()?.flow((!declared).then_some(patience)).await?;
    Ok(json(StatusCode::OK, &FlowAnswer::from(flow)))
}
