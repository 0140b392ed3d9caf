//! What one namespace may have.

use serde_json::{Value, json};

use super::{count, list, or_null, taken, text, whole};

pub fn quota_schemas() -> Value {
    let bound = || json!({ "type": ["integer", "null"], "minimum": 1 });
    let mut said = taken(
        &[],
        json!({
            "events": bound(),
            "bytes": bound(),
            "rate": { "type": ["string", "null"], "description": "Requests a second, such as `500/s`." },
        }),
    );
    said["description"] = "What is left out is as the host has it for all namespaces; `null` is no bound.".into();
    let mut in_force = whole(json!({
        "events": or_null(count()),
        "bytes": or_null(count()),
        "rate": or_null(text()),
        "own": list(json!({ "enum": ["events", "bytes", "rate"] })),
    }));
    in_force["description"] =
        "What the namespace may have now; `null` is as much as there is. `own` names what was said of it alone.".into();
    json!({ "Quota": said, "QuotaInForce": in_force })
}
