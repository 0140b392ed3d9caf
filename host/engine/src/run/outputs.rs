//! From reactions to events: what the manifest allows, in the order of their causes, with their ids.

use std::collections::{BTreeMap, BTreeSet};

use super::handler::Fault;
use crate::model::{
    DerivedId, Emitted, EventDraft, EventRef, FunctionManifest, NewEvent, Output, OutputKind, Reaction, derived_id, limits,
};

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
    // Ordinals count over all that one stored event became.
    let position = |reaction: &Reaction| events[reaction.cause as usize].position;
    for same_cause in reactions.chunk_by_mut(|one, other| position(one) == position(other)) {
        let cause = &events[same_cause[0].cause as usize];
        let mut ordinals: BTreeMap<(String, String), u32> = BTreeMap::new();
        let mut ids: BTreeSet<String> = BTreeSet::new();
        // One output has nothing beside it that it could be taken for.
        let alone = same_cause.len() == 1;
        for reaction in same_cause {
            let Output::Emit(EventDraft { r#type, subject, tags, content_type, data, key }) =
                std::mem::replace(&mut reaction.output, Output::Command)
            else {
                return Err(Fault::undeclared("an output that is not an event: only events are declared in the manifest".to_owned()));
            };
            if !manifest.emits.contains(&r#type) {
                return Err(Fault::undeclared(format!("an event of type {type:?}, which the manifest's `emits` doesn't name")));
            }
            let ordinal = match &key {
                Some(_) => 0,
                None if alone => 0,
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
            if !alone && !ids.insert(id.clone()) {
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

#[cfg(test)]
mod tests {
    use super::super::testing::{World, emit, event, function};
    use super::*;
    use crate::model::Position;

    /// Two events of one subject, and what the manifest lets a function make of them.
    fn with_events(run: impl FnOnce(&FunctionManifest, &[EventRef<'_>])) {
        let manifest = function("pricing", &["a"], &["priced", "billed"]);
        let mut world = World::new(std::slice::from_ref(&manifest));
        world.append(vec![event("1", "a", "x"), event("2", "a", "x")]);
        let batch = world.snapshot().pick(&[Position(2), Position(3)]).expect("the log can be read");
        run(&manifest, &batch.events());
    }

    fn reaction(cause: u32, r#type: &str, subject: &str, key: Option<&str>) -> Reaction {
        Reaction { cause, output: emit(r#type, subject, key) }
    }

    #[track_caller]
    fn check_refused(reactions: Vec<Reaction>, reason: &str, part: &str) {
        with_events(|manifest, events| {
            let fault = emitted(manifest, events, reactions).expect_err("it must be refused");
            assert_eq!(fault.reason, reason);
            assert!(fault.message.contains(part), "{}", fault.message);
        });
    }

    #[test]
    fn an_output_added_beside_others_does_not_shift_their_ids() {
        with_events(|manifest, events| {
            let ids =
                |reactions| emitted(manifest, events, reactions).expect("declared").into_iter().map(|event| event.id).collect::<Vec<_>>();
            let before =
                ids(vec![reaction(0, "priced", "x", None), reaction(0, "priced", "x", None), reaction(0, "billed", "x", Some("k"))]);
            let after = ids(vec![
                reaction(0, "billed", "x", None),
                reaction(0, "priced", "y", None),
                reaction(0, "priced", "x", None),
                reaction(0, "priced", "x", Some("new")),
                reaction(0, "priced", "x", None),
                reaction(0, "billed", "x", Some("k")),
            ]);
            assert_eq!(before, [after[2].clone(), after[4].clone(), after[5].clone()]);
            assert_eq!(after.iter().collect::<BTreeSet<_>>().len(), after.len());
        });
    }

    #[test]
    fn outputs_come_in_the_order_of_their_causes_and_carry_what_comes_from_them() {
        with_events(|manifest, events| {
            let made = emitted(
                manifest,
                events,
                vec![reaction(1, "priced", "x", None), reaction(0, "billed", "y", None), reaction(0, "priced", "z", None)],
            )
            .expect("declared");
            let places: Vec<_> = made.iter().map(|event| (event.cause.0, event.r#type.as_str(), event.subject.as_str())).collect();
            assert_eq!(places, [(2, "billed", "y"), (2, "priced", "z"), (3, "priced", "x")]);
            let first = &made[0];
            assert_eq!((first.time, first.hops, first.causation_id.as_str(), first.correlation_id.as_str()), (events[0].time, 1, "1", "1"));
            assert_eq!(first.content_type, "application/json");
        });
    }

    #[test]
    fn what_the_manifest_does_not_declare_is_refused_by_name() {
        check_refused(vec![reaction(0, "paid", "x", None)], "undeclared", "\"paid\"");
        check_refused(vec![Reaction { cause: 0, output: Output::Command }], "undeclared", "not an event");
    }

    #[test]
    fn an_output_that_breaks_the_contract_condemns_the_call() {
        check_refused(vec![reaction(2, "priced", "x", None)], "output", "event 2 as its cause");
        check_refused(vec![reaction(0, "priced", "x", Some("k")), reaction(0, "priced", "x", Some("k"))], "output", "\"k\"");
        check_refused(vec![reaction(0, "priced", "a\nb", None)], "output", "`subject`");
        check_refused((0..=limits::OUTPUTS_PER_CALL_MAX).map(|_| reaction(0, "priced", "x", None)).collect(), "output", "outputs-per-call");
    }
}
