//! A record cut in two by the place where a fork begins: its first part.

use std::collections::{BTreeMap, BTreeSet};

use super::control::PARKED_SKIPPED;
use super::error::StoreError;
use crate::model::{Class, Digest, Manifest, Position, Processing, Record, RecordBuilder, aggregate_of};

/// The events of `record` up to `at`, as a record of their own with the same number; `None` if there are
/// none.
///
/// What it says of functions is of the whole: a function's cursor may stand on outputs that are cut off.
/// So only what surely lies before the cut is kept: what has an event of its own there. Functions read
/// their events again, and what they have made already is known by its id. A command is not decided again of
/// which anything is kept: its subject has moved on by that.
pub fn split(record: &Record, at: Position, chain: Digest) -> Result<Option<Record>, StoreError> {
    let mut builder = RecordBuilder::new(record.commit, record.first, record.recorded);
    let mut own: BTreeSet<(String, String, Position)> = BTreeSet::new();
    let mut decided: BTreeMap<&str, BTreeSet<Position>> = BTreeMap::new();
    for event in record.events().take_while(|event| event.position <= at) {
        builder.add_retold(&event, event.cause, event.producer.map(|producer| producer.module), event.recorded);
        if event.class == Class::Record {
            own.insert((event.r#type.to_owned(), event.subject.to_owned(), event.position));
        }
        if let (Class::Derived, Some(aggregate), Some(command)) = (event.class, aggregate_of(event.source), event.cause) {
            decided.entry(aggregate).or_default().insert(command);
        }
    }
    if builder.is_empty() {
        return Ok(None);
    }
    // Each event speaks for one entry: the first of its kind and subject.
    let mut speaks = |r#type: &str, subject: &str| {
        let found = own.iter().find(|(found, of, _)| found == r#type && of == subject).cloned();
        found.is_some_and(|found| own.remove(&found))
    };
    let mut deployed = BTreeSet::new();
    let entries = record.processing().map_err(StoreError::malformed("the log", record.first))?;
    let last = last_deciding(&entries, &decided);
    for (index, mut entry) in entries.into_iter().enumerate() {
        let stays = match &entry {
            Processing::Reaction { function, .. } => last.get(function).is_some_and(|last| index <= *last),
            Processing::Deployed { at: position, manifest, .. } => {
                let stays = *position <= at;
                if let (true, Ok(manifest)) = (stays, Manifest::decode(manifest)) {
                    deployed.extend(manifest.functions.into_iter().map(|function| function.name));
                }
                stays
            }
            Processing::Removed { name } => speaks("retold.module.removed", name),
            Processing::Skipped { function, .. } => speaks(PARKED_SKIPPED, function),
            Processing::SchemaSet { r#type, schema: Some(_) } => speaks("retold.schema.set", r#type),
            Processing::SchemaSet { r#type, schema: None } => speaks("retold.schema.removed", r#type),
            // Said with the deployment.
            Processing::Began { function, .. } | Processing::Sends { function } => deployed.contains(function),
            // What is erased is never brought back.
            Processing::Forgot { .. } => true,
            // At worst its state is made by replay and comes to nothing.
            Processing::Ready { .. } => true,
            Processing::Paused { .. }
            | Processing::Resumed { .. }
            | Processing::Rewound { .. }
            | Processing::Released { .. }
            | Processing::Retold { .. }
            // The occurrence that it was said with may be cut off: it is due again, and known if it is there.
            | Processing::Scheduled { .. }
            | Processing::Held { .. }
            | Processing::Unheld { .. } => false,
        };
        if stays {
            if last.values().any(|last| *last == index) {
                up_to_what_is_kept(&mut entry, &decided);
            }
            builder.add_processing(&entry);
        }
    }
    Ok(Some(builder.finish(chain)))
}

/// Of each aggregate, the place of the last entry that something is kept of: what comes before it is kept whole.
fn last_deciding(entries: &[Processing], decided: &BTreeMap<&str, BTreeSet<Position>>) -> BTreeMap<String, usize> {
    let mut last = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let Processing::Reaction { function, from, to, unparked, .. } = entry else { continue };
        let Some(commands) = decided.get(function.as_str()) else { continue };
        if commands.iter().any(|command| from < command && command <= to || unparked.contains(command)) {
            last.insert(function.clone(), index);
        }
    }
    last
}

/// An aggregate has come to the last command of which an event is kept.
fn up_to_what_is_kept(entry: &mut Processing, decided: &BTreeMap<&str, BTreeSet<Position>>) {
    let Processing::Reaction { function, from, to, parked, unparked, halted, .. } = entry else { return };
    let Some(commands) = decided.get(function.as_str()) else { return };
    *to = commands.range(..=*to).next_back().copied().filter(|reached| reached > from).unwrap_or(*from);
    parked.retain(|parked| *from < parked.position && parked.position <= *to);
    unparked.retain(|command| commands.contains(command));
    *halted = None;
}
