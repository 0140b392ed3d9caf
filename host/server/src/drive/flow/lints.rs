//! What is odd about a flow, and what to do about it.

use std::collections::{BTreeMap, BTreeSet};

use retold_engine::model::{COMMAND_REFUSED, FunctionKind, REQUEST_FAILED, REQUEST_REPLIED, TypePattern};
use retold_engine::store::FunctionStatus;

use super::build::Declared;
use super::cycles::{circles, without_commands};
use super::graph::{Graph, Link, Node, What, function_id};
use super::imperative::is_imperative;
use super::similar::similar;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// What kind of oddity it is, in a word that never changes its meaning.
    pub name: &'static str,
    pub level: Level,
    /// What it is about, the first thing first.
    pub nodes: Vec<String>,
    pub message: String,
    pub advice: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Most likely a mistake.
    Warning,
    /// It may well be meant.
    Note,
}

/// The warnings first.
pub fn lints(graph: &Graph, functions: &[Declared]) -> Vec<Lint> {
    let timed = functions.iter().filter(|function| function.manifest.timers).map(|function| function_id(&function.manifest.name));
    let flow = Looked { graph, into: graph.leading_to(), timed: timed.collect() };
    let mut lints = cycles(graph);
    for (id, node) in &graph.nodes {
        match node.what {
            What::Event => {
                let unmade = flow.unmade(id);
                // A slip in a name is no order.
                let is_slip = unmade.as_ref().is_some_and(|lint| lint.level == Level::Warning);
                lints.extend(flow.in_disguise(id).filter(|_| !is_slip));
                lints.extend([unmade, flow.unread(id)].into_iter().flatten());
            }
            What::Command => lints.extend(flow.undecided(id)),
            _ => {}
        }
    }
    for function in functions.iter().filter(|function| function.status != FunctionStatus::Retired) {
        lints.extend(unmatched(graph, function));
        lints.extend(unasked(function));
    }
    lints.sort_by_key(|lint| lint.level == Level::Note);
    lints
}

fn name<'a>(graph: &'a Graph, id: &'a str) -> &'a str {
    graph.nodes.get(id).map_or(id, |node| node.name.as_str())
}

/// The graph, and what leads to each node.
struct Looked<'a> {
    graph: &'a Graph,
    into: BTreeMap<&'a str, Vec<(&'a str, Link)>>,
    /// Functions that set timers: no manifest says of which types.
    timed: BTreeSet<String>,
}

impl<'a> Looked<'a> {
    fn makers(&self, id: &str) -> Vec<&'a str> {
        self.into.get(id).into_iter().flatten().map(|(from, _)| *from).collect()
    }

    fn readers(&self, id: &str) -> Vec<&'a str> {
        self.graph.from(id).map(|(to, ..)| to).collect()
    }

    fn names(&self, ids: &[&'a str]) -> String {
        ids.iter().map(|id| name(self.graph, id)).collect::<Vec<_>>().join(", ")
    }

    fn is(&self, id: &str, wanted: FunctionKind) -> bool {
        matches!(self.graph.nodes.get(id).map(|node| &node.what), Some(What::Function { kind, .. }) if *kind == wanted)
    }

    fn in_disguise(&self, id: &str) -> Option<Lint> {
        let (r#type, readers) = (name(self.graph, id), self.readers(id));
        if readers.len() != 1 || !is_imperative(r#type) || !self.is(readers[0], FunctionKind::Handler) {
            return None;
        }
        let others = [readers.clone(), self.makers(id)].concat();
        let message = format!("the event {type} tells somebody to do something, and {} alone reads it", self.names(&readers));
        let advice = "send it as a command, which has one addressee and can be refused; or name the event after what has happened";
        Some(lint(("command-in-disguise", Level::Warning), id, &others, message, advice))
    }

    fn unmade(&self, id: &str) -> Option<Lint> {
        let (node, readers) = (self.graph.nodes.get(id)?, self.readers(id));
        if readers.is_empty() || self.is_made(id, node) {
            return None;
        }
        // Who reads `count` and makes `counted` means both.
        let own = |other: &str| self.makers(other).iter().any(|maker| readers.contains(maker));
        let others = self.graph.nodes.iter().filter(|(other, node)| node.what == What::Event && self.is_made(other, node) && !own(other));
        let meant = similar(&node.name, others.map(|(_, other)| other.name.as_str()));
        if meant.is_none() && readers.iter().any(|reader| self.timed.contains(*reader)) {
            return None;
        }
        let message = format!("{} reads {}, which no function makes and nobody has appended", self.names(&readers), node.name);
        let level = if meant.is_some() { Level::Warning } else { Level::Note };
        let advice = match meant {
            Some(meant) => format!("did you mean {meant}?"),
            None => "nothing, if it will be appended; else subscribe to what is made, or deploy what makes it".into(),
        };
        Some(lint(("nobody-makes", level), id, &readers, message, advice))
    }

    fn is_made(&self, id: &str, node: &Node) -> bool {
        self.into.contains_key(id) || node.entries.unwrap_or(0) > 0
    }

    fn unread(&self, id: &str) -> Option<Lint> {
        let node = self.graph.nodes.get(id)?;
        if !self.readers(id).is_empty() || !self.is_made(id, node) {
            return None;
        }
        let makers = self.makers(id);
        let by = if makers.is_empty() { String::new() } else { format!(", which {} makes", self.names(&makers)) };
        let advice = "nothing, if it is there to be looked up, or for readers outside; else leave it out";
        Some(lint(("nobody-reads", Level::Note), id, &makers, format!("nobody reads {}{by}", node.name), advice))
    }

    fn undecided(&self, id: &str) -> Option<Lint> {
        let into = self.into.get(id).into_iter().flatten();
        let senders: Vec<&str> = into.filter(|(_, link)| *link == Link::Sends).map(|(from, _)| *from).collect();
        let is_decided = |id: &str| self.graph.from(id).any(|(_, link, _)| link == Link::Decides);
        if senders.is_empty() || is_decided(id) {
            return None;
        }
        let decided = self.graph.nodes.iter().filter(|(other, node)| node.what == What::Command && is_decided(other));
        let meant = similar(name(self.graph, id), decided.map(|(_, other)| other.name.as_str()));
        let message = format!("no aggregate decides the command {}, which {} sends", name(self.graph, id), self.names(&senders));
        let advice = match meant {
            Some(meant) => format!("did you mean {meant}?"),
            None => "deploy an aggregate that decides it: what is sent waits for one".into(),
        };
        Some(lint(("nobody-decides", Level::Warning), id, &senders, message, advice))
    }
}

fn lint(kind: (&'static str, Level), id: &str, others: &[&str], message: String, advice: impl Into<String>) -> Lint {
    let nodes = std::iter::once(id).chain(others.iter().copied()).map(str::to_owned).collect();
    Lint { name: kind.0, level: kind.1, nodes, message, advice: advice.into() }
}

fn cycles(graph: &Graph) -> Vec<Lint> {
    let all = circles(graph);
    let hot = circles(&without_commands(graph));
    let covered: BTreeSet<&String> = hot.iter().flatten().collect();
    let told = |circle: &[String]| {
        let names: Vec<&str> = circle.iter().chain(circle.first()).map(|id| name(graph, id)).collect();
        names.join(" → ")
    };
    let warnings = hot.iter().map(|circle| Lint {
        name: "circle",
        level: Level::Warning,
        nodes: circle.clone(),
        message: format!("these feed each other: {}", told(circle)),
        advice: "make sure that each event ends it at some time: after 64 events without an end the next one is parked".into(),
    });
    let notes = all.iter().filter(|circle| !circle.iter().all(|id| covered.contains(id))).map(|circle| Lint {
        name: "circle-by-command",
        level: Level::Note,
        nodes: circle.clone(),
        message: format!("this goes round by way of a command: {}", told(circle)),
        advice: "nothing, if its process has an end; after 64 entries without one the next is parked".into(),
    });
    warnings.chain(notes).collect()
}

/// A pattern that nothing fits.
fn unmatched(graph: &Graph, function: &Declared) -> Vec<Lint> {
    let manifest = &function.manifest;
    let patterns = manifest.subscribes.iter().filter(|text| text.len() > 1 && text.ends_with('*'));
    let fits = |text: &str| {
        let pattern = TypePattern::parse(text);
        let fits = |name: &str| pattern.as_ref().is_some_and(|pattern| pattern.matches(name));
        // The host's own types are always there.
        text.starts_with("retold.") || graph.nodes.values().any(|node| node.what == What::Event && fits(&node.name))
    };
    let unmatched = patterns.filter(|text| !fits(text));
    let lint = |text: &String| Lint {
        name: "nobody-makes",
        level: Level::Note,
        nodes: vec![function_id(&manifest.name)],
        message: format!("{} reads {text}, and there is no such type", manifest.name),
        advice: "nothing, if some will be appended; else subscribe to what is made".into(),
    };
    unmatched.map(lint).collect()
}

/// A handler that waits for answers and asks nothing.
fn unasked(function: &Declared) -> Vec<Lint> {
    let manifest = &function.manifest;
    if manifest.kind != FunctionKind::Handler {
        return Vec::new();
    }
    let silent = |answer: &str| match answer {
        REQUEST_REPLIED | REQUEST_FAILED => manifest.hosts.is_empty(),
        COMMAND_REFUSED => manifest.sends.is_empty(),
        _ => false,
    };
    let lint = |answer: &String| Lint {
        name: "nobody-asked",
        level: Level::Warning,
        nodes: vec![function_id(&manifest.name)],
        message: format!("{} reads {answer}, and its manifest says that it asks nothing that is answered so", manifest.name),
        advice: "a handler hears the answers to what it sent itself; who wants to see those of others is a view or a consumer".into(),
    };
    manifest.subscribes.iter().filter(|answer| silent(answer)).map(lint).collect()
}
