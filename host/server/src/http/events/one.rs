//! `GET …/events/{position}`: one event.

use http::StatusCode;
use retold_engine::model::Position;
use retold_engine::store::{Reader, Snapshot, StoreError};

use super::super::body::{Body, answer};
use super::super::call::{Answer, Call};
use super::super::cloudevents::EventWriter;
use super::super::cursor::parse_cursor;
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;

pub async fn one(call: Call) -> Answer {
    let namespace = call.namespace()?;
    let position = position(&call)?;
    let reader = namespace.reader();
    let snapshot = reader.snapshot()?;
    let mut out = Vec::new();
    if !write_one(reader, &snapshot, position, &mut out)? {
        return Err(unknown(position, snapshot.head()));
    }
    Ok(answer(StatusCode::OK, "application/cloudevents+json", Body::full(out)))
}

/// The position that the path names.
pub fn position(call: &Call) -> Result<Position, Problem> {
    parse_cursor(call.parameter("position")).map_err(|what| Problem::parameter("position", what))
}

pub fn unknown(position: Position, head: Position) -> Problem {
    let detail = format!("there is no event at position {position}: the log has the positions 1 to {head}");
    Problem::new(&kinds::UNKNOWN_EVENT, detail).with("position", position.to_string()).with("head", head.to_string())
}

/// Writes the event at `position`; answers whether there is one.
pub fn write_one(reader: &Reader, snapshot: &Snapshot, position: Position, out: &mut Vec<u8>) -> Result<bool, StoreError> {
    let record = snapshot.record(position)?;
    match record.as_ref().and_then(|record| record.event(position)) {
        Some(event) => {
            EventWriter::new(reader.modules()).write(out, &event);
            Ok(true)
        }
        None => Ok(false),
    }
}
