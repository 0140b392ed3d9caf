//! From an aggregate's answer to events of the log: what is allowed, in order, with their ids.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{DerivedId, Emitted, EventDraft, FunctionManifest, Kind, NewEvent, OutputKind, Position, Timestamp, derived_id, limits};

/// What an aggregate may not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {index} of the decision: `{field}` {what}")]
pub struct NotAllowed {
    /// One word: `undeclared` or `output`.
    pub reason: &'static str,
    /// Which event of the answer.
    pub index: usize,
    pub field: &'static str,
    pub what: String,
}

/// The events that follow from `command`, which stands at `at` and was decided at `time`. All are of
/// the command's subject.
pub fn decided(
    manifest: &FunctionManifest,
    command: &NewEvent,
    at: Position,
    time: Timestamp,
    drafts: &[EventDraft],
) -> Result<Vec<Emitted>, NotAllowed> {
    let output = |index, field, what| NotAllowed { reason: "output", index, field, what };
    if drafts.len() > limits::OUTPUTS_PER_CALL_MAX {
        let what = format!("is one too many: limit `outputs-per-call` is {}", limits::OUTPUTS_PER_CALL_MAX);
        return Err(output(limits::OUTPUTS_PER_CALL_MAX, "event", what));
    }
    let mut made = Vec::with_capacity(drafts.len());
    let mut ordinals: BTreeMap<&str, u32> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    let mut bytes = 0;
    for (index, draft) in drafts.iter().enumerate() {
        if !manifest.emits.contains(&draft.r#type) {
            let what = format!("is {:?}, which the manifest's `emits` doesn't name", draft.r#type);
            return Err(NotAllowed { reason: "undeclared", index, field: "type", what });
        }
        if !draft.subject.is_empty() && draft.subject != command.subject {
            let what = format!("is {:?}: an aggregate decides for its own subject only; leave it empty", draft.subject);
            return Err(output(index, "subject", what));
        }
        let ordinal = match draft.key {
            Some(_) => 0,
            None => {
                let next = ordinals.entry(&draft.r#type).or_default();
                *next += 1;
                *next - 1
            }
        };
        let id = derived_id(&DerivedId {
            cause_source: &command.source,
            cause_id: &command.id,
            function: &manifest.name,
            kind: OutputKind::Event,
            r#type: &draft.r#type,
            subject: &command.subject,
            key: draft.key.as_deref(),
            ordinal,
        });
        if !ids.insert(id.clone()) {
            return Err(output(index, "key", format!("is {:?} again: give each its own", draft.key.as_deref().unwrap_or_default())));
        }
        let event = Emitted {
            kind: Kind::Event,
            id,
            r#type: draft.r#type.clone(),
            subject: command.subject.clone(),
            tags: draft.tags.clone(),
            extensions: Vec::new(),
            content_type: draft.content_type.clone().map_or(Cow::Borrowed("application/json"), Cow::Owned),
            data: draft.data.clone(),
            time: command.time.unwrap_or(time),
            hops: 1,
            cause: at,
            causation_id: command.id.clone(),
            correlation_id: command.correlation_id.as_deref().filter(|id| !id.is_empty()).unwrap_or(&command.id).to_owned(),
        };
        event.check().map_err(|(field, what)| output(index, field, what))?;
        bytes += event.bytes();
        if bytes > limits::OUTPUT_BYTES_PER_CALL_MAX {
            return Err(output(
                index,
                "data",
                format!("is too much: limit `output-bytes-per-call` is {}", limits::OUTPUT_BYTES_PER_CALL_MAX),
            ));
        }
        made.push(event);
    }
    Ok(made)
}
