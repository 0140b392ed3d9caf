//! How the graph is made: of what manifests and consumers declare, and of what was counted in the log.

use retold_engine::model::{
    ANSWERS, COMMAND_REFUSED, ConsumerSettings, FunctionKind, FunctionManifest, Kind, REQUEST_FAILED, REQUEST_REPLIED, TypePattern,
    host_allowed, is_reserved_type,
};
use retold_engine::store::{FunctionStatus, TypeCount};

use super::graph::{Graph, Link, What, command_id, event_id, function_id};
use super::tally::{Answerer, Maker, Tally};

/// A function, with all that it says of itself.
#[derive(Clone, Debug)]
pub struct Declared {
    pub manifest: FunctionManifest,
    pub module: String,
    pub status: FunctionStatus,
}

/// All that the graph is made of.
pub struct Parts<'a> {
    /// Retired ones too: they may have made something.
    pub functions: &'a [Declared],
    pub consumers: &'a [(String, ConsumerSettings)],
    pub types: &'a [TypeCount],
    /// `None`: nobody has counted.
    pub tally: Option<&'a Tally>,
}

pub fn build(parts: &Parts<'_>) -> Graph {
    let mut graph = Graph::default();
    let active = || parts.functions.iter().filter(|function| function.status != FunctionStatus::Retired);
    for seen in parts.types.iter().filter(|seen| !is_reserved_type(&seen.r#type)) {
        let id = match seen.kind {
            Kind::Event => graph.node(event_id(&seen.r#type), &seen.r#type, What::Event),
            Kind::Command => graph.node(command_id(&seen.r#type), &seen.r#type, What::Command),
            Kind::Timer | Kind::Request => continue,
        };
        graph.nodes.entry(id).and_modify(|node| node.entries = Some(seen.count));
    }
    active().for_each(|function| declare(&mut graph, function));
    if let Some(tally) = parts.tally {
        count_made(&mut graph, parts, tally);
        count_asked(&mut graph, parts, tally);
    }
    // Now all types are known that anybody makes.
    active().for_each(|function| read(&mut graph, &function.manifest, parts.types));
    for (name, settings) in parts.consumers {
        consume(&mut graph, name, settings, parts.types);
    }
    active().for_each(|function| answered(&mut graph, &function.manifest));
    if let Some(tally) = parts.tally {
        count_answers(&mut graph, parts, tally);
    }
    for node in graph.nodes.values_mut().filter(|node| matches!(node.what, What::Event | What::Command)) {
        node.entries.get_or_insert(0);
    }
    if parts.tally.is_some() {
        for ((.., link), edge) in graph.edges.iter_mut().filter(|(_, edge)| edge.declared) {
            if !matches!(link, Link::Upcasts | Link::Receives | Link::Reads | Link::Folds | Link::Decides) {
                edge.count.get_or_insert(0);
            }
        }
    }
    graph
}

/// What a function may make, and who must be there for it.
fn declare(graph: &mut Graph, Declared { manifest, module, status }: &Declared) {
    let what = What::Function { kind: manifest.kind, module: module.clone(), status: status.clone() };
    let function = graph.node(function_id(&manifest.name), &manifest.name, what);
    let link = if manifest.kind == FunctionKind::Upcaster { Link::Upcasts } else { Link::Emits };
    for emitted in &manifest.emits {
        let event = graph.node(event_id(emitted), emitted, What::Event);
        graph.edge(&function, &event, link).declare();
    }
    for sent in &manifest.sends {
        let command = graph.node(command_id(sent), sent, What::Command);
        graph.edge(&function, &command, Link::Sends).declare();
    }
    for decided in &manifest.decides {
        let command = graph.node(command_id(decided), decided, What::Command);
        let entries = graph.nodes.get(&command).and_then(|node| node.entries);
        let edge = graph.edge(&command, &function, Link::Decides);
        (edge.declared, edge.count) = (true, Some(entries.unwrap_or(0)));
    }
    for host in &manifest.hosts {
        let host = graph.node(format!("host:{host}"), host, What::Host);
        graph.edge(&function, &host, Link::Requests).declare();
    }
    for schedule in &manifest.schedules {
        let what = What::Schedule { function: manifest.name.clone(), cron: schedule.cron.clone(), time_zone: schedule.time_zone.clone() };
        let id = graph.node(format!("schedule:{}/{}", manifest.name, schedule.key), &schedule.key, what);
        let event = graph.node(event_id(&schedule.r#type), &schedule.r#type, What::Event);
        graph.edge(&id, &event, Link::Occurs).declare();
    }
    if manifest.kind == FunctionKind::Ingress {
        let senders = graph.node("senders".into(), "senders", What::Senders);
        graph.edge(&senders, &function, Link::Receives).declare();
    }
    for exact in manifest.subscribes.iter().filter(|pattern| !pattern.contains('*') && !is_reserved_type(pattern)) {
        graph.node(event_id(exact), exact, What::Event);
    }
}

/// Who made how much of what, whatever anybody declares.
fn count_made(graph: &mut Graph, parts: &Parts<'_>, tally: &Tally) {
    for (maker, kind, r#type, count) in tally.made() {
        let (from, link) = match maker {
            Maker::Function(name) | Maker::Aggregate(name) | Maker::Ingress(name) if kind == Kind::Command => {
                (function(graph, parts, name), Link::Sends)
            }
            Maker::Function(name) if kind == Kind::Timer => {
                let (from, to) = (function(graph, parts, name), graph.node(event_id(r#type), r#type, What::Event));
                *graph.edge(&from, &to, Link::Fires).set.get_or_insert(0) += count;
                graph.edge(&from, &to, Link::Fires).add(0);
                continue;
            }
            Maker::Function(name) | Maker::Aggregate(name) | Maker::Ingress(name) => (function(graph, parts, name), Link::Emits),
            Maker::Timers(name) => (function(graph, parts, name), Link::Fires),
            Maker::Outside(prefix) => (graph.node(format!("source:{prefix}"), prefix, What::Source), Link::Appends),
            Maker::Others => (graph.node("others".into(), "others", What::Others), Link::Appends),
        };
        let to = match kind {
            Kind::Command => graph.node(command_id(r#type), r#type, What::Command),
            _ => graph.node(event_id(r#type), r#type, What::Event),
        };
        graph.edge(&from, &to, link).add(count);
    }
    for (name, key, count) in tally.occurrences() {
        let id = format!("schedule:{name}/{key}");
        let events: Vec<String> = graph.from(&id).map(|(event, ..)| event.to_owned()).collect();
        for event in events {
            graph.edge(&id, &event, Link::Occurs).add(count);
        }
    }
    // Timers have no types in a manifest: whoever may set them may set those that were seen.
    let may = |id: &str| {
        let found = parts.functions.iter().find(|function| function_id(&function.manifest.name) == id);
        found.is_some_and(|function| function.manifest.timers && function.status != FunctionStatus::Retired)
    };
    for ((from, _, link), edge) in &mut graph.edges {
        edge.declared |= *link == Link::Fires && may(from);
    }
}

/// Requests and what answers them.
fn count_asked(graph: &mut Graph, parts: &Parts<'_>, tally: &Tally) {
    for (name, host, count) in tally.requests() {
        let (from, to) = (function(graph, parts, name), host_node(graph, parts, name, host));
        graph.edge(&from, &to, Link::Requests).add(count);
    }
    for (name, answerer, _, count) in tally.answers() {
        let (from, to) = (answerer_node(graph, parts, name, answerer), function(graph, parts, name));
        graph.edge(&from, &to, Link::Answers).add(count);
    }
}

/// The same answers as events, where somebody else reads them.
fn count_answers(graph: &mut Graph, parts: &Parts<'_>, tally: &Tally) {
    for (name, answerer, r#type, count) in tally.answers().filter(|(_, _, r#type, _)| is_node(graph, &event_id(r#type))).collect::<Vec<_>>()
    {
        let from = answerer_node(graph, parts, name, answerer);
        graph.edge(&from, &event_id(r#type), Link::Emits).add(count);
    }
}

fn is_node(graph: &Graph, id: &str) -> bool {
    graph.nodes.contains_key(id)
}

fn answerer_node(graph: &mut Graph, parts: &Parts<'_>, asked_by: &str, answerer: &Answerer) -> String {
    match answerer {
        Answerer::Host(host) => host_node(graph, parts, asked_by, host),
        Answerer::Aggregate(aggregate) => function(graph, parts, aggregate),
    }
}

/// The host as the function's manifest names it, or else as it was asked.
fn host_node(graph: &mut Graph, parts: &Parts<'_>, function: &str, host: &str) -> String {
    let declared = parts.functions.iter().find(|declared| declared.manifest.name == function);
    let pattern = declared.and_then(|declared| declared.manifest.hosts.iter().find(|pattern| host_allowed(pattern, host)));
    let name = pattern.map_or(host, String::as_str);
    graph.node(format!("host:{name}"), name, What::Host)
}

/// One that made something, though it may be retired by now.
fn function(graph: &mut Graph, parts: &Parts<'_>, name: &str) -> String {
    let known = parts.functions.iter().find(|function| function.manifest.name == name);
    let what = known.map_or(
        What::Function { kind: FunctionKind::Handler, module: String::new(), status: FunctionStatus::Retired },
        |Declared { manifest, module, status }| What::Function { kind: manifest.kind, module: module.clone(), status: status.clone() },
    );
    graph.node(function_id(name), name, what)
}

/// What a function reads of all the types that there are.
fn read(graph: &mut Graph, manifest: &FunctionManifest, types: &[TypeCount]) {
    let function = function_id(&manifest.name);
    let link = match manifest.kind {
        FunctionKind::Aggregate | FunctionKind::View => Link::Folds,
        FunctionKind::Upcaster => Link::Upcasts,
        FunctionKind::Handler | FunctionKind::Ingress => Link::Reads,
    };
    if manifest.kind != FunctionKind::Handler {
        name_answers(graph, &manifest.subscribes, types);
    }
    for (event, entries) in matching(graph, &manifest.patterns().collect::<Vec<_>>()) {
        let is_answer = ANSWERS.into_iter().any(|answer| event == event_id(answer));
        if !is_answer || manifest.kind != FunctionKind::Handler {
            let edge = graph.edge(&event, &function, link);
            (edge.declared, edge.count) = (true, (link != Link::Upcasts).then_some(entries));
        }
    }
}

/// Answers are for the one that asked, and no types that everybody reads; whoever else wants to see them names
/// them.
fn name_answers(graph: &mut Graph, wanted: &[String], types: &[TypeCount]) {
    for answer in ANSWERS.into_iter().filter(|answer| wanted.iter().any(|exact| exact == answer)) {
        let event = graph.node(event_id(answer), answer, What::Event);
        let entries = types.iter().find(|seen| seen.r#type == answer && seen.kind == Kind::Event).map_or(0, |seen| seen.count);
        graph.nodes.entry(event).and_modify(|node| node.entries = Some(entries));
    }
}

fn consume(graph: &mut Graph, name: &str, settings: &ConsumerSettings, types: &[TypeCount]) {
    let consumer = graph.node(format!("consumer:{name}"), name, What::Consumer);
    let patterns: Vec<TypePattern> = settings.types.iter().filter_map(|text| TypePattern::parse(text)).collect();
    let all = [TypePattern::Prefix(String::new())];
    // One that wants some subjects or tags alone doesn't read all that there are.
    let is_all = settings.subjects.is_empty() && settings.tags.is_empty();
    for exact in settings.types.iter().filter(|pattern| !pattern.contains('*') && !is_reserved_type(pattern)) {
        graph.node(event_id(exact), exact, What::Event);
    }
    name_answers(graph, &settings.types, types);
    for (event, entries) in matching(graph, if patterns.is_empty() { &all } else { &patterns }) {
        let edge = graph.edge(&event, &consumer, Link::Reads);
        (edge.declared, edge.count) = (true, is_all.then_some(entries));
    }
}

fn matching(graph: &Graph, patterns: &[TypePattern]) -> Vec<(String, u64)> {
    let events = graph.nodes.iter().filter(|(_, node)| node.what == What::Event);
    let matching = events.filter(|(_, node)| patterns.iter().any(|pattern| pattern.matches(&node.name)));
    matching.map(|(id, node)| (id.clone(), node.entries.unwrap_or(0))).collect()
}

/// Who answers a function that asks and wants to hear.
fn answered(graph: &mut Graph, manifest: &FunctionManifest) {
    let hears = |answer: &str| manifest.patterns().any(|pattern| pattern.matches(answer));
    let function = function_id(&manifest.name);
    let asked: Vec<(String, Link)> = graph.from(&function).map(|(to, link, _)| (to.to_owned(), link)).collect();
    for (to, link) in asked {
        if link == Link::Requests && manifest.hosts.iter().any(|host| to == format!("host:{host}")) {
            if hears(REQUEST_REPLIED) || hears(REQUEST_FAILED) {
                graph.edge(&to, &function, Link::Answers).declare();
            }
            let seen = [REQUEST_REPLIED, REQUEST_FAILED].map(event_id);
            for event in seen {
                if is_node(graph, &event) {
                    graph.edge(&to, &event, Link::Emits).declare();
                }
            }
        } else if link == Link::Sends {
            let deciders: Vec<String> =
                graph.from(&to).filter(|(_, link, _)| *link == Link::Decides).map(|(decider, ..)| decider.to_owned()).collect();
            for decider in deciders {
                if hears(COMMAND_REFUSED) {
                    graph.edge(&decider, &function, Link::Answers).declare();
                }
                if is_node(graph, &event_id(COMMAND_REFUSED)) {
                    graph.edge(&decider, &event_id(COMMAND_REFUSED), Link::Emits).declare();
                }
            }
        }
    }
}
