//! `/openapi.json`: the table of routes as OpenAPI 3.1.

use std::sync::OnceLock;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::body::{Body, answer};
use super::call::{Answer, Call};
use super::parameters::{Form, Parameter};
use super::problem_kinds::{self as kinds, Kind};
use super::route::{Gives, Needs, Route, Takes};
use super::routes::routes;
use super::schemas::schemas;
use crate::drive::Scope;

/// What any request may meet.
const ALWAYS: &[&Kind] = &[
    &kinds::MALFORMED_REQUEST,
    &kinds::INVALID_PARAMETER,
    &kinds::INTERNAL,
    &kinds::STORAGE_UNREADABLE,
    &kinds::BUSY,
    &kinds::STORAGE_FAILED,
    &kinds::STOPPING,
    &kinds::STORAGE_FULL,
    &kinds::RATE_REACHED,
];

/// What a request may meet whose route takes a token.
const WITH_TOKENS: &[&Kind] = &[&kinds::UNAUTHENTICATED, &kinds::TOKEN_EXPIRED, &kinds::FORBIDDEN, &kinds::TOO_MANY_FAILURES];

pub async fn openapi(_: Box<Call>) -> Answer {
    static WRITTEN: OnceLock<Bytes> = OnceLock::new();
    let bytes = WRITTEN.get_or_init(|| document().to_string().into());
    Ok(answer(StatusCode::OK, "application/json", Body::full(bytes.clone())))
}

fn document() -> Value {
    let mut paths = Map::new();
    for route in routes() {
        let path = paths.entry(route.path.replace("+}", "}")).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Retold",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "An event log that runs WebAssembly functions over its events, exactly once.",
            "description": "A 2xx comes after the disk has it. Appending is idempotent by (source, id): any request may be repeated. \
                            Positions are decimal strings; cursors are opaque, and a position may stand where a cursor is taken. \
                            Every error is application/problem+json with a stable type. As soon as a host has one access token, \
                            each operation needs one that allows it; until then anybody may do everything.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "An access token of the host: `retold token create` makes one." },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|part| path_parameter(part.trim_end_matches('+')))
        .collect();
    parameters.extend(route.query.iter().map(query_parameter));
    if matches!(route.gives, [(_, Gives::Events)]) {
        parameters.push(json!({ "name": "Last-Event-ID", "in": "header", "required": false, "schema": schema("Cursor"), "description": "Of a stream that is taken up again; instead of `after`." }));
    }
    let (security, description) = needs(route.needs);
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "description": description,
        "security": security,
        "parameters": parameters,
        "responses": responses(route),
    });
    if let Some(body) = request_body(route.takes) {
        operation["requestBody"] = body;
    }
    operation
}

/// What an operation needs, for a program and in words. Names beside a scheme are what its bearer must be allowed.
fn needs(needs: Needs) -> (Value, String) {
    let token = |scopes: &[Scope]| json!([{ "token": scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>() }]);
    match needs {
        Needs::Nothing => (json!([]), "Anybody may ask.".into()),
        Needs::Optional => (json!([{}, { "token": [] }]), "Anybody may ask; a token's holder is told of its namespaces.".into()),
        Needs::AnyToken => (token(&[]), "Answers to any token, with what it reaches.".into()),
        Needs::Reach => (token(&[]), "Answers to any token for the namespace.".into()),
        Needs::InPath(scope) => (token(&[scope]), format!("Needs a token that allows `{}` in the namespace.", scope.name())),
        Needs::OperateAndDeploy => (
            token(&[Scope::Operate, Scope::Deploy]),
            format!("Needs a token that allows `{}` and `{}` in the namespace.", Scope::Operate.name(), Scope::Deploy.name()),
        ),
        Needs::InBody(scope) => (
            token(&[scope]),
            format!(
                "Needs a token that allows `{}` in every namespace that the body names, and `{}` too where it brings modules.",
                scope.name(),
                Scope::Deploy.name()
            ),
        ),
        Needs::Everywhere(scope) => (token(&[scope]), format!("Needs a token that allows `{}` in all namespaces.", scope.name())),
    }
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn path_parameter(name: &str) -> Value {
    let (about, shape) = match name {
        "ns" => (
            "The namespace; every host has `main`. Earlier generations are `main@1`, `main@2` …",
            json!({ "type": "string", "pattern": NAMESPACE }),
        ),
        "other" => ("The namespace that is held against it.", json!({ "type": "string", "pattern": NAMESPACE })),
        "digest" => ("The module's SHA-256, in hexadecimal.", json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })),
        "id" => ("The id, of a replay or a token.", json!({ "type": "string" })),
        "position" => ("The event's position.", schema("Cursor")),
        "type" => ("The type of event or command.", json!({ "type": "string" })),
        "subject" => ("The subject; its slashes stand as they are, other characters escaped as in any path.", json!({ "type": "string" })),
        "key" => ("The row's key; its slashes stand as they are, other characters escaped as in any path.", json!({ "type": "string" })),
        _ => ("The name.", json!({ "type": "string", "pattern": NAME })),
    };
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": shape })
}

/// What `Query::duration` takes up to `WAIT_SECONDS_MAX`.
const UP_TO_FIVE_MINUTES: &str = "^(([0-9]{1,2}|[12][0-9]{2}|300)s?|([0-9]{1,5}|[12][0-9]{5}|300000)ms|[0-5]m)$";
const NAMESPACE: &str = "^[a-z][a-z0-9_-]{0,63}(@[0-9]+)?$";
/// How a name is written.
pub const NAME: &str = "^[a-z][a-z0-9_-]{0,63}$";

fn query_parameter(parameter: &Parameter) -> Value {
    let (shape, list) = match parameter.form {
        Form::Cursor => (schema("Cursor"), false),
        Form::List => {
            (json!({ "type": "array", "items": { "type": "string" }, "maxItems": retold_engine::model::limits::FILTER_TERMS_MAX }), true)
        }
        Form::Number { max, default } => (json!({ "type": "integer", "minimum": 1, "maximum": max, "default": default }), false),
        Form::Count { max } => (json!({ "type": "integer", "minimum": 1, "maximum": max }), false),
        Form::Duration { default } => (json!({ "type": "string", "pattern": UP_TO_FIVE_MINUTES, "default": default }), false),
        Form::Text => (json!({ "type": "string" }), false),
        Form::Choice { of, default } => (json!({ "type": "string", "enum": of, "default": default }), false),
    };
    let mut value = json!({ "name": parameter.name, "in": "query", "required": false, "description": parameter.about, "schema": shape });
    if list {
        value["style"] = "form".into();
        value["explode"] = false.into();
    }
    value
}

fn request_body(takes: Takes) -> Option<Value> {
    let (required, content) = match takes {
        Takes::Nothing => return None,
        Takes::Events => (
            true,
            json!({
                "application/cloudevents+json": { "schema": schema("NewEvent") },
                "application/cloudevents-batch+json": { "schema": { "type": "array", "items": schema("NewEvent") } },
                "application/x-ndjson": { "schema": { "type": "string", "description": "A NewEvent a line, as many as there are. Committed in portions: lines before the first bad one stand, none after it." } },
                "*/*": { "schema": { "description": "The data alone, with its attributes in ce- headers: CloudEvents binary mode." } },
            }),
        ),
        Takes::Command => (
            false,
            json!({
                "application/cloudevents+json": { "schema": schema("NewEvent") },
                "*/*": { "schema": { "description": "The data alone; its attributes are in the query, or in ce- headers: CloudEvents binary mode." } },
            }),
        ),
        Takes::Question => (false, json!({ "*/*": { "schema": { "description": "What the view's query takes." } } })),
        Takes::Foreign => {
            (false, json!({ "*/*": { "schema": { "description": "Whatever the sender sends; the function reads it as it came." } } }))
        }
        Takes::Schema => (true, json!({ "application/schema+json": { "schema": { "description": "A JSON Schema, 2020-12." } } })),
        Takes::Wasm => (true, json!({ "application/wasm": { "schema": { "type": "string", "format": "binary" } } })),
        Takes::Backup => (
            true,
            json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary", "description": "Backups one after the other, then the modules." } } }),
        ),
        Takes::Json(name) => (true, json!({ "application/json": { "schema": schema(name) } })),
        Takes::OptionalJson(name) => (false, json!({ "application/json": { "schema": schema(name) } })),
    };
    Some(json!({ "required": required, "content": content }))
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for (status, gives) in route.gives {
        let content = match gives {
            Gives::Json(name) => json!({ "application/json": { "schema": schema(name) } }),
            Gives::Either(one, other) => json!({ "application/json": { "schema": { "oneOf": [schema(one), schema(other)] } } }),
            Gives::Payload => {
                json!({ "*/*": { "schema": { "description": "What the view answers; the headers Retold-Position and Retold-Lag tell how far it was." } } })
            }
            Gives::Foreign => json!({
                "application/json": { "schema": schema("Appended") },
                "*/*": { "schema": { "description": "What the function answers instead, with any status from 200 on." } },
            }),
            Gives::LogLines => json!({
                "application/json": { "schema": schema("Logs") },
                "text/event-stream": { "schema": { "type": "string", "description": "Messages with a line as data and its number as id." } },
            }),
            Gives::Backup => {
                json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary", "description": "Frames: where it begins, records, where it ends." } } })
            }
            Gives::Wasm => json!({ "application/wasm": { "schema": { "type": "string", "format": "binary" } } }),
            Gives::Text => json!({ "text/plain": { "schema": { "type": "string" } } }),
            Gives::Event => json!({ "application/cloudevents+json": { "schema": schema("Event") } }),
            Gives::Events => json!({
                "application/json": { "schema": schema("Events") },
                "application/cloudevents-batch+json": { "schema": { "type": "array", "items": schema("Event") } },
                "application/x-ndjson": { "schema": { "type": "string", "description": "An Event a line, up to the head that was there at the beginning." } },
                "text/event-stream": { "schema": { "type": "string", "description": "Messages with an Event as data and a cursor as id; and `event: head` messages without id, whose data tells head and cursor." } },
            }),
        };
        let about = StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
        responses.insert(status.to_string(), json!({ "description": about, "content": content }));
    }
    let with_tokens = if route.needs == Needs::Nothing { &[] } else { WITH_TOKENS };
    for kind in route.problems.iter().chain(ALWAYS).chain(with_tokens) {
        let response = responses.entry(kind.status.to_string()).or_insert_with(|| json!({ "description": "", "content": {} }));
        let types = response["description"].as_str().unwrap_or_default();
        let separator = if types.is_empty() { "" } else { "; " };
        response["description"] = format!("{types}{separator}{} (`urn:retold:problem:{}`)", kind.title, kind.name).into();
        response["content"]["application/problem+json"] = json!({ "schema": schema("Problem") });
    }
    Value::Object(responses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| match value.as_str().filter(|_| name == "$ref") {
                Some(reference) => found.push(reference.to_owned()),
                None => references(value, found),
            }),
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_described_with_its_parameters_body_and_problems() {
        let document = document();
        for route in routes() {
            let operation = &document["paths"][route.path.replace("+}", "}")][route.method.as_str().to_ascii_lowercase()];
            assert_eq!(operation["operationId"], route.name);
            let named = |name: &str| {
                operation["parameters"].as_array().is_some_and(|parameters| parameters.iter().any(|parameter| parameter["name"] == name))
            };
            assert!(route.query.iter().all(|parameter| named(parameter.name)), "{}", route.path);
            assert!(
                route
                    .path
                    .split('/')
                    .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                    .all(|part| named(part.trim_end_matches('+'))),
                "{}",
                route.path
            );
            let text = operation["responses"]["401"].to_string();
            assert_eq!(text.contains("unauthenticated"), route.needs != Needs::Nothing, "{}", route.path);
            let scopes = operation["security"][0]["token"].as_array().map_or(0, Vec::len);
            let needed = match route.needs {
                Needs::Nothing | Needs::Optional | Needs::AnyToken | Needs::Reach => 0,
                Needs::InPath(_) | Needs::InBody(_) | Needs::Everywhere(_) => 1,
                Needs::OperateAndDeploy => 2,
            };
            assert_eq!(scopes, needed, "{}", route.path);
            assert_eq!(operation["security"] == json!([]), route.needs == Needs::Nothing, "{}", route.path);
            assert_eq!(operation.get("requestBody").is_some(), !matches!(route.takes, Takes::Nothing), "{}", route.path);
            for kind in route.problems {
                let text = operation["responses"][kind.status.to_string()].to_string();
                assert!(text.contains(kind.name) && text.contains("problem+json"), "{} {}", route.path, kind.name);
            }
        }
    }

    #[test]
    fn every_reference_leads_to_a_schema_and_every_schema_is_used() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in &found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
            assert!(found.iter().any(|reference| reference.ends_with(&format!("/{name}"))), "{name}");
        }
    }
}
