//! The shapes of bodies, as OpenAPI tells them. Kept beside the types that write them by a test on the
//! running host: each answer is held against its schema.

use serde_json::{Value, json};

pub fn schemas() -> Value {
    let mut all = event_schemas();
    for (name, schema) in admin_schemas().as_object().into_iter().flatten() {
        all[name.as_str()] = schema.clone();
    }
    all
}

fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

/// All members are there, always.
fn whole(properties: Value) -> Value {
    let names: Vec<&String> = properties.as_object().map(|members| members.keys().collect()).unwrap_or_default();
    json!({ "type": "object", "required": names, "properties": properties })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn or_null(mut schema: Value) -> Value {
    match schema["type"].as_str().map(str::to_owned) {
        Some(name) => {
            schema["type"] = json!([name, "null"]);
            schema
        }
        None => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

fn event_schemas() -> Value {
    let attributes = json!({
        "specversion": { "const": "1.0" },
        "id": text(), "source": text(), "type": text(), "subject": text(),
        "time": time(),
        "datacontenttype": { "type": "string", "default": "application/json" },
        "tags": { "type": "string", "description": "Tags, set apart by commas." },
        "causationid": text(),
        "correlationid": { "type": "string", "description": "Absent: the event's own id." },
        "traceparent": text(),
        "data": { "description": "JSON, or a string where the content type is not JSON." },
        "data_base64": { "type": "string", "contentEncoding": "base64" },
    });
    let mut event = object(&["specversion", "id", "source", "type", "datacontenttype", "position", "recordedtime"], attributes.clone());
    for (name, schema) in [
        ("position", named("Position")),
        ("recordedtime", time()),
        ("causeposition", named("Position")),
        (
            "module",
            json!({ "type": "string", "description": "Of a derived event: the module that made it; its source is /functions/NAME." }),
        ),
        ("moduleversion", text()),
        ("moduledigest", json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" })),
    ] {
        event["properties"][name] = schema;
    }
    json!({
        "Position": { "type": "string", "pattern": "^[0-9]+$", "description": "1, 2, 3 …: an event's place in its namespace." },
        "Cursor": { "type": "string", "pattern": "^([0-9]+\\.)?[0-9]+$", "description": "Opaque; a position may stand for it." },
        "NewEvent": object(&["specversion", "id", "source", "type"], attributes),
        "Event": event,
        "Events": whole(json!({ "events": list(named("Event")), "cursor": named("Cursor"), "head": named("Position") })),
        "Appended": object(&["cursor", "new"], json!({
            "positions": { "type": "array", "items": named("Position"), "description": "In the order of the request; not of a stream of lines." },
            "events": { "type": "integer", "description": "Only of a stream of lines: how many stand." },
            "cursor": named("Cursor"),
            "new": { "type": "integer", "description": "How many were not known before." },
            "handled": { "type": "boolean", "description": "Only with wait=handled, as all below." },
            "derived": list(named("Position")),
            "parked": list(whole(json!({ "function": text(), "position": named("Position") }))),
            "waiting": { "type": "array", "items": text(), "description": "Functions that had not passed everything." },
        })),
        "Causes": whole(json!({
            "event": named("Event"),
            "causes": { "type": "array", "items": named("Event"), "description": "The nearest first." },
            "effects": { "type": "array", "items": named("Event"), "description": "Direct and indirect, in order; `causeposition` tells of what." },
            "searched_to": { "$ref": "#/components/schemas/Position", "description": "Effects beyond it were not looked for." },
            "head": named("Position"),
        })),
        "Problem": {
            "type": "object",
            "description": "RFC 9457. Members beside these tell what it is about: `field`, `index`, `line`, `position` …",
            "required": ["type", "title", "status", "detail"],
            "properties": { "type": { "type": "string", "format": "uri" }, "title": text(), "status": count(), "detail": text() },
        },
    })
}

fn admin_schemas() -> Value {
    let digest = json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" });
    json!({
        "NewNamespace": whole(json!({ "name": text() })),
        "Namespace": whole(json!({ "name": text(), "created": time(), "head": named("Position"), "functions": count(), "modules": count() })),
        "Namespaces": whole(json!({ "namespaces": list(named("Namespace")) })),
        "Module": object(&["name", "version", "digest", "deployed_at", "active", "functions"], json!({
            "name": text(), "version": text(), "digest": digest, "deployed_at": named("Position"), "active": { "type": "boolean" }, "functions": list(text()),
            "unchanged": { "type": "boolean", "description": "Only of an upload: these bytes were active already." },
        })),
        "Modules": whole(json!({ "modules": list(named("Module")) })),
        "Removed": whole(json!({ "module": text(), "position": named("Position") })),
        "Function": whole(json!({
            "name": text(),
            "kind": { "enum": ["handler", "aggregate", "view", "upcaster", "ingress"] },
            "module": text(), "version": text(), "digest": digest,
            "status": { "enum": ["active", "paused", "halted", "retired"] },
            "halted": or_null(whole(json!({ "position": named("Position"), "reason": text(), "message": text() }))),
            "rebuilding": { "type": "boolean" },
            "cursor": named("Cursor"),
            "lag": count(), "parked": count(),
            "oldest_parked": or_null(time()),
            "retrying": or_null(whole(json!({ "position": named("Position"), "attempts": count(), "message": text() }))),
            "subscribes": list(text()), "emits": list(text()), "decides": list(text()),
            "start": { "enum": ["now", "beginning"] },
            "failure_policy": { "enum": ["park", "halt"] },
            "limits": whole(json!({ "fuel_per_call": count(), "memory_bytes": count(), "attempts": count() })),
            "counts": whole(json!({ "handled": count(), "emitted": count(), "failed_attempts": count(), "parked": count(), "calls": count(), "busy_us": count() })),
            "log": list(whole(json!({ "time": time(), "level": text(), "message": text() }))),
        })),
        "Functions": whole(json!({ "functions": list(named("Function")) })),
        "Accepted": object(
            &["id", "position", "events", "cursor", "new"],
            json!({
                "id": text(), "position": named("Position"), "events": list(named("Event")), "cursor": named("Cursor"),
                "new": { "type": "boolean", "description": "False: it was accepted before, and this is its first answer." },
                "handled": { "type": "boolean" }, "derived": list(named("Position")),
                "parked": list(whole(json!({ "function": text(), "position": named("Position") }))), "waiting": list(text()),
            }),
        ),
        "AggregateState": object(
            &["aggregate", "subject", "position", "head"],
            json!({
                "aggregate": text(), "subject": text(), "state": { "description": "JSON, as the aggregate keeps it." },
                "state_base64": { "type": "string", "contentEncoding": "base64" },
                "position": named("Position"), "head": named("Position"),
            }),
        ),
        "Row": object(
            &["key", "position", "lag"],
            json!({ "key": text(), "value": { "description": "JSON." }, "value_base64": { "type": "string", "contentEncoding": "base64" }, "position": named("Position"), "lag": count() }),
        ),
        "Rows": whole(json!({
            "rows": list(object(&["key"], json!({ "key": text(), "value": { "description": "JSON." }, "value_base64": { "type": "string", "contentEncoding": "base64" } }))),
            "more": { "type": "boolean" }, "next": or_null(text()), "position": named("Position"), "lag": count(),
        })),
        "Rebuilding": whole(json!({ "view": text(), "until": named("Position") })),
        "Type": whole(json!({
            "type": text(), "kind": { "enum": ["event", "command"] }, "count": count(),
            "first_position": or_null(named("Position")), "last_position": or_null(named("Position")),
            "emitted_by": list(text()), "read_by": list(text()), "upcast_by": or_null(text()),
            "schema": { "description": "A JSON Schema (2020-12), or null." }, "schema_by": or_null(text()),
        })),
        "Types": whole(json!({ "types": list(named("Type")) })),
        "SchemaRemoved": whole(json!({ "type": text(), "schema": { "const": null } })),
        "Logs": whole(json!({
            "lines": list(whole(json!({ "number": count(), "time": time(), "level": text(), "message": text() }))),
            "lost": count(), "last": count(),
        })),
        "Rewind": whole(json!({ "to": named("Cursor") })),
        "Release": object(&[], json!({ "subject": text() })),
        "Parked": whole(json!({
            "parked": list(whole(json!({
                "position": named("Position"), "id": text(), "source": text(), "type": text(), "subject": text(),
                "reason": { "type": "string", "description": "One word: trap, fuel, memory, output, undeclared, reject, retry, state, hops, or behind for an event that waits for an earlier one of its subject." },
                "message": text(), "attempts": count(), "since": time(), "released": { "type": "boolean" },
            }))),
            "cursor": named("Cursor"), "more": { "type": "boolean" }, "total": count(),
        })),
        "Alive": whole(json!({ "status": { "const": "alive" } })),
        "Ready": whole(json!({
            "ready": { "type": "boolean" },
            "namespaces": list(whole(json!({
                "name": text(), "writable": { "type": "boolean" }, "head": named("Position"), "lag": count(), "parked": count(),
                "oldest_parked": or_null(time()), "oldest_parked_seconds": or_null(count()), "halted": list(text()),
            }))),
        })),
        "OpenApi": { "type": "object" },
    })
}
