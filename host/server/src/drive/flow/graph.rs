//! The flow of a namespace as a graph: who makes what, and who reads it.

use std::collections::BTreeMap;

use retold_engine::model::{FunctionKind, Position};
use retold_engine::store::FunctionStatus;

use super::lints::Lint;

#[derive(Clone, Debug)]
pub struct Flow {
    pub graph: Graph,
    pub lints: Vec<Lint>,
    /// What was made by whom is counted up to here; `None`: nobody asked for it.
    pub counted_to: Option<Position>,
    pub head: Position,
    /// Entries that are counted with no maker, because there were too many of these.
    pub left_out: u64,
}

/// In an order that is always the same.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub nodes: BTreeMap<String, Node>,
    /// By where they come from and lead to.
    pub edges: BTreeMap<(String, String, Link), Edge>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub what: What,
    /// Of a type: how many there are in the log.
    pub entries: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Function {
        kind: FunctionKind,
        module: String,
        status: FunctionStatus,
    },
    Event,
    Command,
    /// To which requests go.
    Host,
    /// Everybody from outside whose `source` begins so.
    Source,
    /// All others from outside.
    Others,
    Schedule {
        function: String,
        cron: String,
        time_zone: String,
    },
    Consumer,
    /// Whoever sends to ingress functions.
    Senders,
}

/// What leads from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// From outside into the log.
    Appends,
    Emits,
    Sends,
    /// A type of commands to its aggregate.
    Decides,
    /// A type of events to a handler or consumer.
    Reads,
    /// A type of events to an aggregate or a view.
    Folds,
    /// A function to what its timers make.
    Fires,
    /// A schedule to what it makes.
    Occurs,
    Requests,
    /// A host or an aggregate to the function that had asked.
    Answers,
    /// To an upcaster and from it.
    Upcasts,
    /// Foreign requests to an ingress function.
    Receives,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// A manifest, or a consumer's settings, say so; else it was only seen.
    pub declared: bool,
    /// How many entries went this way, where that was counted.
    pub count: Option<u64>,
    /// Of timers: how many were set.
    pub set: Option<u64>,
}

pub fn function_id(name: &str) -> String {
    format!("function:{name}")
}

pub fn event_id(r#type: &str) -> String {
    format!("event:{type}")
}

pub fn command_id(r#type: &str) -> String {
    format!("command:{type}")
}

impl Graph {
    /// The node with this id, made if it isn't there.
    pub fn node(&mut self, id: String, name: &str, what: What) -> String {
        self.nodes.entry(id.clone()).or_insert_with(|| Node { name: name.to_owned(), what, entries: None });
        id
    }

    pub fn edge(&mut self, from: &str, to: &str, link: Link) -> &mut Edge {
        self.edges.entry((from.to_owned(), to.to_owned(), link)).or_default()
    }

    pub fn from<'a>(&'a self, id: &str) -> impl Iterator<Item = (&'a str, Link, &'a Edge)> + use<'a> {
        let first = (id.to_owned(), String::new(), Link::Appends);
        let id = id.to_owned();
        let edges = self.edges.range(first..).take_while(move |((from, ..), _)| *from == id);
        edges.map(|((_, to, link), edge)| (to.as_str(), *link, edge))
    }

    /// What leads to each node.
    pub fn leading_to(&self) -> BTreeMap<&str, Vec<(&str, Link)>> {
        let mut into: BTreeMap<&str, Vec<(&str, Link)>> = BTreeMap::new();
        for (from, to, link) in self.edges.keys() {
            into.entry(to).or_default().push((from, *link));
        }
        into
    }
}

impl Edge {
    pub fn declare(&mut self) {
        self.declared = true;
    }

    pub fn add(&mut self, count: u64) {
        *self.count.get_or_insert(0) += count;
    }
}
