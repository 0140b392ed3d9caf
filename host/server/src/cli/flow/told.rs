//! A flow in words: one line for each way, and what is odd about it.

use super::super::words::{figures, thousands};
use super::answer::{Edge, Flow};

pub fn told(flow: &Flow) -> String {
    if flow.nodes.is_empty() {
        return "nothing flows yet: deploy a module with `retold deploy FILE.wasm`, or append events\n".to_owned();
    }
    let nodes = flow.by_id();
    let title = |id: &str| nodes.get(id).map_or_else(|| id.to_owned(), |node| node.title());
    let row = |edge: &Edge| {
        let from_event = nodes.get(edge.from.as_str()).is_some_and(|node| node.kind == "event");
        let mark = if edge.declared || edge.link == "appends" { "" } else { " (undeclared)" };
        vec![title(&edge.from), format!("{}{mark}", word(&edge.link, from_event)), title(&edge.to), count(edge)]
    };
    let mut text = figures(&["from", "", "to", "entries"], &flow.edges.iter().map(row).collect::<Vec<_>>(), 3);
    for lint in &flow.lints {
        text.push_str(&format!("{}: {}\n  {}\n", lint.level, lint.message, lint.advice));
    }
    if let Some(counted_to) = flow.counted_to.as_ref().filter(|counted_to| **counted_to != flow.head) {
        text.push_str(&format!("counted up to position {counted_to} of {}: ask again, it goes on from there\n", flow.head));
    }
    if flow.left_out > 0 {
        text.push_str(&format!("{} entries are of makers and types too many to be told apart\n", thousands(flow.left_out)));
    }
    text
}

fn word(link: &str, from_event: bool) -> &str {
    match link {
        "decides" => "is decided by",
        "reads" => "is read by",
        "folds" => "is folded by",
        "fires" => "sets timers for",
        "occurs" => "makes",
        "requests" => "asks",
        "upcasts" if from_event => "is upcast by",
        "upcasts" => "makes of it",
        "receives" => "send to",
        other => other,
    }
}

/// How much went this way. What is declared and never seen says so.
fn count(edge: &Edge) -> String {
    let set = edge.set.map(|set| format!(" of {}", thousands(set))).unwrap_or_default();
    match edge.count {
        None => String::new(),
        Some(0) if set.is_empty() => "never".to_owned(),
        Some(count) => thousands(count) + &set,
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::sample;
    use super::*;

    #[test]
    fn each_way_is_a_line_with_what_went_it_and_what_is_odd_comes_last() {
        let text = told(&sample());
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect();
        for line in [
            &["order.placed", "is read by", "orders (paused)", "1,234"][..],
            &["orders (paused)", "emits (undeclared)", "stock.taken", "7"],
            &["orders (paused)", "sets timers for", "too.late", "1 of 5"],
            &["orders (paused)", "asks", "*.example.com", "never"],
            &["orders daily: 0 9 * * * UTC", "makes", "too.late", "9"],
            &["note: nobody reads too.late"],
            &["counted up to position 20 of 24: ask again, it goes on from there"],
        ] {
            assert!(lines.iter().any(|found| found == line), "{line:?} is not in\n{text}");
        }
    }
}
