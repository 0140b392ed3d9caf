//! Two versions of an event or a row, side by side: only what differs.

use serde_json::Value;

use super::super::words::{shortened, table};

const VALUE_CHARS_MAX: usize = 48;
const DATA_CHARS_MAX: usize = 90;
const MEMBERS_MAX: usize = 12;

/// One difference: a line that says what it is, and below it what differs. `names` are the two columns.
pub fn drawn(head: &str, one: &Value, other: &Value, names: [&str; 2]) -> String {
    let mut text = format!("{head}\n");
    let below = match (one.is_null(), other.is_null()) {
        (true, true) => String::new(),
        (true, false) => whole(other),
        (false, true) => whole(one),
        (false, false) => side_by_side(one, other, names),
    };
    for line in below.lines() {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

fn whole(shown: &Value) -> String {
    shortened(&data_text(shown), DATA_CHARS_MAX)
}

fn side_by_side(one: &Value, other: &Value, names: [&str; 2]) -> String {
    let mut rows = Vec::new();
    for field in ["type", "subject", "datacontenttype"] {
        if one[field] != other[field] {
            rows.push((field.to_owned(), text(&one[field]), text(&other[field])));
        }
    }
    match (one.get("data"), other.get("data")) {
        (Some(one), Some(other)) => members("", one, other, &mut rows),
        _ if data_text(one) != data_text(other) => rows.push(("data".to_owned(), data_text(one), data_text(other))),
        _ => {}
    }
    let more = rows.len().saturating_sub(MEMBERS_MAX);
    rows.truncate(MEMBERS_MAX);
    let row = |(path, one, other): (String, String, String)| {
        let (one, other) = apart(&one, &other);
        vec![shortened(&path, VALUE_CHARS_MAX), one, other]
    };
    let mut text = table(&["member", names[0], names[1]], &rows.into_iter().map(row).collect::<Vec<_>>());
    if more > 0 {
        text.push_str(&format!("and {more} more\n"));
    }
    text
}

/// The leaves in which two JSON values differ, each with its path.
fn members(path: &str, one: &Value, other: &Value, rows: &mut Vec<(String, String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (one, other) {
        (Value::Object(ones), Value::Object(others)) => {
            let names = ones.keys().chain(others.keys().filter(|name| !ones.contains_key(*name)));
            for name in names {
                members(&below(name), &one[name], &other[name], rows);
            }
        }
        (Value::Array(ones), Value::Array(others)) => {
            for index in 0..ones.len().max(others.len()) {
                members(&below(&index.to_string()), &one[index], &other[index], rows);
            }
        }
        _ if one == other => {}
        _ => rows.push((if path.is_empty() { "data".to_owned() } else { path.to_owned() }, text(one), text(other))),
    }
}

/// Two long values, shortened so that the place where they part is seen.
fn apart(one: &str, other: &str) -> (String, String) {
    let common = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let skipped = common.saturating_sub(VALUE_CHARS_MAX / 2);
    let long = one.chars().count().max(other.chars().count()) > VALUE_CHARS_MAX;
    let from = |text: &str| match skipped {
        1.. if long => shortened(&std::iter::once('…').chain(text.chars().skip(skipped)).collect::<String>(), VALUE_CHARS_MAX),
        _ => shortened(text, VALUE_CHARS_MAX),
    };
    (from(one), from(other))
}

/// Text as it is, all else as JSON; nothing as a dash.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn data_text(shown: &Value) -> String {
    let data = ["data", "data_text", "data_base64"].iter().find_map(|field| shown.get(field));
    let mut told = data.map_or_else(|| "(no data)".to_owned(), text);
    if shown["cut"] == true {
        told.push('…');
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(data: Value) -> Value {
        json!({ "type": "order.priced", "subject": "order/1", "datacontenttype": "application/json", "data": data, "cut": false })
    }

    #[test]
    fn only_the_members_that_differ_stand_side_by_side() {
        let one = event(json!({ "total": 750, "lines": [{ "net": 1, "tax": 2 }], "currency": "EUR" }));
        let other = event(json!({ "total": 749, "lines": [{ "net": 1, "tax": 3 }, { "net": 9 }], "currency": "EUR", "note": "x" }));
        let told = drawn("different", &one, &other, ["recorded", "made"]);
        let mut lines: Vec<&str> = told.lines().collect();
        // The order of an object's members is that of the JSON library.
        lines[2..5].sort_unstable();
        assert_eq!(
            lines,
            [
                "different",
                "    member       recorded  made",
                "    lines.0.tax  2         3",
                "    lines.1      –         {\"net\":9}",
                "    total        750       749",
                "    note         –         x",
            ]
        );
    }

    #[test]
    fn what_is_only_on_one_side_is_shown_whole() {
        assert_eq!(drawn("new", &Value::Null, &event(json!({ "a": 1 })), ["", ""]), "new\n    {\"a\":1}\n");
        assert_eq!(drawn("missing", &json!({ "data_text": "{\"a\":", "cut": true }), &Value::Null, ["", ""]), "missing\n    {\"a\":…\n");
    }

    #[test]
    fn long_values_are_shown_where_they_part() {
        let (one, other) = ("x".repeat(500) + "one", "x".repeat(500) + "two");
        let (one, other) = apart(&one, &other);
        assert!(one.ends_with("xone") && other.ends_with("xtwo") && one.starts_with('…'), "{one} {other}");
        assert!(one.chars().count() <= VALUE_CHARS_MAX);
    }

    #[test]
    fn a_type_that_changed_is_told_and_many_members_are_cut() {
        let mut other = event(json!(1));
        other["type"] = "order.priced.2".into();
        let told = drawn("different", &event(json!(1)), &other, ["recorded", "made"]);
        assert!(told.contains("type    order.priced  order.priced.2"), "{told}");
        let many = |by: u64| event((0..20).map(|at| (format!("m{at:02}"), json!(at + by))).collect::<serde_json::Map<_, _>>().into());
        assert!(drawn("", &many(0), &many(1), ["", ""]).ends_with("    and 8 more\n"));
    }
}
