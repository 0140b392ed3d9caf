//! A flow as a Mermaid flowchart: <https://mermaid.js.org/syntax/flowchart.html>.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{Flow, Node};
use super::drawing::arrows;

pub fn drawn(flow: &Flow, counts: bool) -> String {
    let names = names(flow);
    let mut text = "flowchart LR\n".to_owned();
    for node in &flow.nodes {
        let (begin, end) = shape(node);
        text.push_str(&format!("  {}{begin}\"{}\"{end}\n", names[node.id.as_str()], escaped(&node.title())));
    }
    for arrow in arrows(flow, counts) {
        let line = match (arrow.dotted, arrow.label.as_str()) {
            (false, "") => "-->".to_owned(),
            (true, "") => "-.->".to_owned(),
            (false, label) => format!("-- \"{}\" -->", escaped(label)),
            (true, label) => format!("-. \"{}\" .->", escaped(label)),
        };
        if let (Some(from), Some(to)) = (names.get(arrow.from), names.get(arrow.to)) {
            text.push_str(&format!("  {from} {line} {to}\n"));
        }
    }
    text
}

/// How a node looks: events are round, commands have six sides, functions corners.
fn shape(node: &Node) -> (&'static str, &'static str) {
    match (node.kind.as_str(), node.function_kind.as_deref()) {
        ("function", Some("aggregate")) => ("[[", "]]"),
        ("function", Some("view")) => ("[(", ")]"),
        ("function", Some("upcaster")) => ("[/", "\\]"),
        ("function", _) => ("[", "]"),
        ("event", _) => ("(", ")"),
        ("command", _) => ("{{", "}}"),
        ("schedule", _) => (">", "]"),
        ("consumer", _) => ("[\\", "/]"),
        ("host" | "senders", _) => ("((", "))"),
        _ => ("([", "])"),
    }
}

/// Names that Mermaid takes, by id. They stay what they are when other nodes come and go.
fn names(flow: &Flow) -> BTreeMap<&str, String> {
    let mut taken = BTreeSet::new();
    let mut names = BTreeMap::new();
    for node in &flow.nodes {
        let plain: String = node.id.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
        let mut name = plain.clone();
        let mut number = 1;
        while !taken.insert(name.clone()) {
            number += 1;
            name = format!("{plain}_{number}");
        }
        names.insert(node.id.as_str(), name);
    }
    names
}

/// What would end a label or be markup in it, as an entity.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' => escaped.push_str(&format!("#{};", letter as u32)),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::answer::sample;
    use super::*;

    #[test]
    fn a_flow_is_drawn_as_mermaid_takes_it() {
        let expected = r##"flowchart LR
  command_stock_take{{"stock.take"}}
  event_order_placed("order.placed")
  event_stock_taken("stock.taken")
  event_too_late("too.late")
  function_orders["orders (paused)"]
  function_stock[["stock"]]
  host___example_com(("*.example.com"))
  schedule_orders_daily>"orders daily: 0 9 * * * UTC"]
  source__a_b_c_(["/a#34;b#60;c#62;"])
  command_stock_take --> function_stock
  event_order_placed --> function_orders
  function_orders --> command_stock_take
  function_orders -. "undeclared" .-> event_stock_taken
  function_orders -. "timer" .-> event_too_late
  function_orders -. "request" .-> host___example_com
  function_stock --> event_stock_taken
  host___example_com -. "answer" .-> function_orders
  schedule_orders_daily --> event_too_late
  source__a_b_c_ --> event_order_placed
"##;
        assert_eq!(drawn(&sample(), false), expected);
        let counted = drawn(&sample(), true);
        for line in [
            "  event_order_placed -- \"1,234\" --> function_orders\n",
            "  function_orders -. \"request never\" .-> host___example_com\n",
            "  function_orders -. \"undeclared 7\" .-> event_stock_taken\n",
        ] {
            assert!(counted.contains(line), "{counted}");
        }
    }

    #[test]
    fn two_nodes_never_have_one_name() {
        let mut flow = sample();
        for name in ["a-b", "a.b", "a_b"] {
            let (function_kind, module, status, function, cron, time_zone) = Default::default();
            let id = format!("event:{name}");
            flow.nodes.push(Node { id, kind: "event".into(), name: name.into(), function_kind, module, status, function, cron, time_zone });
        }
        let names = names(&flow);
        assert_eq!((names["event:a-b"].as_str(), names["event:a.b"].as_str()), ("event_a_b", "event_a_b_2"));
        assert_eq!(names.values().collect::<BTreeSet<_>>().len(), flow.nodes.len());
    }
}
