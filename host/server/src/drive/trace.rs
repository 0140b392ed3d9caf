//! Which trace something belongs to: derived entries don't repeat it, their causes tell it.

use http::{HeaderMap, HeaderValue};
use retold_engine::model::{Position, limits};
use retold_engine::store::{Snapshot, StoreError};

use super::spans::Trail;
use crate::cloudevents::{TRACE_PARENT, is_trace_parent};

/// The `traceparent` of the entry at `position`, or of the nearest of its causes that has one.
pub fn trace_of(snapshot: &Snapshot, position: Position) -> Result<Option<String>, StoreError> {
    Ok(named_at(snapshot, position)?.map(|(trace, _)| trace))
}

/// The same, with the span that made the entry.
pub fn trail_of(snapshot: &Snapshot, position: Position) -> Result<Option<Trail>, StoreError> {
    let Some((trace, way)) = named_at(snapshot, position)? else { return Ok(None) };
    let follow = |trail: Trail, (source, cause): (String, Position)| trail.caused(&source, cause);
    Ok(Trail::named(&trace).map(|named| way.into_iter().rev().fold(named, follow)))
}

/// From an entry back to the one that names the trace: of each on the way, its source and its cause.
type Way = Vec<(String, Position)>;

fn named_at(snapshot: &Snapshot, mut position: Position) -> Result<Option<(String, Way)>, StoreError> {
    let mut way = Way::new();
    // So many hops a chain of causes has; one that timers draw out is looked at no further.
    for _ in 0..=limits::HOPS_MAX {
        let Some(event) = snapshot.event(position)? else { return Ok(None) };
        if let Some((_, trace)) = event.extensions.iter().find(|(name, trace)| name == TRACE_PARENT && is_trace_parent(trace)) {
            return Ok(Some((trace.clone(), way)));
        }
        let Some(cause) = event.cause.filter(|cause| *cause < position) else { return Ok(None) };
        way.push((event.source, cause));
        position = cause;
    }
    Ok(None)
}

/// Sends a trace along, unless a function has said another.
pub fn set_trace(headers: &mut HeaderMap, trace: Option<String>) {
    if let Some(value) = trace.and_then(|trace| HeaderValue::try_from(trace).ok())
        && !headers.contains_key(TRACE_PARENT)
    {
        headers.insert(TRACE_PARENT, value);
    }
}
