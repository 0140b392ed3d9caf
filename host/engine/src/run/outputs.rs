//! From reactions to entries of the log: what the manifest allows, in the order of their causes, with their
//! ids.

use std::collections::{BTreeMap, BTreeSet};

use super::handler::Fault;
use crate::model::{
    Attributes, DERIVED_ID_BYTES, DerivedId, Emitted, EventRef, Extensions, FunctionManifest, Glance, Kind, OutputRef, Position,
    REQUEST_MADE, Reactions, TIMER_CANCELLED, TIMER_KEY, check_key, derived_id_bytes, host_allowed, is_reserved_type, limits,
};

/// What a call made, held against the manifest and named. Texts and data lie where the function left them: a
/// replay only compares most of it.
#[derive(Debug, Default)]
pub struct Made {
    /// In the order of their causes.
    reactions: Reactions,
    /// The letters of the id of each.
    ids: Vec<[u8; DERIVED_ID_BYTES]>,
    /// Of the events that the call was asked with, the first.
    first: Position,
}

/// An output as an entry of the log.
pub struct Entry<'a> {
    pub cause: &'a EventRef<'a>,
    /// The letters of its id.
    pub id: &'a [u8; DERIVED_ID_BYTES],
    draft: Draft<'a>,
}

/// Makes the entries of one call. A fault condemns the call, not yet an event.
pub fn emitted(manifest: &FunctionManifest, events: &[EventRef<'_>], reactions: Reactions) -> Result<Vec<Emitted>, Fault> {
    Ok(Made::of(manifest, events, reactions)?.emitted(events))
}

impl Made {
    /// A fault condemns the call, not yet an event.
    pub fn of(manifest: &FunctionManifest, events: &[EventRef<'_>], mut reactions: Reactions) -> Result<Made, Fault> {
        if reactions.len() > limits::OUTPUTS_PER_CALL_MAX {
            return Err(Fault::output(format!(
                "{} outputs: limit `outputs-per-call` is {}",
                reactions.len(),
                limits::OUTPUTS_PER_CALL_MAX
            )));
        }
        if let Some((outside, _)) = reactions.iter().find(|(cause, _)| *cause as usize >= events.len()) {
            return Err(Fault::output(format!("an output names event {outside} as its cause in a batch of {}", events.len())));
        }
        reactions.sort_by_cause();
        let ids = ids(manifest, events, &reactions)?;
        Ok(Made { reactions, ids, first: events.first().map(|event| event.position).unwrap_or_default() })
    }

    /// The entries; the events that the call was asked with are among these.
    pub fn entries<'a>(&'a self, events: &'a [EventRef<'a>]) -> impl Iterator<Item = Entry<'a>> {
        let begin = events.iter().position(|event| event.position == self.first).unwrap_or_default();
        self.ids.iter().zip(self.reactions.iter()).map(move |(id, (cause, output))| {
            let cause = &events[begin + cause as usize];
            Entry { cause, id, draft: Draft::of(cause, output) }
        })
    }

    /// All of it, each with texts and data of its own.
    pub fn emitted(&self, events: &[EventRef<'_>]) -> Vec<Emitted> {
        let mut emitted = Vec::with_capacity(self.ids.len());
        emitted.extend(self.entries(events).map(|entry| entry.emitted()));
        emitted
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

impl Entry<'_> {
    /// Whether an entry of the same id says the same.
    pub fn is_said_by(&self, stored: &Glance<'_>) -> bool {
        stored.says(self.draft.kind, &self.draft.attributes())
    }

    pub fn emitted(&self) -> Emitted {
        let Draft { kind, r#type, subject, tags, extensions, content_type, data, key: _ } = &self.draft;
        Emitted {
            kind: *kind,
            id: String::from_utf8_lossy(self.id).into_owned(),
            r#type: (*r#type).to_owned(),
            subject: (*subject).to_owned(),
            tags: tags.to_vec(),
            extensions: extensions.clone(),
            content_type: if *content_type == JSON { JSON.into() } else { (*content_type).to_owned().into() },
            data: data.to_vec(),
            time: self.cause.time,
            hops: self.cause.hops.saturating_add(1),
            cause: self.cause.position,
            causation_id: self.cause.id.to_owned(),
            correlation_id: self.cause.correlation().to_owned(),
        }
    }
}

/// The ids of a call's outputs, which are in the order of their causes.
fn ids(manifest: &FunctionManifest, events: &[EventRef<'_>], reactions: &Reactions) -> Result<Vec<[u8; DERIVED_ID_BYTES]>, Fault> {
    let mut ids = Vec::with_capacity(reactions.len());
    let mut outputs = reactions.iter().map(|(cause, output)| (&events[cause as usize], output)).peekable();
    let mut bytes = 0;
    while let Some((cause, first)) = outputs.next() {
        let mut siblings = Siblings::new(manifest, cause);
        let mut next = Some(first);
        // Ordinals count over all that one stored event became.
        while let Some(output) = next {
            let sibling = outputs.next_if(|(other, _)| other.position == cause.position).map(|(_, output)| output);
            siblings.alone &= sibling.is_none();
            check_allowed(manifest, &output)?;
            let draft = Draft::of(cause, output);
            let attributes = draft.attributes();
            attributes.check_content().map_err(|(field, what)| Fault::output(format!("an output's `{field}` {what}")))?;
            bytes += attributes.bytes() + DERIVED_ID_BYTES;
            if bytes > limits::OUTPUT_BYTES_PER_CALL_MAX {
                return Err(Fault::output(format!("limit `output-bytes-per-call` is {}", limits::OUTPUT_BYTES_PER_CALL_MAX)));
            }
            ids.push(siblings.id(&draft)?);
            next = sibling;
        }
    }
    Ok(ids)
}

/// The outputs of one cause that have an id already.
struct Siblings<'a> {
    manifest: &'a FunctionManifest,
    cause: &'a EventRef<'a>,
    ordinals: BTreeMap<(Kind, &'a str, &'a str), u32>,
    ids: BTreeSet<[u8; DERIVED_ID_BYTES]>,
    /// One output has nothing beside it that it could be taken for.
    alone: bool,
}

impl<'a> Siblings<'a> {
    fn new(manifest: &'a FunctionManifest, cause: &'a EventRef<'a>) -> Siblings<'a> {
        Siblings { manifest, cause, ordinals: BTreeMap::new(), ids: BTreeSet::new(), alone: true }
    }

    fn id(&mut self, draft: &Draft<'a>) -> Result<[u8; DERIVED_ID_BYTES], Fault> {
        let ordinal = match draft.key {
            Some(_) => 0,
            None if self.alone => 0,
            None => {
                let next = self.ordinals.entry((draft.kind, draft.r#type, draft.subject)).or_default();
                *next += 1;
                *next - 1
            }
        };
        let id = derived_id_bytes(&DerivedId {
            cause_source: self.cause.source,
            cause_id: self.cause.id,
            function: &self.manifest.name,
            kind: draft.kind.into(),
            r#type: draft.r#type,
            subject: draft.subject,
            key: draft.key,
            ordinal,
        });
        if !self.alone && !self.ids.insert(id) {
            return Err(Fault::output(format!(
                "two outputs of type {:?} and subject {:?} have the key {:?}: give each its own",
                draft.r#type,
                draft.subject,
                draft.key.unwrap_or_default()
            )));
        }
        Ok(id)
    }
}

const JSON: &str = "application/json";

/// An output as an entry of the log, before it has an id.
struct Draft<'a> {
    kind: Kind,
    r#type: &'a str,
    subject: &'a str,
    tags: &'a [String],
    extensions: Extensions,
    content_type: &'a str,
    data: &'a [u8],
    key: Option<&'a str>,
}

impl<'a> Draft<'a> {
    fn of(cause: &'a EventRef<'a>, output: OutputRef<'a>) -> Draft<'a> {
        let draft = |kind, r#type, subject, content_type, data, key| Draft {
            kind,
            r#type,
            subject,
            tags: &[],
            extensions: Extensions::new(),
            content_type,
            data,
            key,
        };
        match output {
            OutputRef::Emit(event) => {
                let content_type = event.content_type.unwrap_or(JSON);
                Draft { tags: event.tags, ..draft(Kind::Event, event.r#type, event.subject, content_type, event.data, event.key) }
            }
            OutputRef::Command(command) => {
                let key = command.key.as_deref();
                draft(Kind::Command, &command.r#type, &command.subject, command.content_type(), &command.data, key)
            }
            OutputRef::Schedule(timer) => {
                let key = Some(timer.key.as_str());
                Draft { extensions: timer.extensions(), ..draft(Kind::Timer, &timer.r#type, &timer.subject, JSON, &timer.data, key) }
            }
            OutputRef::Cancel(key) => {
                let extensions = vec![(TIMER_KEY.to_owned(), key.to_owned())];
                Draft { extensions, ..draft(Kind::Timer, TIMER_CANCELLED, cause.subject, JSON, &[], Some(key)) }
            }
            OutputRef::Request(request) => {
                let (extensions, key) = (request.extensions(), request.key.as_deref());
                Draft { extensions, ..draft(Kind::Request, REQUEST_MADE, cause.subject, request.content_type(), &request.body, key) }
            }
        }
    }

    /// Without what the host adds.
    fn attributes(&self) -> Attributes<'_> {
        Attributes {
            id: "",
            source: "/",
            r#type: self.r#type,
            subject: self.subject,
            content_type: self.content_type,
            data: self.data,
            tags: self.tags,
            extensions: &self.extensions,
            causation_id: "",
            correlation_id: "",
        }
    }
}

/// What the manifest allows of an output, and what it may say.
fn check_allowed(manifest: &FunctionManifest, output: &OutputRef<'_>) -> Result<(), Fault> {
    let wrong = |what: &'static str| move |(field, found): (&'static str, String)| Fault::output(format!("{what}'s `{field}` {found}"));
    match output {
        OutputRef::Emit(event) => {
            if !manifest.emits.iter().any(|declared| declared == event.r#type) {
                return Err(Fault::undeclared(format!("an event of type {:?}, which the manifest's `emits` doesn't name", event.r#type)));
            }
        }
        OutputRef::Command(command) => {
            if !manifest.sends.contains(&command.r#type) {
                let what = format!("a command of type {:?}, which the manifest's `sends` doesn't name", command.r#type);
                return Err(Fault::undeclared(what));
            }
            if command.subject.is_empty() {
                return Err(Fault::output(format!("a command of type {:?} has no subject: name what it is about", command.r#type)));
            }
        }
        OutputRef::Schedule(timer) => {
            timers_declared(manifest)?;
            timer.check().map_err(wrong("a timer"))?;
            if !manifest.patterns().any(|pattern| pattern.matches(&timer.r#type)) || is_reserved_type(&timer.r#type) {
                let what = format!("a timer that makes an event of type {:?}, to which the function doesn't subscribe", timer.r#type);
                return Err(Fault::undeclared(what));
            }
        }
        OutputRef::Cancel(key) => {
            timers_declared(manifest)?;
            check_key(key).map_err(wrong("a cancelled timer"))?;
        }
        OutputRef::Request(request) => {
            request.check().map_err(wrong("a request"))?;
            let host = request.host().map_err(wrong("a request"))?;
            if !manifest.hosts.iter().any(|allowed| host_allowed(allowed, host)) {
                return Err(Fault::undeclared(format!("a request to {host:?}, which the manifest's `hosts` doesn't name")));
            }
        }
    }
    Ok(())
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
    use crate::model::{CommandDraft, Output, Position, Reaction, RequestDraft, TIMER_DUE, TimerDraft, Timestamp};

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
            let fault = emitted(manifest, events, reactions.into()).expect_err("it must be refused");
            assert_eq!(fault.reason, reason);
            assert!(fault.message.contains(part), "{}", fault.message);
        });
    }

    #[test]
    fn an_output_added_beside_others_does_not_shift_their_ids() {
        with_events(|manifest, events| {
            let ids = |reactions: Vec<Reaction>| {
                emitted(manifest, events, reactions.into()).expect("declared").into_iter().map(|event| event.id).collect::<Vec<_>>()
            };
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
                vec![reaction(1, "priced", "x", None), reaction(0, "billed", "y", None), reaction(0, "priced", "z", None)].into(),
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
    fn entries_know_their_causes_in_any_order_and_among_more_events() {
        with_events(|manifest, events| {
            let ids = |events: &[EventRef<'_>], more: &[EventRef<'_>]| -> Vec<(Position, String)> {
                let reactions = vec![reaction(0, "priced", "x", None), reaction(1, "priced", "x", None)];
                let made = Made::of(manifest, events, reactions.into()).expect("declared");
                let told = |entry: Entry<'_>| (entry.cause.position, entry.emitted().id);
                made.entries(more).map(told).collect()
            };
            let forward = ids(events, events);
            assert_eq!([forward[0].0, forward[1].0], [Position(2), Position(3)]);
            let backward: Vec<EventRef<'_>> = events.iter().rev().copied().collect();
            assert_eq!(ids(&backward, &backward), [forward[1].clone(), forward[0].clone()]);
            let before = EventRef { position: Position(1), id: "0", ..events[0] };
            assert_eq!(ids(events, &[&[before], events].concat()), forward);
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
            let reactions: Vec<_> = outputs.into_iter().map(|output| Reaction { cause: 0, output }).collect();
            let made = emitted(&manifest, events, reactions.into()).expect("declared");
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
            let refused = |output| emitted(&manifest, events, vec![Reaction { cause: 0, output }].into()).expect_err("it must be refused");
            assert_eq!(refused(Output::Schedule(timer("b"))).reason, "undeclared");
            assert_eq!(refused(Output::Schedule(TimerDraft { due: Timestamp(u64::MAX), ..timer("a") })).reason, "output");
            assert_eq!(
                refused(Output::Request(RequestDraft { url: "https://example.com/".into(), ..request.clone() })).reason,
                "undeclared"
            );
        });
    }
}
