//! In which form events come, told by the headers.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::super::cloudevents::has_event_headers;
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One event, its attributes in headers.
    Binary,
    /// One event as JSON.
    Structured,
    /// Events as a JSON array.
    Batch,
    /// An object or an array: its first character tells which.
    Json,
    /// An event a line.
    Lines,
}

impl Form {
    pub fn of(headers: &HeaderMap) -> Result<Form, Problem> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match content_type {
            "application/cloudevents+json" => return Ok(Form::Structured),
            "application/json" if has_event_headers(headers) => return Ok(Form::Binary),
            _ => {}
        }
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.as_str() {
            "application/cloudevents+json" => Ok(Form::Structured),
            "application/cloudevents-batch+json" => Ok(Form::Batch),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" | "application/json-lines" => {
                Ok(Form::Lines)
            }
            _ if has_event_headers(headers) => Ok(Form::Binary),
            "application/json" => Ok(Form::Json),
            _ => {
                let found =
                    if media_type.is_empty() { "has no Content-Type".to_owned() } else { format!("has the Content-Type {media_type:?}") };
                let detail = format!(
                    "the request {found} and no ce- headers: send one event as application/cloudevents+json, several as application/cloudevents-batch+json, \
                     many as application/x-ndjson (an event a line), or the data alone with the headers ce-specversion, ce-id, ce-source and ce-type"
                );
                Err(Problem::new(&kinds::UNSUPPORTED_MEDIA, detail).with("field", "content-type"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &'static str)], form: Option<Form>) {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        assert_eq!(Form::of(&headers).ok(), form);
    }

    #[test]
    fn the_headers_tell_in_which_form_events_come() {
        check(&[("content-type", "application/cloudevents+json")], Some(Form::Structured));
        check(&[("content-type", "Application/CloudEvents+JSON; charset=utf-8"), ("ce-id", "1")], Some(Form::Structured));
        check(&[("content-type", "application/cloudevents-batch+json")], Some(Form::Batch));
        check(&[("content-type", "application/x-ndjson; charset=utf-8")], Some(Form::Lines));
        check(&[("content-type", "application/json")], Some(Form::Json));
        check(&[("content-type", "application/json"), ("ce-id", "1")], Some(Form::Binary));
        check(&[("content-type", "image/png"), ("ce-specversion", "1.0")], Some(Form::Binary));
        check(&[("ce-type", "t")], Some(Form::Binary));
        // What a web page can send without asking first is never taken.
        check(&[("content-type", "text/plain")], None);
        check(&[("content-type", "application/x-www-form-urlencoded")], None);
        check(&[], None);
    }
}
