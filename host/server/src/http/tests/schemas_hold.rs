//! What OpenAPI says of answers is what answers are.

use serde_json::Value;

use super::running::{Running, event};

/// Holds a value against the parts of JSON Schema that the document uses.
fn check(schemas: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return check(schemas, &schemas[name], value, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let other = any.iter().find(|schema| schema["type"] != "null").unwrap_or_else(|| panic!("{at} is never anything"));
        return if value.is_null() {
            assert!(any.iter().any(|schema| schema["type"] == "null"), "{at}")
        } else {
            check(schemas, other, value, at)
        };
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at} is {value}");
    }
    if let Some(constant) = schema.get("const") {
        assert_eq!(constant, value, "{at}");
    }
    let is = |name: &Value| match name.as_str() {
        Some("null") => value.is_null(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        other => panic!("{at} has the type {other:?}"),
    };
    match &schema["type"] {
        Value::Null => {}
        Value::Array(names) => assert!(names.iter().any(is), "{at} is {value}"),
        name => assert!(is(name), "{at} is {value}"),
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(schemas, &schema["items"], item, &format!("{at}[{index}]"));
    }
    if let (Some(properties), Some(members)) = (schema["properties"].as_object(), value.as_object()) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(members.contains_key(name), "{at} lacks {name}");
        }
        let open = at.starts_with("Problem") || at.contains("Event");
        for (name, member) in members {
            match properties.get(name) {
                Some(schema) => check(schemas, schema, member, &format!("{at}.{name}")),
                None => assert!(open, "{at}.{name} is not described"),
            }
        }
    }
}

#[test]
fn every_answer_is_as_its_schema_says() {
    let host = Running::start();
    let document = host.get("/openapi.json").json();
    let schemas = &document["components"]["schemas"];
    let holds = |name: &str, value: &Value| check(schemas, &schemas[name], value, name);
    let base = "/v1/namespaces/main";
    holds("Appended", &host.append("1", r#","data":{"a":1},"tags":"eu","subject":"s","time":"2026-11-21T05:18:36Z""#).json());
    holds("Appended", &host.post(&format!("{base}/events?wait=handled"), "application/json", &event("2", "")).json());
    holds("Appended", &host.post(&format!("{base}/events"), "application/x-ndjson", &event("3", "")).json());
    holds("NewEvent", &serde_json::from_str(&event("4", "")).expect("JSON"));
    holds("Events", &host.get(&format!("{base}/events")).json());
    holds("Event", &host.get(&format!("{base}/events/1")).json());
    holds("Causes", &host.get(&format!("{base}/events/1/causes")).json());
    holds("Modules", &host.get(&format!("{base}/modules")).json());
    holds("Flow", &host.get(&format!("{base}/flow")).json());
    holds("Functions", &host.get(&format!("{base}/functions")).json());
    holds("Namespace", &host.post("/v1/namespaces", "application/json", r#"{"name":"shop"}"#).json());
    holds("Namespaces", &host.get("/v1/namespaces").json());
    holds("Alive", &host.get("/healthz").json());
    holds("Ready", &host.get("/readyz").json());
    holds("Outbox", &host.get(&format!("{base}/outbox")).json());
    holds("Outbox", &super::super::outbox::sample());
    holds("Problem", &host.get("/nothing").json());
    holds("Replays", &host.get(&format!("{base}/replays")).json());
    let consumer = format!("{base}/consumers/mail");
    let put = |body: &str| host.send("PUT", &consumer, &[("Content-Type", "application/json")], body.as_bytes()).json();
    holds("Consumer", &put(r#"{"attempts":1,"lease":"30s","expires":"1h"}"#));
    let fetched = host.post(&format!("{consumer}/fetch"), "application/json", r#"{"limit":2}"#).json();
    holds("Fetched", &fetched);
    let lease = serde_json::json!({ "lease": fetched["lease"], "upto": "1" }).to_string();
    holds("Lease", &host.post(&format!("{consumer}/acknowledge"), "application/json", &lease).json());
    holds("Lease", &host.post(&format!("{consumer}/extend"), "application/json", &lease.replace(r#","upto":"1""#, "")).json());
    holds(
        "Lease",
        &host.post(&format!("{consumer}/give-back"), "application/json", &lease.replace(r#""upto":"1""#, r#""park":true"#)).json(),
    );
    holds("Consumers", &host.get(&format!("{base}/consumers")).json());
    let parked = host.get(&format!("{consumer}/parked")).json();
    assert_eq!(parked["total"], 1);
    holds("ConsumerParked", &parked);
    holds("Released", &host.post(&format!("{consumer}/release"), "application/json", "").json());
    holds("ConsumerDropped", &host.send("DELETE", &consumer, &[], b"").json());
    let samples = super::super::upgrades::samples().into_iter().chain(super::super::timers::tests::samples());
    for (name, value) in samples.chain(super::super::backups::samples()) {
        holds(name, &value);
    }
    holds("Tokens", &host.get("/v1/tokens").json());
    let made = host.post("/v1/tokens", "application/json", r#"{"name":"all","allow":["operate"],"expires":"1h"}"#).json();
    holds("TokenCreated", &made);
    let bearer = format!("Bearer {}", made["token"].as_str().expect("a token"));
    let listed = host.send("GET", "/v1/tokens", &[("Authorization", &bearer)], b"").json();
    holds("Tokens", &listed);
    holds("Token", &listed["tokens"][0]);
}
