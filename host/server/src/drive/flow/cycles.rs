//! Circles of a flow: what may come back to where it began.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::graph::{Graph, Link};

/// Links that make something happen now. Time passes before a timer fires, a host outside may not answer, and
/// nothing follows from what is folded.
fn drives(link: Link) -> bool {
    matches!(link, Link::Emits | Link::Reads | Link::Sends | Link::Decides | Link::Upcasts)
}

/// The same flow, with nobody who decides commands.
pub fn without_commands(graph: &Graph) -> Graph {
    let edges = graph.edges.iter().filter(|((.., link), _)| *link != Link::Decides);
    Graph { nodes: graph.nodes.clone(), edges: edges.map(|(key, edge)| (key.clone(), *edge)).collect() }
}

/// Of each part of the flow in which everything leads to everything: a shortest way round, from its first node.
pub fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for ((from, to, link), edge) in &graph.edges {
        if drives(*link) && edge.declared {
            next.entry(from).or_default().push(to);
        }
    }
    let mut found = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for start in next.keys() {
        if seen.contains(start) {
            continue;
        }
        if let Some(circle) = way_round(start, &next) {
            // Everything that leads to the start and back is one part.
            let (there, back) = (reached(start, &next), |node: &str| reached(node, &next).contains(start));
            seen.extend(there.iter().copied().filter(|node| back(node)));
            found.push(circle);
        }
    }
    found
}

fn reached<'a>(start: &'a str, next: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        for to in next.get(node).into_iter().flatten() {
            if reached.insert(*to) {
                open.push(to);
            }
        }
    }
    reached
}

/// A shortest way from a node back to it.
fn way_round(start: &str, next: &BTreeMap<&str, Vec<&str>>) -> Option<Vec<String>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(node) = open.pop_front() {
        for to in next.get(node).into_iter().flatten() {
            if *to == start {
                let mut way = vec![node];
                while let Some(from) = before.get(way[way.len() - 1]) {
                    way.push(from);
                }
                way.reverse();
                return Some(way.into_iter().map(str::to_owned).collect());
            }
            if !before.contains_key(to) {
                before.insert(to, node);
                open.push_back(to);
            }
        }
    }
    None
}
