//! Promises of this room about any bytes: see `crate::fuzzing`.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use retold_engine::model::{Digest, NewEvent, Position, Record, RecordBuilder, Timestamp};

use super::timestamps::{parse_timestamp, timestamp_text};
use super::{EventWriter, batch_from_json, event_from_headers, event_from_json, headers_of, json_text};

/// An event in JSON: what is taken is written so that the same event is read of it, alone and in a batch.
pub fn event_json(bytes: &[u8]) {
    let Ok(text) = json_text(bytes) else { return };
    let batch = batch_from_json(&format!("[{text}]"));
    let Ok(event) = event_from_json(text) else {
        // In brackets, what is no event may still be several, or none.
        assert!(batch.is_err() || batch.is_ok_and(|events| events.len() != 1), "it is refused alone and taken in a batch");
        return;
    };
    assert_eq!(batch, Ok(vec![event.clone()]));
    let record = recorded(&event);
    let mut written = Vec::new();
    EventWriter::new(Arc::new(BTreeMap::new())).write(&mut written, &record.event(Position(41)).expect("it is there"));
    assert!(!written.contains(&b'\n'), "an event is one line");
    let written = String::from_utf8(written).expect("JSON is UTF-8");
    let again = event_from_json(&written).unwrap_or_else(|bad| panic!("{bad} in {written}"));
    assert_eq!(again, with_story_of(event, &again), "{written}");
}

/// An event in headers, which are lines before an empty one, and a body.
pub fn event_headers(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut rest = bytes;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (line, after) = (&rest[..end], &rest[rest.len().min(end + 1)..]);
        rest = after;
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(&line[colon + 1..])) {
            headers.append(name, value);
        }
    }
    let Ok(event) = event_from_headers(&headers, rest) else { return };
    let record = recorded(&event);
    let headers = headers_of(&record.event(Position(41)).expect("it is there"));
    let again = event_from_headers(&headers, &event.data).unwrap_or_else(|bad| panic!("{bad} in {headers:?}"));
    assert_eq!(again, with_story_of(event, &again), "{headers:?}");
}

/// A time: what is read is written so that the same is read again.
pub fn time(text: &str) {
    let Ok(time) = parse_timestamp(text) else { return };
    assert_eq!(parse_timestamp(&timestamp_text(time)), Ok(time), "{text}");
}

fn recorded(event: &NewEvent) -> Record {
    let mut builder = RecordBuilder::new(1, Position(41), Timestamp(7));
    builder.add_source(event);
    builder.finish(Digest::ZERO)
}

/// Where a sender says nothing of it, an event begins a story, which has its id.
fn with_story_of(event: NewEvent, again: &NewEvent) -> NewEvent {
    let known = |said: Option<String>, now: &Option<String>| said.filter(|said| !said.is_empty()).or_else(|| now.clone());
    NewEvent {
        causation_id: known(event.causation_id, &again.causation_id),
        correlation_id: known(event.correlation_id, &again.correlation_id),
        ..event
    }
}
