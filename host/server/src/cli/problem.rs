//! What the host answers when it refuses: RFC 9457 `application/problem+json`.

use std::fmt;

use serde_json::{Map, Value, json};

/// A refusal or a failure, as the host told it. Its title is the error's message.
#[derive(Debug)]
pub struct Problem {
    pub status: u16,
    fields: Map<String, Value>,
}

/// What of a stream was sent in earlier requests, and stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    pub lines: u64,
    pub events: u64,
    pub new: u64,
}

/// Printed by `explained` in lines of their own, or not worth a line.
const TOLD: [&str; 4] = ["type", "title", "status", "detail"];

impl Problem {
    /// From the body of an answer that wasn't a success; any body will do.
    pub fn new(status: u16, body: &[u8]) -> Self {
        let fields = match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => fields,
            _ => {
                let text = String::from_utf8_lossy(body).trim().to_owned();
                let mut fields = Map::new();
                fields.insert("title".into(), "The host answered no".into());
                if !text.is_empty() {
                    fields.insert("detail".into(), text.into());
                }
                fields
            }
        };
        Problem { status, fields }
    }

    /// The same problem, of a request that went on with a stream: the host counted from the request's
    /// first line, the reader counts from the stream's.
    pub fn after(mut self, before: Before) -> Problem {
        let Before { lines, events, new } = before;
        self.add("line", lines, |line| format!("line {line}: "));
        self.add("events", events, |events| format!("The {events} events before it stand"));
        self.add("new", new, |new| format!("stand, {new} of them new"));
        self
    }

    /// Adds to a field, and to the words of the detail that tell it.
    fn add(&mut self, field: &str, more: u64, words: impl Fn(u64) -> String) {
        let Some(told) = self.fields.get(field).and_then(Value::as_u64) else { return };
        self.fields.insert(field.into(), json!(told + more));
        if let Some(Value::String(detail)) = self.fields.get_mut("detail") {
            *detail = detail.replacen(&words(told), &words(told + more), 1);
        }
    }

    /// Detail, remedy and the other fields, a line each, indented under the title.
    pub fn explained(&self) -> String {
        let mut lines = String::new();
        if let Some(detail) = self.fields.get("detail").and_then(Value::as_str) {
            lines.push_str(&format!("  {detail}\n"));
        }
        for (name, value) in &self.fields {
            if TOLD.contains(&name.as_str()) || value.is_null() {
                continue;
            }
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            lines.push_str(&format!("  {}: {text}\n", name.replace('_', " ")));
        }
        lines
    }

    /// A member that is text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }

    pub fn as_value(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.entry("status").or_insert(json!(self.status));
        Value::Object(fields)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fields.get("title").and_then(Value::as_str) {
            Some(title) => write!(out, "{title} ({})", self.status),
            None => write!(out, "the host answered {}", self.status),
        }
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_with_its_detail_and_remedy() {
        let body = br#"{"type":"/problems/x","title":"Unknown namespace","status":404,
            "detail":"there is no namespace `shop`","remedy":"create it: retold namespaces create shop"}"#;
        let problem = Problem::new(404, body);
        assert_eq!(problem.to_string(), "Unknown namespace (404)");
        assert_eq!(problem.explained(), "  there is no namespace `shop`\n  remedy: create it: retold namespaces create shop\n");
    }

    #[test]
    fn a_bad_line_is_told_by_its_number_in_the_file_not_in_the_request() {
        let body = br#"{"title":"bad","detail":"line 3: no id. The 2 events before it stand, 1 of them new; send it again","line":3,"events":2,"new":1}"#;
        let problem = Problem::new(400, body).after(Before { lines: 1_000, events: 900, new: 800 });
        let told = problem.explained();
        assert!(told.contains("line 1003: no id. The 902 events before it stand, 801 of them new"), "{told}");
        assert_eq!((&problem.as_value()["line"], &problem.as_value()["events"]), (&json!(1_003), &json!(902)));
    }

    #[test]
    fn an_answer_that_is_not_a_problem_is_shown_as_it_came() {
        let problem = Problem::new(502, b"Bad Gateway\n");
        assert_eq!(problem.to_string(), "The host answered no (502)");
        assert_eq!(problem.explained(), "  Bad Gateway\n");
    }
}
