//! The flow of a namespace, as OpenAPI tells it.

use serde_json::{Value, json};

use super::{count, list, named, object, or_null, text, whole};

pub fn flow_schemas() -> Value {
    let links = ["appends", "emits", "sends", "decides", "reads", "folds", "fires", "occurs", "requests", "answers", "upcasts", "receives"];
    json!({
        "Flow": whole(json!({
            "nodes": list(object(&["id", "kind", "name"], json!({
                "id": text(),
                "kind": { "enum": ["function", "event", "command", "host", "source", "others", "schedule", "consumer", "senders"] },
                "name": text(),
                "function_kind": { "enum": ["handler", "aggregate", "view", "upcaster", "ingress"] },
                "module": text(),
                "status": { "enum": ["active", "paused", "halted", "retired"] },
                "function": { "type": "string", "description": "Of a schedule: whose it is." },
                "cron": text(), "time_zone": text(),
                "entries": { "type": "integer", "minimum": 0, "description": "Of a type: how many the log has." },
            }))),
            "edges": list(object(&["from", "to", "link", "declared", "count"], json!({
                "from": text(), "to": text(), "link": { "enum": links },
                "declared": { "type": "boolean", "description": "A manifest or a consumer's settings say so; else it was only seen." },
                "count": { "type": ["integer", "null"], "minimum": 0, "description": "How many entries went this way; null where that isn't counted." },
                "set": { "type": "integer", "minimum": 0, "description": "Of what timers make: how many timers were set." },
            }))),
            "lints": list(whole(json!({
                "lint": { "enum": ["circle", "circle-by-command", "command-in-disguise", "nobody-asked", "nobody-decides", "nobody-makes", "nobody-reads"] },
                "level": { "enum": ["warning", "note"] },
                "nodes": { "type": "array", "items": text(), "description": "Ids; what it is about first." },
                "message": text(), "advice": text(),
            }))),
            "counted_to": or_null(named("Position")), "head": named("Position"),
            "left_out": count(),
        })),
    })
}
