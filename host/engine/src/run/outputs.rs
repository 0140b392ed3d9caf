//! From reactions to entries of the log: what the manifest allows, in the order of their causes, with their
//! ids.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::handler::Fault;
use crate::model::{
    DerivedId, Emitted, EventDraft, EventRef, Extensions, FunctionManifest, Kind, Output, REQUEST_MADE, Reaction, TIMER_CANCELLED,
    TIMER_KEY, check_key, derived_id, host_allowed, is_reserved_type, limits,
};

/// Makes the entries of one call. A fault condemns the call, not yet an event.
pub fn emitted(manifest: &FunctionManifest, events: &[EventRef<'_>], reactions: Vec<Reaction>) -> Result<Vec<Emitted>, Fault> {
    made(manifest, events, reactions, Emitted::comes_of)
}

/// The same, without the ids that entries take over from their causes: see [`Emitted::comes_of`].
pub fn unrelated(manifest: &FunctionManifest, events: &[EventRef<'_>], reactions: Vec<Reaction>) -> Result<Vec<Emitted>, Fault> {
    made(manifest, events, reactions, |_, _| {})
}

fn made(
    manifest: &FunctionManifest,
    events: &[EventRef<'_>],
    mut reactions: Vec<Reaction>,
    relate: impl Fn(&mut Emitted, &EventRef<'_>),
) -> Result<Vec<Emitted>, Fault> {
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
        let mut ordinals: BTreeMap<(Kind, String, String), u32> = BTreeMap::new();
        let mut ids: BTreeSet<String> = BTreeSet::new();
        // One output has nothing beside it that it could be taken for.
        let alone = same_cause.len() == 1;
        for reaction in same_cause {
            let draft = Draft::of(manifest, cause, std::mem::replace(&mut reaction.output, Output::Cancel(String::new())))?;
            let ordinal = match &draft.key {
                Some(_) => 0,
                None if alone => 0,
                None => {
                    let next = ordinals.entry((draft.kind, draft.r#type.clone(), draft.subject.clone())).or_default();
                    *next += 1;
                    *next - 1
                }
            };
            let id = derived_id(&DerivedId {
                cause_source: cause.source,
                cause_id: cause.id,
                function: &manifest.name,
                kind: draft.kind.into(),
                r#type: &draft.r#type,
                subject: &draft.subject,
                key: draft.key.as_deref(),
                ordinal,
            });
            if !alone && !ids.insert(id.clone()) {
                return Err(Fault::output(format!(
                    "two outputs of type {:?} and subject {:?} have the key {:?}: give each its own",
                    draft.r#type,
                    draft.subject,
                    draft.key.unwrap_or_default()
                )));
            }
            let mut output = Emitted {
                kind: draft.kind,
                id,
                r#type: draft.r#type,
                subject: draft.subject,
                tags: draft.tags,
                extensions: draft.extensions,
                content_type: draft.content_type,
                data: draft.data,
                time: cause.time,
                hops: cause.hops.saturating_add(1),
                cause: cause.position,
                causation_id: String::new(),
                correlation_id: String::new(),
            };
            relate(&mut output, cause);
            output.check().map_err(|(field, what)| Fault::output(format!("an output's `{field}` {what}")))?;
            bytes += output.bytes();
            if bytes > limits::OUTPUT_BYTES_PER_CALL_MAX {
                return Err(Fault::output(format!("limit `output-bytes-per-call` is {}", limits::OUTPUT_BYTES_PER_CALL_MAX)));
            }
            made.push(output);
        }
    }
    Ok(made)
}

/// An output as an entry of the log, before it has an id.
struct Draft {
    kind: Kind,
    r#type: String,
    subject: String,
    tags: Vec<String>,
    extensions: Extensions,
    content_type: Cow<'static, str>,
    data: Vec<u8>,
    key: Option<String>,
}

impl Draft {
    /// What the manifest allows of it.
    fn of(manifest: &FunctionManifest, cause: &EventRef<'_>, output: Output) -> Result<Draft, Fault> {
        let wrong = |what: &str| {
            let what = what.to_owned();
            move |(field, found): (&'static str, String)| Fault::output(format!("{what}'s `{field}` {found}"))
        };
        let draft = |kind, r#type, subject, content_type, data| {
            let (tags, extensions, key) = Default::default();
            Draft { kind, r#type, subject, tags, extensions, content_type, data, key }
        };
        const JSON: Cow<'static, str> = Cow::Borrowed("application/json");
        Ok(match output {
            Output::Emit(EventDraft { r#type, subject, tags, content_type, data, key, time: _ }) => {
                if !manifest.emits.contains(&r#type) {
                    return Err(Fault::undeclared(format!("an event of type {type:?}, which the manifest's `emits` doesn't name")));
                }
                let content_type = content_type.map_or(JSON, Cow::Owned);
                Draft { tags, key, ..draft(Kind::Event, r#type, subject, content_type, data) }
            }
            Output::Command(command) => {
                if !manifest.sends.contains(&command.r#type) {
                    let what = format!("a command of type {:?}, which the manifest's `sends` doesn't name", command.r#type);
                    return Err(Fault::undeclared(what));
                }
                if command.subject.is_empty() {
                    return Err(Fault::output(format!("a command of type {:?} has no subject: name what it is about", command.r#type)));
                }
                let content_type = command.content_type().to_owned().into();
                Draft { key: command.key, ..draft(Kind::Command, command.r#type, command.subject, content_type, command.data) }
            }
            Output::Schedule(timer) => {
                timers_declared(manifest)?;
                timer.check().map_err(wrong("a timer"))?;
                if !manifest.patterns().any(|pattern| pattern.matches(&timer.r#type)) || is_reserved_type(&timer.r#type) {
                    let what = format!("a timer that makes an event of type {:?}, to which the function doesn't subscribe", timer.r#type);
                    return Err(Fault::undeclared(what));
                }
                let extensions = timer.extensions();
                Draft { extensions, key: Some(timer.key), ..draft(Kind::Timer, timer.r#type, timer.subject, JSON, timer.data) }
            }
            Output::Cancel(key) => {
                timers_declared(manifest)?;
                check_key(&key).map_err(wrong("a cancelled timer"))?;
                let extensions = vec![(TIMER_KEY.to_owned(), key.clone())];
                let subject = cause.subject.to_owned();
                Draft { extensions, key: Some(key), ..draft(Kind::Timer, TIMER_CANCELLED.into(), subject, JSON, Vec::new()) }
            }
            Output::Request(request) => {
                request.check().map_err(wrong("a request"))?;
                let host = request.host().map_err(wrong("a request"))?;
                if !manifest.hosts.iter().any(|allowed| host_allowed(allowed, host)) {
                    return Err(Fault::undeclared(format!("a request to {host:?}, which the manifest's `hosts` doesn't name")));
                }
                let (extensions, content_type) = (request.extensions(), request.content_type().to_owned().into());
                let subject = cause.subject.to_owned();
                Draft { extensions, key: request.key, ..draft(Kind::Request, REQUEST_MADE.into(), subject, content_type, request.body) }
            }
        })
    }
}

fn timers_declared(manifest: &FunctionManifest) -> Result<(), Fault> {
    if manifest.timers {
        return Ok(());
    }
    Err(Fault::undeclared("a timer, and the manifest's `timers` says that it sets none".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, emit, event, function};
    use super::*;
    use crate::model::{CommandDraft, Position, RequestDraft, TIMER_DUE, TimerDraft, Timestamp};

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
        let command = CommandDraft { r#type: "pay".into(), subject: "x".into(), ..CommandDraft::default() };
        let timer = TimerDraft { key: "k".into(), r#type: "a".into(), ..TimerDraft::default() };
        let request = RequestDraft { method: "GET".into(), url: "https://example.com/".into(), ..RequestDraft::default() };
        for (output, part) in [
            (Output::Command(command), "\"pay\""),
            (Output::Schedule(timer), "`timers`"),
            (Output::Cancel("k".into()), "`timers`"),
            (Output::Request(request), "\"example.com\""),
        ] {
            check_refused(vec![Reaction { cause: 0, output }], "undeclared", part);
        }
    }

    #[test]
    fn an_output_that_breaks_the_contract_condemns_the_call() {
        check_refused(vec![reaction(2, "priced", "x", None)], "output", "event 2 as its cause");
        check_refused(vec![reaction(0, "priced", "x", Some("k")), reaction(0, "priced", "x", Some("k"))], "output", "\"k\"");
        check_refused(vec![reaction(0, "priced", "a\nb", None)], "output", "`subject`");
        check_refused((0..=limits::OUTPUTS_PER_CALL_MAX).map(|_| reaction(0, "priced", "x", None)).collect(), "output", "outputs-per-call");
    }

    #[test]
    fn commands_timers_and_requests_are_entries_of_their_own_kinds() {
        let manifest = FunctionManifest {
            sends: vec!["pay".into()],
            timers: true,
            hosts: vec!["*.example.com".into()],
            ..function("pricing", &["a"], &["pay"])
        };
        let timer = |r#type: &str| TimerDraft {
            key: "k".into(),
            due: Timestamp(77),
            r#type: r#type.into(),
            subject: "y".into(),
            data: b"1".into(),
        };
        let request = RequestDraft {
            method: "POST".into(),
            url: "https://api.example.com:8443/x".into(),
            headers: vec![("Content-Type".into(), "text/plain".into()), ("x-key".into(), "{{secret:KEY}}".into())],
            body: b"hello".into(),
            key: Some("credit".into()),
        };
        with_events(|_, events| {
            let outputs = vec![
                Output::Command(CommandDraft { r#type: "pay".into(), subject: "x".into(), ..CommandDraft::default() }),
                emit("pay", "x", None),
                Output::Schedule(timer("a")),
                Output::Cancel("k".into()),
                Output::Request(request.clone()),
            ];
            let reactions = outputs.into_iter().map(|output| Reaction { cause: 0, output }).collect();
            let made = emitted(&manifest, events, reactions).expect("declared");
            let told: Vec<_> = made.iter().map(|made| (made.kind, made.r#type.as_str(), made.subject.as_str())).collect();
            assert_eq!(
                told,
                [
                    (Kind::Command, "pay", "x"),
                    (Kind::Event, "pay", "x"),
                    (Kind::Timer, "a", "y"),
                    (Kind::Timer, "retold.timer.cancelled", "x"),
                    (Kind::Request, "retold.request.made", "x"),
                ]
            );
            assert_eq!(made.iter().map(|made| &made.id).collect::<BTreeSet<_>>().len(), made.len());
            let pairs = |index: usize| -> Vec<(&str, &str)> {
                made[index].extensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
            };
            assert_eq!(pairs(2), [(TIMER_DUE, "77"), (TIMER_KEY, "k")]);
            assert_eq!(pairs(3), [(TIMER_KEY, "k")]);
            let headers = "Content-Type: text/plain\nx-key: {{secret:KEY}}";
            let url = ("requesturl", "https://api.example.com:8443/x");
            assert_eq!(pairs(4), [("requestheaders", headers), ("requestkey", "credit"), ("requestmethod", "POST"), url]);
            assert_eq!((&*made[4].content_type, made[4].data.as_slice()), ("text/plain", b"hello".as_slice()));
            let refused = |output| emitted(&manifest, events, vec![Reaction { cause: 0, output }]).expect_err("it must be refused");
            assert_eq!(refused(Output::Schedule(timer("b"))).reason, "undeclared");
            assert_eq!(refused(Output::Schedule(TimerDraft { due: Timestamp(u64::MAX), ..timer("a") })).reason, "output");
            assert_eq!(
                refused(Output::Request(RequestDraft { url: "https://example.com/".into(), ..request.clone() })).reason,
                "undeclared"
            );
        });
    }
}
