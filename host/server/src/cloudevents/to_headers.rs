//! Events of the log in the CloudEvents HTTP binding's binary mode: attributes in `ce-` headers, the data as
//! it is.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use retold_engine::model::{Class, EventRef, Kind};

use super::timestamps::timestamp_text;

/// The headers of an event whose data is the body.
pub fn headers_of(event: &EventRef<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: &str, value: &str| {
        // Attributes' names are checked when they come in; a value can be anything.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(format!("ce-{name}")), HeaderValue::try_from(encoded(value))) {
            headers.insert(name, value);
        }
    };
    set("specversion", "1.0");
    set("id", event.id);
    set("source", event.source);
    set("type", event.r#type);
    if !event.subject.is_empty() {
        set("subject", event.subject);
    }
    if event.time_given || event.class == Class::Derived {
        set("time", &timestamp_text(event.time));
    }
    set("position", &event.position.to_string());
    set("recordedtime", &timestamp_text(event.recorded));
    if event.kind != Kind::Event {
        set("entrykind", event.kind.word());
    }
    if let Some(cause) = event.cause {
        set("causeposition", &cause.to_string());
    }
    for (name, value) in [("causationid", event.causation_id), ("correlationid", event.correlation_id)] {
        if !value.is_empty() {
            set(name, value);
        }
    }
    let tags: Vec<&str> = event.tags().collect();
    if !tags.is_empty() {
        set("tags", &tags.join(","));
    }
    for (name, value) in event.extensions() {
        set(name, value);
    }
    if let Ok(content_type) = HeaderValue::try_from(event.content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers
}

/// A header's value as the binding (section 3.1.3.2) has it: what isn't printable ASCII, and space, `"` and
/// `%`, as `%` escapes of its UTF-8 bytes.
fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' | 0..=b' ' | 0x7f.. => text.push_str(&format!("%{byte:02X}")),
            byte => text.push(char::from(byte)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use retold_engine::model::{Digest, NewEvent, Position, RecordBuilder, Timestamp};

    use super::super::event_from_headers;
    use super::*;

    #[test]
    fn an_event_that_was_sent_in_headers_is_read_from_them_as_it_was() {
        let event = NewEvent {
            id: "a b\"%".into(),
            source: "/grün".into(),
            r#type: "order.placed".into(),
            subject: "x\r\nset-cookie: y 世".into(),
            time: Some(Timestamp(1_795_238_316_123_456)),
            tags: vec!["eu".into(), "vip".into()],
            content_type: "text/plain; charset=utf-8".into(),
            data: b"hello".to_vec(),
            extensions: vec![("note".into(), "é\u{1f}".into())],
            ..NewEvent::default()
        };
        let mut builder = RecordBuilder::new(1, Position(41), Timestamp(7));
        builder.add_source(&event);
        let record = builder.finish(Digest::ZERO);
        let headers = headers_of(&record.event(Position(41)).expect("there"));
        assert_eq!(headers["ce-position"], "41");
        assert!(headers.values().all(|value| value.to_str().is_ok()));
        // Control characters never get in by the door; here they are only text.
        let plain = NewEvent { subject: event.subject.replace("\r\n", " "), extensions: Vec::new(), ..event.clone() };
        let mut builder = RecordBuilder::new(1, Position(41), Timestamp(7));
        builder.add_source(&plain);
        let record = builder.finish(Digest::ZERO);
        let again = event_from_headers(&headers_of(&record.event(Position(41)).expect("there")), b"hello").expect("good");
        assert_eq!(again, NewEvent { correlation_id: again.correlation_id.clone(), ..plain });
    }
}
