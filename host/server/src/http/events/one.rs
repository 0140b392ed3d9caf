//! `GET …/events/{position}`: one event.

use http::StatusCode;
use retold_engine::model::Position;
use retold_engine::store::{Snapshot, StoreError};

use super::super::body::{Body, answer};
use super::super::call::{Answer, Call};
use super::super::cloudevents::EventWriter;
use super::super::cursor::{Place, parse_cursor};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use crate::drive::Namespace;

pub async fn one(call: Box<Call>) -> Answer {
    call.query()?;
    let namespace = call.namespace()?;
    let position = position(&call, &namespace)?;
    let reader = namespace.reader();
    let snapshot = reader.snapshot()?;
    let mut out = Vec::new();
    match write_one(&snapshot, &mut EventWriter::new(reader.modules()), position, &mut out)? {
        Some(_) => Ok(answer(StatusCode::OK, "application/cloudevents+json", Body::full(out))),
        None => Err(unknown(position, snapshot.head())),
    }
}

/// The position that the path names.
pub fn position(call: &Call, namespace: &Namespace) -> Result<Position, Problem> {
    let cursor = parse_cursor(call.parameter("position")).map_err(|what| Problem::parameter("position", what))?;
    match cursor.place("position", namespace)? {
        Place::Here(position) => Ok(position),
        // Another event may stand there now.
        Place::Earlier { generation, position, .. } => {
            let old = format!("{}@{generation}", namespace.name());
            let what = format!("is of generation {generation}: read {position} in the namespace {old}, as long as that is kept");
            Err(Problem::parameter("position", what).with("generation", namespace.generation()))
        }
    }
}

pub fn unknown(position: Position, head: Position) -> Problem {
    let detail = format!("there is no event at position {position}: the log has the positions 1 to {head}");
    Problem::new(&kinds::UNKNOWN_EVENT, detail).with("position", position.to_string()).with("head", head.to_string())
}

/// What was written of an event's origin.
pub struct Written {
    pub cause: Option<Position>,
}

/// Writes the event at `position`, if there is one.
pub fn write_one(
    snapshot: &Snapshot,
    writer: &mut EventWriter,
    position: Position,
    out: &mut Vec<u8>,
) -> Result<Option<Written>, StoreError> {
    let record = snapshot.record(position)?;
    Ok(record.as_ref().and_then(|record| record.event(position)).map(|event| {
        writer.write(out, &event);
        Written { cause: event.cause }
    }))
}
