//! The shapes of bodies, as OpenAPI tells them. Kept beside the types that write them by a test on the
//! running host: each answer is held against its schema.

mod flow;
mod quota;
mod tokens;

use serde_json::{Value, json};

pub fn schemas() -> Value {
    let mut all = event_schemas();
    for more in [
        admin_schemas(),
        outbox_schemas(),
        upgrade_schemas(),
        consumer_schemas(),
        flow::flow_schemas(),
        quota::quota_schemas(),
        tokens::token_schemas(),
    ] {
        for (name, schema) in more.as_object().into_iter().flatten() {
            all[name.as_str()] = schema.clone();
        }
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

/// A body that is sent: what it doesn't name is refused.
fn taken(required: &[&str], properties: Value) -> Value {
    let mut schema = object(required, properties);
    schema["additionalProperties"] = false.into();
    schema
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

/// Of parked events.
fn reasons() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 1 }, "description": "How many of the oldest 10,000 have each reason." })
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
        ("entrykind", json!({ "enum": ["command", "timer", "request"], "description": "Absent: it is an event." })),
        ("timerkey", text()),
        ("timerdue", time()),
        ("moduleversion", text()),
        ("moduledigest", json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" })),
    ] {
        event["properties"][name] = schema;
    }
    json!({
        "Position": { "type": "string", "pattern": "^[0-9]+$", "description": "1, 2, 3 …: an event's place in its namespace." },
        "Cursor": { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+(\\.[0-9]+\\.[0-9]+)?)?$", "description": "Opaque; a position may stand for it." },
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
        "Namespace": whole(json!({
            "name": text(), "created": time(), "head": named("Position"), "functions": count(), "modules": count(), "generation": count(),
            "role": { "enum": ["own", "fork", "retelling", "old"] }, "base": or_null(text()), "at": or_null(named("Position")),
            "previous": { "type": "array", "items": text(), "description": "Earlier generations that are kept, by name." },
            "quota": named("QuotaInForce"),
            "keep": whole(json!({ "versions": count(), "log_lines": count(), "replays": count(), "parked_days": or_null(count()) })),
        })),
        "Namespaces": whole(json!({ "namespaces": list(named("Namespace")) })),
        "Module": object(&["name", "version", "digest", "deployed_at", "active", "functions"], json!({
            "name": text(), "version": text(), "digest": digest, "deployed_at": named("Position"), "active": { "type": "boolean" }, "functions": list(text()),
            "unchanged": { "type": "boolean", "description": "Only of an upload: these bytes were active already." },
            "replay": named("Replay"),
            "ordinal": { "type": "integer", "description": "Only with history=true, as all below." },
            "ended_at": or_null(named("Position")),
            "rolled_back": { "type": "boolean", "description": "It took over from a later version." },
            "kept": { "type": "boolean", "description": "What it made is kept: going back to it is quick." },
        })),
        "Modules": whole(json!({ "modules": list(named("Module")) })),
        "Removed": whole(json!({ "module": text(), "position": named("Position"), "replay": named("Replay") })),
        "Function": whole(json!({
            "name": text(),
            "kind": { "enum": ["handler", "aggregate", "view", "upcaster", "ingress"] },
            "module": text(), "version": text(), "digest": digest,
            "status": { "enum": ["active", "paused", "halted", "retired"] },
            "halted": or_null(whole(json!({ "position": named("Position"), "reason": text(), "message": text() }))),
            "rebuilding": { "type": "boolean" },
            "cursor": named("Cursor"),
            "lag": count(), "parked": count(),
            "parked_reasons": reasons(), "released": count(),
            "timers": { "type": "integer", "minimum": 0, "description": "Set, and neither fired nor cancelled." },
            "oldest_parked": or_null(time()),
            "requests_waiting": count(), "requests_held": count(), "outputs_held": count(),
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
        "Rewind": taken(&["to"], json!({ "to": named("Cursor") })),
        "Release": taken(&[], json!({
            "subject": text(), "position": named("Cursor"),
            "skip": { "type": "boolean", "description": "They are not tried again: they count as dealt with." },
            "reason": { "type": "string", "maxLength": 1024, "description": "Why they are skipped; the log says it in an event retold.parked.skipped." },
        })),
        "Parked": whole(json!({
            "parked": list(whole(json!({
                "position": named("Position"), "id": text(), "source": text(), "type": text(), "subject": text(),
                "reason": { "type": "string", "description": "One word: trap, fuel, memory, output, undeclared, reject, retry, state, hops, or behind for an event that waits for an earlier one of its subject." },
                "message": text(), "attempts": count(), "since": time(), "released": { "type": "boolean" },
            }))),
            "cursor": named("Cursor"), "more": { "type": "boolean" }, "total": count(),
        })),
        "Timers": whole(json!({
            "timers": list(whole(json!({
                "function": text(), "key": text(), "due": time(), "type": text(), "subject": text(), "position": named("Position"),
            }))),
            "next": { "type": ["string", "null"], "description": "Where the next page begins; null: this was all." },
            "total": count(),
        })),
        "Schedules": whole(json!({
            "schedules": list(whole(json!({
                "function": text(), "key": text(), "cron": text(), "time_zone": text(), "type": text(),
                "missed": { "enum": ["all", "latest", "skip"], "description": "What becomes of occurrences that came while the host was down." },
                "next": or_null(time()),
            }))),
        })),
        "Alive": whole(json!({ "status": { "const": "alive" } })),
        "Ready": whole(json!({
            "ready": { "type": "boolean" },
            "disk": whole(json!({ "free_bytes": or_null(count()), "reserve_bytes": count() })),
            "namespaces": list(whole(json!({
                "name": text(), "writable": { "type": "boolean" }, "head": named("Position"), "lag": count(), "parked": count(),
                "parked_reasons": reasons(), "oldest_parked": or_null(time()), "oldest_parked_seconds": or_null(count()), "halted": list(text()),
                "timers_overdue_seconds": count(),
                "requests_waiting": count(), "requests_held": count(), "hosts_down": list(text()),
            }))),
        })),
        "OpenApi": { "type": "object" },
    })
}

fn outbox_schemas() -> Value {
    json!({
        "OutboxRequest": whole(json!({
            "position": named("Position"), "id": { "type": "string", "description": "Its Idempotency-Key, too." }, "function": text(),
            "key": or_null(text()), "subject": text(), "time": time(), "recordedtime": time(), "method": text(),
            "url": { "type": "string", "description": "With the names of secrets, never with what they are." },
            "host": text(), "bytes": count(), "state": { "enum": ["waiting", "sending", "held"] }, "attempts": count(),
            "not_before": or_null(time()), "error": or_null(text()),
        })),
        "Outbox": whole(json!({
            "requests": list(named("OutboxRequest")), "cursor": named("Cursor"), "more": { "type": "boolean" },
            "waiting": count(), "held": count(), "outputs_held": count(),
            "leave": { "type": "boolean", "description": "False: requests that are made here are held." },
            "off": { "type": ["string", "null"], "description": "Why nothing leaves that could." },
            "hosts": list(whole(json!({
                "host": text(), "sending": count(), "failures": count(), "closed_seconds": or_null(count()), "trouble": or_null(text()),
            }))),
        })),
        "RequestDiscarded": whole(json!({ "position": named("Position"), "discarded": { "const": true } })),
        "Held": whole(json!({
            "outputs": list(whole(json!({
                "id": text(), "kind": { "enum": ["command", "timer", "request"] }, "type": text(), "subject": text(), "cause": named("Position"),
            }))),
            "next": or_null(text()), "more": { "type": "boolean" }, "total": count(),
        })),
        "HeldWhich": taken(&[], json!({ "id": text() })),
        "HeldReleased": whole(json!({ "released": count() })),
        "HeldDiscarded": whole(json!({ "discarded": count() })),
    })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn number() -> Value {
    json!({ "type": "number" })
}

/// Data in a report: at most one of the members is there.
fn with_data(mut properties: Value) -> Value {
    properties["data"] = json!({ "description": "JSON." });
    properties["data_text"] = json!({ "type": "string", "description": "Other text, or the beginning of JSON." });
    properties["data_base64"] = json!({ "type": "string", "contentEncoding": "base64" });
    properties
}

fn either_fork_or_retelling(mut namespace: Value) -> Value {
    namespace["not"] = json!({ "required": ["fork", "retell"] });
    namespace
}

fn upgrade_schemas() -> Value {
    let digest = json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" });
    let status = json!({ "enum": ["running", "stopped", "level", "done", "failed"] });
    let failed = or_null(whole(json!({ "reason": text(), "message": text() })));
    let difference = json!({ "enum": ["new", "missing", "different"] });
    let rule = json!({
        "type": "object", "description": "All that is given must fit.", "minProperties": 1, "additionalProperties": false,
        "properties": {
            "type": { "type": "string", "description": "A type, or a pattern such as order.*" },
            "subject": { "type": "string", "description": "A subject, or a prefix such as cart/*" },
            "tag": text(),
            "before": { "type": "string", "format": "date-time", "description": "Its time is before this one." },
        },
    });
    json!({
        "Rollback": taken(&[], json!({ "to": { "type": "string", "description": "The version; without it, the one that ran before." } })),
        "Promote": taken(&[], json!({ "back": { "type": "boolean", "default": false } })),
        "NewNamespace": either_fork_or_retelling(taken(&["name"], json!({
            "name": { "type": "string", "pattern": super::openapi::NAME },
            "fork": taken(&["base"], json!({ "base": text(), "at": { "$ref": "#/components/schemas/Cursor", "description": "The head, without it." }, "effects": { "type": "boolean", "default": false, "description": "Whether its timers fire and its requests leave." } })),
            "retell": taken(&["base"], json!({
                "base": text(),
                "with": list(taken(&["wasm"], json!({ "name": text(), "wasm": { "type": "string", "contentEncoding": "base64" } }))),
                "without": { "type": "array", "items": text(), "description": "Modules of the base that are left out." },
                "drop": list(named("RetellRule")), "keep": list(named("RetellRule")),
                "forget": { "type": "array", "items": text(), "description": "Subjects that are erased." },
                "budget": { "type": "integer", "minimum": 1, "maximum": 100 },
            })),
        }))),
        "RetellRule": rule,
        "Forked": whole(json!({
            "name": text(), "base": text(), "at": named("Position"), "segments": count(), "bytes_copied": count(), "took_us": count(),
        })),
        "Restored": whole(json!({
            "name": text(), "of": text(), "generation": count(), "at": named("Position"), "commit": count(),
            "rebuilding": list(text()), "without_code": list(text()), "took_us": count(),
        })),
        "Counts": whole(json!({ "equal": count(), "new": count(), "missing": count(), "different": count() })),
        "Shown": object(
            &["position", "type", "subject", "datacontenttype", "cut"],
            with_data(json!({
                "position": or_null(named("Position")), "type": text(), "subject": text(), "datacontenttype": text(),
                "cut": { "type": "boolean", "description": "The data is longer than what is shown." },
            })),
        ),
        "FunctionReplay": whole(json!({
            "function": text(), "kind": { "enum": ["handler", "aggregate", "view", "upcaster", "ingress"] },
            "new": flag(), "retired": flag(), "events": count(),
            "passes_now": { "type": "integer", "minimum": 0, "description": "Events that the record set aside and that this code can handle." },
            "fails_still": count(),
            "outputs": named("Counts"),
            "differences": list(whole(json!({
                "kind": difference, "id": text(), "cause": named("Position"), "recorded": or_null(named("Shown")), "made": or_null(named("Shown")),
            }))),
            "failures": count(),
            "first_failures": list(whole(json!({ "position": named("Position"), "type": text(), "subject": text(), "reason": text(), "message": text() }))),
            "state_rows": count(), "state_bytes": count(),
            "state": or_null(whole(json!({
                "position": named("Position"), "rows": named("Counts"),
                "first": list(whole(json!({
                    "key": text(), "live": or_null(object(&[], with_data(json!({})))), "made": or_null(object(&[], with_data(json!({})))),
                }))),
            }))),
            "fuel_per_event": or_null(number()), "microseconds_per_event": or_null(number()),
            "running_fuel_per_event": or_null(number()), "running_microseconds_per_event": or_null(number()),
            "note": or_null(text()),
            "former": or_null(json!({
                "type": "object", "required": ["version", "after", "upto"],
                "description": "Of a verification: these are the outputs of a version that ran before, of the events after `after` up to `upto`.",
                "properties": { "version": text(), "after": named("Position"), "upto": named("Position") },
            })),
        })),
        "Replay": whole(json!({
            "id": text(), "kind": { "enum": ["rehearsal", "deployment", "rollback", "removal", "retelling", "comparison", "verification"] },
            "status": status, "failed": failed, "started": time(), "ended": or_null(time()),
            "module": or_null(whole(json!({ "name": text(), "version": text(), "digest": digest }))),
            "target": or_null(text()), "position": named("Position"), "head": named("Position"),
            "events": count(), "events_per_second": number(), "seconds_left": or_null(number()),
            "warnings": { "type": "array", "items": text(), "description": "What to know before it takes over: events that are no longer read, and refusals to come." },
            "functions": list(named("FunctionReplay")),
            "retelling": or_null(whole(json!({
                "base": text(), "kept": count(), "dropped": count(), "forgotten": count(), "derived": count(), "parked": count(),
            }))),
        })),
        "Replays": whole(json!({ "replays": list(named("Replay")) })),
        "ReplayDropped": whole(json!({ "replay": text() })),
        "LogDifference": whole(json!({
            "base": text(), "other": text(), "status": status, "failed": failed, "position": named("Position"), "head": named("Position"),
            "source": named("Counts"), "derived": named("Counts"),
            "functions": list(whole(json!({ "function": text(), "outputs": named("Counts") }))),
            "first": list(whole(json!({
                "kind": difference, "derived": flag(), "source": text(), "id": text(), "base": or_null(named("Shown")), "other": or_null(named("Shown")),
            }))),
            "views": list(whole(json!({
                "view": text(), "rows": named("Counts"), "note": or_null(text()),
                "first": list(whole(json!({
                    "key": text(), "base": or_null(object(&[], with_data(json!({})))), "other": or_null(object(&[], with_data(json!({})))),
                }))),
            }))),
        })),
        "Promoted": whole(json!({
            "namespace": text(), "generation": count(), "old": text(), "paused_us": count(), "old_head": named("Position"), "new_head": named("Position"),
            "old_chain": digest, "new_chain": digest, "kept": count(), "dropped": count(), "forgotten": count(),
        })),
        "Dropped": whole(json!({ "namespace": text(), "files": count(), "bytes": count() })),
    })
}

fn consumer_schemas() -> Value {
    let time_text = |about: &str| json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)?$", "description": about });
    let flag = || json!({ "type": "boolean" });
    let positions = || json!({ "type": "array", "items": named("Cursor"), "description": "Without it and `upto`: all of the lease." });
    json!({
        "NewConsumer": taken(&[], json!({
            "types": { "type": "array", "items": text(), "default": ["*"], "description": "Types, or patterns such as `order.*`; `*` is all but the host's own." },
            "subjects": list(text()), "tags": list(text()),
            "start": { "type": "string", "default": "beginning", "description": "Of one that is not there yet: `beginning`, `now`, or a cursor." },
            "attempts": { "type": "integer", "minimum": 1, "default": 5, "description": "An event that was given so often, and not acknowledged, is set aside." },
            "lease": time_text("How long a member has for what it fetched; 30s."),
            "expires": time_text("The consumer goes once nobody has used it for so long."),
            "endpoint": taken(&["url"], json!({
                "url": text(),
                "form": { "enum": ["structured", "binary", "batch"], "default": "structured" },
                "secret": { "type": "string", "description": "Name of the secret that signs, as Standard Webhooks say." },
                "at_once": { "type": "integer", "minimum": 1, "maximum": 64, "default": 4 },
                "timeout": time_text("For one request; 10s."),
                "handshake": { "type": "boolean", "default": true, "description": "Ask the receiver first whether it wants events, with OPTIONS." },
            })),
        })),
        "Consumer": whole(json!({
            "name": text(), "types": list(text()), "subjects": list(text()), "tags": list(text()), "attempts": count(), "lease_ms": count(),
            "expires_ms": or_null(count()), "created": time(), "cursor": named("Cursor"),
            "lag": { "type": "integer", "minimum": 0, "description": "Events that are to be acknowledged yet, what is parked aside." },
            "waiting": count(), "leased": count(), "parked": count(), "oldest_parked": or_null(time()), "acknowledged": count(),
            "members": list(whole(json!({ "name": text(), "leased": count(), "seen_ms_ago": count() }))),
            "endpoint": or_null(whole(json!({
                "url": text(), "form": { "enum": ["structured", "binary", "batch"] }, "secret": or_null(text()), "at_once": count(),
                "timeout_ms": count(), "handshake": flag(), "per_minute": or_null(count()),
                "stopped": or_null(json!({ "type": "string", "description": "Why nothing is sent there any more: setting the consumer again goes on." })),
                "trouble": or_null(text()),
            }))),
        })),
        "Consumers": whole(json!({ "consumers": list(named("Consumer")) })),
        "ConsumerDropped": whole(json!({ "consumer": text() })),
        "Fetch": taken(&[], json!({
            "member": { "type": "string", "maxLength": 64, "default": "member" },
            "limit": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 },
            "wait": time_text("If there is nothing yet, wait so long."),
        })),
        "Fetched": whole(json!({
            "lease": or_null(json!({ "type": "string", "description": "Names what was given to whoever acknowledges it; null if there was nothing." })),
            "events": list(named("Event")),
            "attempts": { "type": "array", "items": count(), "description": "Which attempt this is, for each event." },
        })),
        "Acknowledge": taken(&["lease"], json!({ "lease": text(), "member": text(), "positions": positions(), "upto": named("Cursor") })),
        "Extend": taken(&["lease"], json!({ "lease": text(), "member": text(), "for": time_text("From now on.") })),
        "GiveBack": taken(&["lease"], json!({
            "lease": text(), "member": text(), "positions": positions(), "upto": named("Cursor"), "reason": text(),
            "delay": time_text("Not given again before; without it, longer with each attempt."),
            "park": { "type": "boolean", "description": "Set aside at once." },
        })),
        "Lease": whole(json!({ "lease": text(), "left": { "type": "integer", "minimum": 0, "description": "Events that are still out under it." } })),
        "ConsumerParked": whole(json!({
            "parked": list(whole(json!({
                "position": named("Position"), "id": text(), "source": text(), "type": text(), "subject": text(),
                "standing": { "enum": ["parked", "behind"] }, "reason": text(), "attempts": count(), "since": time(),
            }))),
            "cursor": named("Cursor"), "more": flag(), "total": count(),
        })),
        "ConsumerRelease": taken(&[], json!({
            "subject": text(), "position": named("Cursor"),
            "skip": { "type": "boolean", "description": "They are taken as dealt with." },
        })),
        "Released": whole(json!({ "released": count() })),
    })
}
