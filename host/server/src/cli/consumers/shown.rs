//! Consumers as a person reads them.

use serde_json::Value;

use super::super::words::{counted, table};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

fn list(value: &Value) -> String {
    value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ")
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

pub fn listed(all: &Value) -> String {
    let consumers = all["consumers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if consumers.is_empty() {
        return "no consumers: `retold consumers create NAME` makes one\n".into();
    }
    let row = |consumer: &Value| {
        let to = match (&consumer["endpoint"]["url"], &consumer["endpoint"]["stopped"]) {
            (Value::String(url), Value::Null) => url.clone(),
            (Value::String(url), _) => format!("{url} (stopped)"),
            _ => counted(consumer["members"].as_array().map_or(0, Vec::len) as u64, "member"),
        };
        let figure = |name: &str| number(&consumer[name]).to_string();
        vec![
            text(&consumer["name"]),
            list(&consumer["types"]),
            text(&consumer["cursor"]),
            figure("lag"),
            figure("leased"),
            figure("parked"),
            to,
        ]
    };
    table(&["name", "types", "cursor", "lag", "leased", "parked", "read by"], &consumers.iter().map(row).collect::<Vec<_>>())
}

pub fn page(consumer: &Value) -> String {
    let mut lines = vec![("consumer", text(&consumer["name"])), ("types", list(&consumer["types"]))];
    for name in ["subjects", "tags"] {
        if consumer[name].as_array().is_some_and(|terms| !terms.is_empty()) {
            lines.push((name, list(&consumer[name])));
        }
    }
    lines.push(("cursor", text(&consumer["cursor"])));
    lines.push((
        "lag",
        format!(
            "{}, of them {} with members, {} waiting",
            counted(number(&consumer["lag"]), "event"),
            number(&consumer["leased"]),
            number(&consumer["waiting"])
        ),
    ));
    lines.push(("acknowledged", counted(number(&consumer["acknowledged"]), "event")));
    if number(&consumer["parked"]) > 0 {
        lines.push((
            "parked",
            format!("{}, the oldest since {}", counted(number(&consumer["parked"]), "event"), text(&consumer["oldest_parked"])),
        ));
    }
    lines.push(("lease", format!("{} ms, {} attempts", number(&consumer["lease_ms"]), number(&consumer["attempts"]))));
    if let Some(expires_ms) = consumer["expires_ms"].as_u64() {
        lines.push(("expires", format!("after {expires_ms} ms without use")));
    }
    for member in consumer["members"].as_array().into_iter().flatten() {
        let seen = format!("{} with it, seen {} ms ago", counted(number(&member["leased"]), "event"), number(&member["seen_ms_ago"]));
        lines.push(("member", format!("{}: {seen}", text(&member["name"]))));
    }
    let endpoint = &consumer["endpoint"];
    if endpoint.is_object() {
        lines.push(("endpoint", format!("{} ({})", text(&endpoint["url"]), text(&endpoint["form"]))));
        for name in ["stopped", "trouble"] {
            if let Some(what) = endpoint[name].as_str() {
                lines.push((name, what.to_owned()));
            }
        }
    }
    lines.iter().map(|(name, value)| format!("{name:<13}{value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_consumer_is_shown_with_what_is_out_and_what_went_wrong() {
        let consumer = json!({
            "name": "hook", "types": ["order.*"], "subjects": [], "tags": ["eu"], "attempts": 5, "lease_ms": 30_000, "expires_ms": null,
            "cursor": "1.7", "lag": 3, "waiting": 1, "leased": 2, "parked": 1, "oldest_parked": "2026-11-21T05:18:36Z", "acknowledged": 1_200,
            "members": [{ "name": "webhook", "leased": 2, "seen_ms_ago": 4 }],
            "endpoint": { "url": "https://example.com/in", "form": "batch", "stopped": "it is gone", "trouble": null },
        });
        let expected = "\
consumer     hook
types        order.*
tags         eu
cursor       1.7
lag          3 events, of them 2 with members, 1 waiting
acknowledged 1,200 events
parked       1 event, the oldest since 2026-11-21T05:18:36Z
lease        30000 ms, 5 attempts
member       webhook: 2 events with it, seen 4 ms ago
endpoint     https://example.com/in (batch)
stopped      it is gone
";
        assert_eq!(page(&consumer), expected);
        let all = listed(&json!({ "consumers": [consumer] }));
        assert!(all.contains("https://example.com/in (stopped)"), "{all}");
        assert!(listed(&json!({ "consumers": [] })).contains("create"));
    }
}
