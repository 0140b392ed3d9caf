//! From reactions to events: what the manifest allows, in the order of their causes, with their ids.

use std::collections::{BTreeMap, BTreeSet};

use super::handler::Fault;
use crate::model::{DerivedId, Emitted, EventRef, FunctionManifest, NewEvent, Output, OutputKind, Reaction, derived_id, limits};

/// Makes the events of one call. A fault condemns the call, not yet an event.
pub fn emitted(manifest: &FunctionManifest, events: &[EventRef<'_>], mut reactions: Vec<Reaction>) -> Result<Vec<Emitted>, Fault> {
    if reactions.len() > limits::OUTPUTS_PER_CALL_MAX {
        return Err(Fault::output(format!("{} outputs: limit `outputs-per-call` is {}", reactions.len(), limits::OUTPUTS_PER_CALL_MAX)));
    }
    if let Some(outside) = reactions.iter().find(|reaction| reaction.cause as usize >= events.len()) {
        return Err(Fault::output(format!("an output names event {} as its cause in a batch of {}", outside.cause, events.len())));
    }
    // Outputs of one cause keep their order.
    reactions.sort_by_key(|reaction| reaction.cause);
    let mut made: Vec<Emitted> = Vec::with_capacity(reactions.len());
    let mut bytes = 0;
    for same_cause in reactions.chunk_by_mut(|one, other| one.cause == other.cause) {
        let cause = &events[same_cause[0].cause as usize];
        let mut ordinals: BTreeMap<(String, String), u32> = BTreeMap::new();
        let mut ids: BTreeSet<String> = BTreeSet::new();
        for reaction in same_cause {
            let Output::Emit { r#type, subject, tags, content_type, data, key } = std::mem::replace(&mut reaction.output, Output::Command)
            else {
                return Err(Fault::undeclared("an output that is not an event: only events are declared in the manifest".to_owned()));
            };
            if !manifest.emits.contains(&r#type) {
                return Err(Fault::undeclared(format!("an event of type {type:?}, which the manifest's `emits` doesn't name")));
            }
            let ordinal = match &key {
                Some(_) => 0,
                None => {
                    let next = ordinals.entry((r#type.clone(), subject.clone())).or_default();
                    *next += 1;
                    *next - 1
                }
            };
            let id = derived_id(&DerivedId {
                cause_source: cause.source,
                cause_id: cause.id,
                function: &manifest.name,
                kind: OutputKind::Event,
                r#type: &r#type,
                subject: &subject,
                key: key.as_deref(),
                ordinal,
            });
            if !ids.insert(id.clone()) {
                return Err(Fault::output(format!(
                    "two outputs of type {type:?} and subject {subject:?} have the key {:?}: give each its own",
                    key.unwrap_or_default()
                )));
            }
            let event = NewEvent {
                id,
                source: "/".into(),
                r#type,
                subject,
                time: None,
                content_type: content_type.unwrap_or_else(|| "application/json".into()),
                data,
                tags,
                ..NewEvent::default()
            };
            event.check().map_err(|(field, what)| Fault::output(format!("an output's `{field}` {what}")))?;
            bytes += event.bytes();
            if bytes > limits::OUTPUT_BYTES_PER_CALL_MAX {
                return Err(Fault::output(format!("limit `output-bytes-per-call` is {}", limits::OUTPUT_BYTES_PER_CALL_MAX)));
            }
            made.push(Emitted {
                id: event.id,
                r#type: event.r#type,
                subject: event.subject,
                tags: event.tags,
                content_type: event.content_type,
                data: event.data,
                time: cause.time,
                hops: cause.hops.saturating_add(1),
                cause: cause.position,
                causation_id: cause.id.to_owned(),
                correlation_id: cause.correlation().to_owned(),
            });
        }
    }
    Ok(made)
}
