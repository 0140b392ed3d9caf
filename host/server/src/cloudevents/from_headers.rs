//! Events from the CloudEvents HTTP binding's binary mode: attributes in `ce-` headers, data as the
//! body.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use retold_engine::model::NewEvent;

use super::bad_event::BadEvent;
use super::draft::{Attribute, Draft, Origin};

/// Whether the request is in binary mode.
pub fn has_event_headers(headers: &HeaderMap) -> bool {
    headers.contains_key("ce-specversion") || headers.contains_key("ce-type") || headers.contains_key("ce-id")
}

/// Reads an event whose data is `body`.
pub fn event_from_headers(headers: &HeaderMap, body: &[u8]) -> Result<NewEvent, BadEvent> {
    let mut draft = Draft::new();
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix("ce-") else { continue };
        let attribute = Attribute::of(name);
        draft.begin(attribute, name)?;
        match attribute {
            Attribute::Data | Attribute::DataBase64 => {
                return Err(BadEvent::field(name, "is the body in this mode: don't send it as a header"));
            }
            Attribute::ContentType => {
                return Err(BadEvent::field(name, "is the header Content-Type in this mode: don't send it as ce-datacontenttype"));
            }
            _ => draft.set(attribute, name, decoded(name, value.as_bytes())?)?,
        }
    }
    if let Some(content_type) = headers.get(CONTENT_TYPE) {
        let text = content_type.to_str().map_err(|_| BadEvent::field("datacontenttype", "is not ASCII: mend the header Content-Type"))?;
        draft.set(Attribute::ContentType, "datacontenttype", Cow::Borrowed(text))?;
    }
    draft.set_bytes(body);
    draft.finish(Origin::Caller)
}

/// A header's value as the binding (section 3.1.3.2) has it: quotes taken off, `%` escapes resolved.
fn decoded<'a>(name: &str, value: &'a [u8]) -> Result<Cow<'a, str>, BadEvent> {
    let not_text = |_| BadEvent::field(name, "is not UTF-8: write other characters as % and two hexadecimal digits");
    if !value.iter().any(|byte| matches!(byte, b'%' | b'"')) {
        return std::str::from_utf8(value).map(Cow::Borrowed).map_err(not_text);
    }
    let quoted = value.len() > 1 && value.starts_with(b"\"") && value.ends_with(b"\"");
    let value = if quoted { &value[1..value.len() - 1] } else { value };
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' if quoted => bytes.extend(rest.next()),
            b'%' => {
                let digits = rest.as_slice().get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let value = digits.filter(|digits| !digits.starts_with('+')).and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(value.ok_or_else(|| BadEvent::field(name, "has a % without two hexadecimal digits: write a % itself as %25"))?);
                rest = rest.as_slice()[2..].iter();
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|error| not_text(error.utf8_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[(&str, &str)] = &[("ce-specversion", "1.0"), ("ce-id", "7"), ("ce-source", "/shop"), ("ce-type", "order.placed")];

    fn read(more: &[(&'static str, &'static str)], body: &[u8]) -> Result<NewEvent, BadEvent> {
        let mut headers = HeaderMap::new();
        for (name, value) in GOOD.iter().chain(more) {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        assert!(has_event_headers(&headers));
        event_from_headers(&headers, body)
    }

    #[test]
    fn an_event_is_read_from_headers_and_body() {
        let event = read(
            &[
                ("ce-subject", "Gr%C3%BC%25%C3%9Fe"),
                ("ce-note", "\"a \\\"b\\\"\""),
                ("content-type", "text/plain; charset=utf-8"),
                ("x-other", "1"),
            ],
            b"hello",
        )
        .expect("good");
        assert_eq!((event.id.as_str(), event.subject.as_str(), event.content_type.as_str()), ("7", "Grü%ße", "text/plain; charset=utf-8"));
        assert_eq!(event.extensions, [("note".to_owned(), "a \"b\"".to_owned())]);
        assert_eq!(event.data, b"hello");
    }

    #[test]
    fn a_body_without_a_content_type_is_json() {
        assert_eq!(read(&[], b"{\"a\":1}").map(|event| event.data), Ok(b"{\"a\":1}".to_vec()));
        assert_eq!(read(&[], b"").map(|event| event.data), Ok(Vec::new()));
        assert!(read(&[], b"hello").is_err_and(|bad| bad.field.as_deref() == Some("data")));
    }

    #[test]
    fn each_header_that_is_wrong_is_named() {
        #[track_caller]
        fn check(more: &[(&'static str, &'static str)], field: &str) {
            assert_eq!(read(more, b"").expect_err("bad").field.as_deref(), Some(field));
        }
        check(&[("ce-id", "8")], "id");
        check(&[("ce-subject", "50%")], "subject");
        check(&[("ce-subject", "%+1")], "subject");
        check(&[("ce-subject", "%ff")], "subject");
        check(&[("ce-data", "1")], "data");
        check(&[("ce-datacontenttype", "text/plain")], "datacontenttype");
        check(&[("ce-my-extension", "1")], "my-extension");
        check(&[("ce-time", "now")], "time");
        assert!(event_from_headers(&HeaderMap::new(), b"").is_err_and(|bad| bad.field.as_deref() == Some("specversion")));
    }
}
