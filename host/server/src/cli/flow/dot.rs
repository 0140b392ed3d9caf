//! A flow in the language of Graphviz: <https://graphviz.org/doc/info/lang.html>.

use super::answer::{Flow, Node};
use super::drawing::arrows;

pub fn drawn(flow: &Flow, counts: bool) -> String {
    let mut text = "digraph flow {\n  rankdir=LR;\n".to_owned();
    for node in &flow.nodes {
        text.push_str(&format!("  {} [label={}, {}];\n", quoted(&node.id), quoted(&node.title()), look(node)));
    }
    for arrow in arrows(flow, counts) {
        let mut attributes = Vec::new();
        if !arrow.label.is_empty() {
            attributes.push(format!("label={}", quoted(&arrow.label)));
        }
        if arrow.dotted {
            attributes.push("style=dotted".to_owned());
        }
        let attributes = if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
        text.push_str(&format!("  {} -> {}{attributes};\n", quoted(arrow.from), quoted(arrow.to)));
    }
    text.push_str("}\n");
    text
}

fn look(node: &Node) -> &'static str {
    match (node.kind.as_str(), node.function_kind.as_deref()) {
        ("function", Some("aggregate")) => "shape=box, peripheries=2",
        ("function", Some("view")) => "shape=cylinder",
        ("function", Some("upcaster")) => "shape=trapezium",
        ("function", _) => "shape=box",
        ("event", _) => "shape=box, style=rounded",
        ("command", _) => "shape=hexagon",
        ("schedule", _) => "shape=cds",
        ("consumer", _) => "shape=invtrapezium",
        ("host" | "senders", _) => "shape=circle",
        _ => "shape=oval",
    }
}

/// Within quotes only the quote and the backslash mean anything.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::super::answer::sample;
    use super::*;

    #[test]
    fn a_flow_is_drawn_as_graphviz_takes_it() {
        let text = drawn(&sample(), true);
        for line in [
            "  \"function:stock\" [label=\"stock\", shape=box, peripheries=2];\n",
            "  \"source:/a\\\"b<c>\" [label=\"/a\\\"b<c>\", shape=oval];\n",
            "  \"event:order.placed\" -> \"function:orders\" [label=\"1,234\"];\n",
            "  \"host:*.example.com\" -> \"function:orders\" [label=\"answer never\", style=dotted];\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.starts_with("digraph flow {\n") && text.ends_with("}\n"));
        // It goes without saying that an aggregate folds what it makes.
        assert!(!text.contains("\"event:stock.taken\" -> \"function:stock\""), "{text}");
        assert_eq!(quoted("a\\\"b"), r#""a\\\"b""#);
    }
}
