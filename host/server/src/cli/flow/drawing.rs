//! What a drawing shows of a flow, whatever it is drawn with.

use std::collections::BTreeSet;

use super::super::words::thousands;
use super::answer::{Edge, Flow};

/// An arrow of a drawing.
pub struct Arrow<'a> {
    pub from: &'a str,
    pub to: &'a str,
    pub label: String,
    /// It goes another way than through the log, or nobody declares it any more.
    pub dotted: bool,
}

/// The arrows in the order of the answer. That an aggregate folds the events that it makes goes without saying.
pub fn arrows(flow: &Flow, counts: bool) -> Vec<Arrow<'_>> {
    let made: BTreeSet<(&str, &str)> =
        flow.edges.iter().filter(|edge| edge.link == "emits").map(|edge| (edge.from.as_str(), edge.to.as_str())).collect();
    let drawn = flow.edges.iter().filter(|edge| edge.link != "folds" || !made.contains(&(edge.to.as_str(), edge.from.as_str())));
    drawn.map(|edge| Arrow { from: &edge.from, to: &edge.to, label: label(edge, counts), dotted: is_dotted(edge) }).collect()
}

fn is_undeclared(edge: &Edge) -> bool {
    // From outside anybody may append.
    !edge.declared && edge.link != "appends"
}

fn is_dotted(edge: &Edge) -> bool {
    is_undeclared(edge) || ["fires", "requests", "answers", "receives"].contains(&edge.link.as_str())
}

fn label(edge: &Edge, counts: bool) -> String {
    let word = match edge.link.as_str() {
        _ if is_undeclared(edge) => "undeclared",
        "fires" => "timer",
        "requests" => "request",
        "answers" => "answer",
        "upcasts" => "upcast",
        _ => "",
    };
    let count = edge.count.filter(|_| counts).map(|count| if count == 0 { "never".to_owned() } else { thousands(count) });
    [word.to_owned(), count.unwrap_or_default()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
