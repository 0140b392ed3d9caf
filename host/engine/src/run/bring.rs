//! Bringing what one log accepted into another that it parted from: source events are copied as they are,
//! and whoever reads them there handles them as if they had just come.

use std::collections::BTreeMap;

use crate::model::{Commit, EventRef, Kind, Position, RecordBuilder, StatePart, answered, function_source, is_same_request, limits};
use crate::store::{NextRecord, Portion, Reader, Snapshot, StoreError};

/// Read of the other log at a time: the largest decision fits.
const PORTION: Portion = Portion { events: 2 * limits::OUTPUTS_PER_CALL_MAX, bytes: 2 * limits::OUTPUT_BYTES_PER_CALL_MAX };

/// What was brought in one step.
pub struct BroughtIn {
    /// To be taken in with [`Store::follow`](crate::store::Store::follow).
    pub commits: Vec<Commit>,
    /// Everything of the other log up to here is in this one.
    pub to: Position,
    pub events: u64,
}

/// Copies the source entries of `from` after `after` that `target` has not. `target` must stand still until
/// the commits are in it.
pub fn bring_in(from: &Snapshot, after: Position, target: &Reader) -> Result<BroughtIn, StoreError> {
    let here = target.snapshot()?;
    let mut next = target.next_record();
    let (batch, seen) = from.collect_sources(after, from.head(), PORTION)?;
    let mut brought = BroughtIn { commits: Vec::new(), to: seen, events: 0 };
    let mut builder: Option<RecordBuilder> = None;
    // Where commands are that events name as their cause.
    let mut places: BTreeMap<Position, Position> = BTreeMap::new();
    for event in batch.events() {
        let follows = event.kind == Kind::Event && event.cause.is_some_and(|cause| places.contains_key(&cause));
        // A command and what was decided on it are in one record.
        if !follows && let Some(full) = builder.take_if(|builder| builder.bytes() >= limits::RETOLD_BYTES_PER_RECORD) {
            close(full, &mut next, &mut brought.commits);
        }
        if here.find(event.source, event.id)?.is_some() || here.is_forgotten(event.source, event.id)? {
            continue;
        }
        let request = match answered(&event) {
            None => None,
            Some(function) => match request_here(from, &here, function, &event)? {
                Some(request) => Some(request),
                // Its request is not made here, or not yet: then it is sent again under the same key.
                None => continue,
            },
        };
        let record = builder.get_or_insert_with(|| next.builder(event.recorded));
        let cause = event.cause.and_then(|cause| places.get(&cause).copied()).or(request);
        let recorded = event.recorded.max(record.recorded());
        let position = record.add_retold(&event, cause, producer(&event, from, &here), recorded);
        if event.kind == Kind::Command {
            places.insert(event.position, position);
        }
        brought.events += 1;
    }
    if let Some(last) = builder {
        close(last, &mut next, &mut brought.commits);
    }
    Ok(brought)
}

/// Where the request that an event answers is in this log, if it was made here byte for byte.
fn request_here(from: &Snapshot, here: &Snapshot, function: &str, answer: &EventRef<'_>) -> Result<Option<Position>, StoreError> {
    let (Some(there), Some(position)) = (answer.cause, here.find(&function_source(function), answer.id)?) else { return Ok(None) };
    let (old, new) = (from.record(there)?, here.record(position)?);
    let (old, new) = (old.as_ref().and_then(|record| record.event(there)), new.as_ref().and_then(|record| record.event(position)));
    Ok(new.zip(old).is_some_and(|(new, old)| is_same_request(&new, &old)).then_some(position))
}

fn close(builder: RecordBuilder, next: &mut NextRecord, commits: &mut Vec<Commit>) {
    let record = builder.finish(next.chain);
    *next = NextRecord::after(&record);
    commits.push(Commit { record, state: StatePart::default() });
}

/// The module version that decided an event, as this log counts it, if it knows it.
fn producer(event: &EventRef<'_>, from: &Snapshot, here: &Snapshot) -> Option<u32> {
    let digest = from.module(event.producer?.module)?.digest;
    here.modules().find(|module| module.digest == digest).map(|module| module.ordinal)
}
