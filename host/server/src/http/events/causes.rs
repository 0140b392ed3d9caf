//! `GET …/events/{position}/causes`: what led to an event, and what it led to.
//!
//! Upwards each event names its cause. Downwards nothing is indexed, but a cause always stands before
//! its effects: one pass over what came after finds them all, as far as it goes. The answer says how far
//! that was.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use http::StatusCode;
use retold_engine::model::Position;
use retold_engine::store::{Filter, Reader, StoreError};

use super::super::body::{Body, answer};
use super::super::call::{Answer, Call};
use super::super::cloudevents::EventWriter;
use super::super::json::write_number;
use super::super::parameters::{SEARCH_EVENTS_DEFAULT, SEARCH_EVENTS_MAX};
use super::one::{Written, position, unknown, write_one};

/// Effects that are answered at most, and their bytes.
const EFFECTS_MAX: usize = 10_000;
const EFFECTS_BYTES: usize = 8 << 20;

pub async fn causes(call: Box<Call>) -> Answer {
    let namespace = call.namespace()?;
    let position = position(&call, &namespace)?;
    let limit = call.query()?.number("limit", SEARCH_EVENTS_MAX)?.unwrap_or(SEARCH_EVENTS_DEFAULT);
    let reader = namespace.reader().clone();
    let tree = tokio::task::spawn_blocking(move || tree(&reader, position, limit))
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
    match tree {
        Ok(json) => Ok(answer(StatusCode::OK, "application/json", Body::full(json))),
        Err(head) => Err(unknown(position, head)),
    }
}

/// The answer's JSON, or the head if there is no such event.
fn tree(reader: &Reader, position: Position, limit: u64) -> Result<Result<Vec<u8>, Position>, StoreError> {
    let snapshot = reader.snapshot()?;
    let mut writer = EventWriter::new(reader.modules());
    let mut out = b"{\"event\":".to_vec();
    let Some(Written { mut cause }) = write_one(&snapshot, &mut writer, position, &mut out)? else {
        return Ok(Err(snapshot.head()));
    };
    out.extend_from_slice(b",\"causes\":[");
    let mut lowest = position;
    // A cause stands before its effect: this ends.
    while let Some(at) = cause.filter(|at| *at < lowest) {
        if lowest != position {
            out.push(b',');
        }
        cause = write_one(&snapshot, &mut writer, at, &mut out)?.and_then(|written| written.cause);
        lowest = at;
    }
    out.extend_from_slice(b"],\"effects\":[");
    let mut found = BTreeSet::from([position]);
    let begin = out.len();
    let upto = Position(position.0.saturating_add(limit));
    let searched = snapshot.scan(position, upto, &Filter::default(), &mut |event| {
        if event.cause.is_some_and(|cause| found.contains(&cause)) {
            if found.len() > 1 {
                out.push(b',');
            }
            writer.write(&mut out, &event);
            found.insert(event.position);
        }
        if found.len() > EFFECTS_MAX || out.len() - begin > EFFECTS_BYTES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    out.extend_from_slice(b"],\"searched_to\":\"");
    write_number(&mut out, searched.0);
    out.extend_from_slice(b"\",\"head\":\"");
    write_number(&mut out, snapshot.head().0);
    out.extend_from_slice(b"\"}");
    Ok(Ok(out))
}
