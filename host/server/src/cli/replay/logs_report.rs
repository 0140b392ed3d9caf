//! Two logs, held against each other.

use serde_json::Value;

use super::super::words::figures;
use super::differences::drawn;
use super::report::list;

/// What `retold diff` prints.
pub fn logs_report(difference: &Value) -> String {
    let field = |name: &str| difference[name].as_str().unwrap_or("?");
    let (base, other) = (field("base"), field("other"));
    let mut text = format!("{base} and {other}, {}\n\n", how_far(difference));
    let mut rows = vec![row("source events", &difference["source"]), row("derived events", &difference["derived"])];
    rows.extend(
        list(&difference["functions"])
            .iter()
            .map(|function| row(&format!("  by {}", function["function"].as_str().unwrap_or("?")), &function["outputs"])),
    );
    rows.extend(
        list(&difference["views"]).iter().map(|view| row(&format!("rows of {}", view["view"].as_str().unwrap_or("?")), &view["rows"])),
    );
    text.push_str(&figures(&["", "equal", "new", "missing", "different"], &rows, 1));
    text.push_str(&format!("new: only in {other}; missing: only in {base}\n"));
    for view in list(&difference["views"]) {
        if let Some(note) = view["note"].as_str() {
            text.push_str(&format!("  {}: {note}\n", view["view"].as_str().unwrap_or("?")));
        }
    }
    let first = list(&difference["first"]);
    if !first.is_empty() {
        text.push_str("\nThe first events that differ:\n");
        first.iter().for_each(|entry| text.push_str(&entry_drawn(entry, [base, other])));
    }
    for view in list(&difference["views"]).iter().filter(|view| !list(&view["first"]).is_empty()) {
        text.push_str(&format!("\nThe first rows of {} that differ:\n", view["view"].as_str().unwrap_or("?")));
        for row in list(&view["first"]) {
            let head = format!("  {}", row["key"].as_str().unwrap_or("?"));
            text.push_str(&drawn(&head, &row["base"], &row["other"], [base, other]));
        }
    }
    text
}

fn how_far(difference: &Value) -> String {
    let field = |name: &str| difference[name].as_str().unwrap_or("?");
    match field("status") {
        "failed" => format!("not compared: {}", difference["failed"]["message"].as_str().unwrap_or("nobody knows why")),
        "done" | "level" => format!("compared up to position {}", field("position")),
        status => format!("{status}: compared up to position {} of {}", field("position"), field("head")),
    }
}

fn row(name: &str, counts: &Value) -> Vec<String> {
    let count = |name: &str| super::super::words::thousands(counts[name].as_u64().unwrap_or(0));
    vec![name.to_owned(), count("equal"), count("new"), count("missing"), count("different")]
}

fn entry_drawn(entry: &Value, names: [&str; 2]) -> String {
    let field = |name: &str| entry[name].as_str().unwrap_or("?");
    let (one, other) = (&entry["base"], &entry["other"]);
    let event = if other.is_null() { one } else { other };
    let (name, subject) = (event["type"].as_str().unwrap_or("?"), event["subject"].as_str().unwrap_or(""));
    let places: Vec<String> = [one, other]
        .into_iter()
        .zip(names)
        .filter_map(|(event, log)| event["position"].as_str().map(|position| format!("{log} at {position}")))
        .collect();
    let from = if entry["derived"] == true { field("source").trim_start_matches("/functions/") } else { field("source") };
    let head = format!("  {:<9}  {name}  {subject}  (from {from}, {})", field("kind"), places.join(", "));
    drawn(&head, one, other, names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn two_logs_are_told_by_what_is_equal_and_the_first_that_is_not() {
        let shown = |total: u64, position: &str| json!({ "position": position, "type": "order.priced", "subject": "order/1", "datacontenttype": "application/json", "data": { "total": total }, "cut": false });
        let told = logs_report(&json!({
            "base": "main", "other": "retold", "status": "done", "failed": null, "position": "1200", "head": "1200",
            "source": { "equal": 1_000, "new": 0, "missing": 5, "different": 0 },
            "derived": { "equal": 199, "new": 0, "missing": 0, "different": 1 },
            "functions": [{ "function": "pricing", "outputs": { "equal": 199, "new": 0, "missing": 0, "different": 1 } }],
            "first": [{ "kind": "different", "derived": true, "source": "/functions/pricing", "id": "x", "base": shown(750, "18"), "other": shown(749, "17") }],
            "views": [{ "view": "orders", "rows": { "equal": 9, "new": 0, "missing": 1, "different": 0 }, "note": "retold's is 3 behind",
                "first": [{ "key": "order/1", "base": { "data": { "n": 1 } }, "other": null }] }],
        }));
        let expected = "\
main and retold, compared up to position 1200

                equal  new  missing  different
source events   1,000    0        5          0
derived events    199    0        0          1
  by pricing      199    0        0          1
rows of orders      9    0        1          0
new: only in retold; missing: only in main
  orders: retold's is 3 behind

The first events that differ:
  different  order.priced  order/1  (from pricing, main at 18, retold at 17)
    member  main  retold
    total   750   749

The first rows of orders that differ:
  order/1
    {\"n\":1}
";
        assert_eq!(told, expected, "{told}");
    }

    #[test]
    fn a_comparison_that_goes_on_or_failed_says_so() {
        let mut difference =
            json!({ "base": "a", "other": "b", "status": "running", "position": "5", "head": "9", "first": [], "views": [] });
        assert!(logs_report(&difference).starts_with("a and b, running: compared up to position 5 of 9\n"));
        difference["status"] = json!("failed");
        difference["failed"] = json!({ "reason": "x", "message": "b has no module" });
        assert!(logs_report(&difference).starts_with("a and b, not compared: b has no module\n"));
    }
}
