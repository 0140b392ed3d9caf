//! A record cut in two by the place where a fork begins: its first part.

use std::collections::BTreeSet;

use super::error::StoreError;
use crate::model::{Class, Digest, Manifest, Position, Processing, Record, RecordBuilder};

/// The events of `record` up to `at`, as a record of their own with the same number; `None` if there are
/// none.
///
/// What it says of functions is of the whole: a function's cursor may stand on outputs that are cut off.
/// So only what surely lies before the cut is kept: what has an event of its own there. Functions read
/// their events again, and what they have made already is known by its id.
pub fn split(record: &Record, at: Position, chain: Digest) -> Result<Option<Record>, StoreError> {
    let mut builder = RecordBuilder::new(record.commit, record.first, record.recorded);
    let mut own: BTreeSet<(String, String, Position)> = BTreeSet::new();
    for event in record.events().take_while(|event| event.position <= at) {
        builder.add_retold(&event, event.cause, event.producer.map(|producer| producer.module), event.recorded);
        if event.class == Class::Record {
            own.insert((event.r#type.to_owned(), event.subject.to_owned(), event.position));
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
    for entry in record.processing().map_err(StoreError::malformed("the log", record.first))? {
        let stays = match &entry {
            Processing::Deployed { at: position, manifest, .. } => {
                let stays = *position <= at;
                if let (true, Ok(manifest)) = (stays, Manifest::decode(manifest)) {
                    deployed.extend(manifest.functions.into_iter().map(|function| function.name));
                }
                stays
            }
            Processing::Removed { name } => speaks("retold.module.removed", name),
            Processing::SchemaSet { r#type, schema: Some(_) } => speaks("retold.schema.set", r#type),
            Processing::SchemaSet { r#type, schema: None } => speaks("retold.schema.removed", r#type),
            // Said with the deployment.
            Processing::Began { function, .. } | Processing::Sends { function } => deployed.contains(function),
            // What is erased is never brought back.
            Processing::Forgot { .. } => true,
            // At worst its state is made by replay and comes to nothing.
            Processing::Ready { .. } => true,
            Processing::Reaction { .. }
            | Processing::Paused { .. }
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
            builder.add_processing(&entry);
        }
    }
    Ok(Some(builder.finish(chain)))
}
