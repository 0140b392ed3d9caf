//! Turning stored events into newer ones: calls of upcasters, their limits and checks, and finding
//! the event that one can't turn.

use std::collections::BTreeSet;

use super::handler::{Fault, Stopped};
use super::reading::Guests;
use crate::model::{
    ANSWERS, CallLimits, Calls, Event, EventDraft, EventRef, FailureKind, FunctionKind, FunctionManifest, Glance, Guest, GuestFault,
    LogLevel, NewEvent, NotAnswered, Position, StateError, TypePattern, limits,
};
use crate::store::{Part, Upcaster, Upcasting};

/// In which form a reader wants events.
pub struct Wanted {
    /// Empty: all.
    patterns: Vec<TypePattern>,
    /// The types that are turned new for this reader.
    upcast: BTreeSet<String>,
    /// Patterns and the types that lead to them; empty: all.
    stored: Vec<TypePattern>,
    /// A handler that subscribes to answers: it reads those that are for it.
    addressee: Option<String>,
}

/// What became of an event: nothing but what is stored, or parts.
pub type Forms = Option<Vec<Part>>;

impl Wanted {
    /// What a function reads: the newest form that it subscribes to.
    pub fn by(manifest: &FunctionManifest, upcasting: &Upcasting) -> Wanted {
        let patterns: Vec<_> = manifest.patterns().collect();
        let upcast = upcasting.sources(|made| patterns.iter().any(|pattern| pattern.matches(made)));
        let stored = patterns.iter().cloned().chain(upcast.iter().cloned().map(TypePattern::Exact)).collect();
        let answers = || ANSWERS.iter().any(|answer| patterns.iter().any(|pattern| pattern.matches(answer)));
        let addressee = (manifest.kind == FunctionKind::Handler && answers()).then(|| manifest.name.clone());
        Wanted { patterns, upcast, stored, addressee }
    }

    /// The newest form of everything; of that, these types.
    pub fn newest(patterns: Vec<TypePattern>, upcasting: &Upcasting) -> Wanted {
        let leading = upcasting.sources(|made| patterns.iter().any(|pattern| pattern.matches(made)));
        let stored = patterns.iter().cloned().chain(leading.into_iter().map(TypePattern::Exact)).collect();
        Wanted { patterns, upcast: upcasting.taken(), stored, addressee: None }
    }

    /// Whether nothing that the reader reads is turned new.
    pub fn as_stored(&self) -> bool {
        self.upcast.is_empty()
    }

    /// The types to look for in the log.
    pub fn stored(&self) -> Vec<TypePattern> {
        self.stored.clone()
    }

    /// Whether a stored event of one of these types is for the reader.
    pub fn is_for_reader(&self, event: &Glance<'_>) -> bool {
        self.addressee.is_none() || event.event().is_some_and(|event| self.is_addressed(&event))
    }

    /// The same of one that is decoded.
    pub fn is_addressed(&self, event: &EventRef<'_>) -> bool {
        self.addressee.as_ref().is_none_or(|addressee| event.is_for(addressee))
    }

    pub fn upcasts(&self, r#type: &str) -> bool {
        self.upcast.contains(r#type)
    }

    pub fn delivers(&self, r#type: &str) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(r#type))
    }
}

/// Turns events new, step by step, until each is as the reader wants it. Answers the forms of the
/// events before the first that can't be turned, and why that one can't.
pub fn upcast(guests: &dyn Guests, upcasting: &Upcasting, wanted: &Wanted, events: &[EventRef<'_>]) -> (Vec<Forms>, Option<Stopped>) {
    let mut forms: Vec<Forms> = events.iter().map(|_| None).collect();
    let mut stopped = None;
    // Each round is one upcaster's; types don't lead in circles, so there are few.
    while let Some(taken) = next_type(wanted, events, &forms) {
        let Some(upcaster) = upcasting.upcaster(&taken) else { break };
        let mut due: Vec<(usize, EventRef<'_>)> = Vec::new();
        for (index, (event, forms)) in events.iter().zip(&forms).enumerate() {
            match forms {
                None if event.r#type == taken => due.push((index, *event)),
                None => {}
                Some(parts) => due.extend(parts.iter().filter(|part| part.r#type == taken).map(|part| (index, part.over(event)))),
            }
        }
        let refs: Vec<EventRef<'_>> = due.iter().map(|(_, event)| *event).collect();
        let (lists, why) = turn(guests, upcaster, &refs);
        let owners: Vec<usize> = due.iter().map(|(index, _)| *index).collect();
        if why.is_some() {
            // Those before the event stand; it and what comes after it are left.
            forms.truncate(owners[lists.len()]);
            stopped = why;
        }
        replace(&mut forms, &taken, &owners, lists);
        if let Some(at) = forms.iter().position(is_too_much) {
            forms.truncate(at);
            let most = format!("more than {} parts or {} bytes", limits::OUTPUTS_PER_CALL_MAX, limits::OUTPUT_BYTES_PER_CALL_MAX);
            stopped = Some(Stopped::Failed(fault(upcaster, &format!("one event becomes {most}"), true)));
        }
    }
    (forms, stopped)
}

fn next_type(wanted: &Wanted, events: &[EventRef<'_>], forms: &[Forms]) -> Option<String> {
    events.iter().zip(forms).find_map(|(event, forms)| match forms {
        None => wanted.upcasts(event.r#type).then(|| event.r#type.to_owned()),
        Some(parts) => parts.iter().find(|part| wanted.upcasts(&part.r#type)).map(|part| part.r#type.clone()),
    })
}

/// Puts what was made of each form of the type into its place.
fn replace(forms: &mut [Forms], taken: &str, owners: &[usize], lists: Vec<Vec<Part>>) {
    let mut made = owners.iter().zip(lists).peekable();
    while let Some(index) = made.peek().map(|(index, _)| **index) {
        let Some(forms) = forms.get_mut(index) else { return };
        let mut next = || made.next_if(|(owner, _)| **owner == index).map(|(_, parts)| parts).unwrap_or_default();
        *forms = Some(match forms.take() {
            None => next(),
            Some(parts) => parts.into_iter().flat_map(|part| if part.r#type == taken { next() } else { vec![part] }).collect(),
        });
    }
}

fn is_too_much(forms: &Forms) -> bool {
    let Some(parts) = forms else { return false };
    let bytes: usize = parts.iter().map(|part| part.data.len()).sum();
    parts.len() > limits::OUTPUTS_PER_CALL_MAX || bytes > limits::OUTPUT_BYTES_PER_CALL_MAX
}

fn fault(upcaster: &Upcaster, what: &str, retry: bool) -> Fault {
    Fault { reason: "upcast", message: format!("upcaster {}: {what}", upcaster.function), retry }
}

/// Turns events of one type; where a call fails it is split, until one event alone in a fresh instance
/// has failed.
fn turn(guests: &dyn Guests, upcaster: &Upcaster, events: &[EventRef<'_>]) -> (Vec<Vec<Part>>, Option<Stopped>) {
    let mut lists = Vec::with_capacity(events.len());
    let Some(guest) = guests.guest(upcaster.module) else {
        return (lists, Some(Stopped::Unavailable(format!("the module of upcaster {} is not loaded", upcaster.function))));
    };
    let mut stopped = None;
    while lists.len() < events.len() && stopped.is_none() {
        let rest = &events[lists.len()..];
        let mut bytes = 0;
        let fits = rest.iter().take(limits::EVENTS_PER_BATCH_MAX).take_while(|event| {
            bytes += event.data.len();
            bytes <= limits::BATCH_BYTES_MAX
        });
        let count = if guest.one_event_a_call() { 1 } else { fits.count().max(1) };
        stopped = split(&*guest, upcaster, &rest[..count], &mut lists);
    }
    (lists, stopped)
}

fn split(guest: &dyn Guest, upcaster: &Upcaster, events: &[EventRef<'_>], lists: &mut Vec<Vec<Part>>) -> Option<Stopped> {
    let alone = events.len() == 1;
    let fresh = alone && guest.one_event_a_call();
    let mut answer = call(guest, upcaster, events, fresh);
    if alone && !fresh && matches!(answer, Err(Stopped::Failed(_))) {
        answer = call(guest, upcaster, events, true);
    }
    match answer {
        Ok(made) => {
            lists.extend(made);
            None
        }
        Err(Stopped::Failed(_)) if !alone => {
            let (first, second) = events.split_at(events.len() / 2);
            split(guest, upcaster, first, lists).or_else(|| split(guest, upcaster, second, lists))
        }
        Err(stopped) => Some(stopped),
    }
}

fn call(guest: &dyn Guest, upcaster: &Upcaster, events: &[EventRef<'_>], fresh_instance: bool) -> Result<Vec<Vec<Part>>, Stopped> {
    let call_limits = CallLimits { fresh_instance, ..upcaster.limits.of_a_call() };
    let failed = |what: &str, retry| Stopped::Failed(fault(upcaster, what, retry));
    let lists = match guest.upcast(&upcaster.function, events, &call_limits, &mut Bare { events, fuel: 0 }) {
        Ok(Ok(lists)) => lists,
        Ok(Err(failure)) => return Err(failed(&failure.message, failure.kind == FailureKind::Retry)),
        Err(NotAnswered::Unavailable(why) | NotAnswered::Fault(GuestFault::StateRefused(StateError::Storage(why)))) => {
            return Err(Stopped::Unavailable(why));
        }
        Err(NotAnswered::Fault(fault)) => return Err(failed(&fault.to_string(), true)),
    };
    if lists.len() != events.len() {
        return Err(failed(
            &format!("answered {} lists for {} events: one list for each event, in order", lists.len(), events.len()),
            true,
        ));
    }
    let outputs: usize = lists.iter().map(Vec::len).sum();
    if outputs > limits::OUTPUTS_PER_CALL_MAX {
        return Err(failed(&format!("{outputs} outputs: limit `outputs-per-call` is {}", limits::OUTPUTS_PER_CALL_MAX), true));
    }
    let bytes: usize = lists.iter().flatten().map(|draft| draft.data.len() + draft.r#type.len()).sum();
    if bytes > limits::OUTPUT_BYTES_PER_CALL_MAX {
        return Err(failed(&format!("limit `output-bytes-per-call` is {}", limits::OUTPUT_BYTES_PER_CALL_MAX), true));
    }
    let checked = lists.into_iter().zip(events).map(|(list, event)| {
        list.into_iter().map(|draft| part(upcaster, event, draft)).collect::<Result<Vec<_>, String>>().map_err(|what| failed(&what, true))
    });
    checked.collect()
}

/// Holds what an upcaster made against the contract: a new type, a new content, and nothing else.
fn part(upcaster: &Upcaster, event: &EventRef<'_>, draft: EventDraft) -> Result<Part, String> {
    let EventDraft { r#type, subject, tags, content_type, data, key, time: _ } = draft;
    if !upcaster.makes.contains(&r#type) {
        return Err(format!("made an event of type {type:?}, which the manifest's `emits` doesn't name"));
    }
    if !subject.is_empty() && subject != event.subject {
        return Err(format!("gave a part of {:?} another subject, {subject:?}: leave it empty", event.subject));
    }
    if !tags.is_empty() || key.is_some() {
        return Err(format!("gave a part of type {type:?} tags or a key of its own: parts keep the event's"));
    }
    let new = NewEvent {
        id: "-".into(),
        source: "/".into(),
        r#type,
        content_type: content_type.unwrap_or_else(|| "application/json".into()),
        data,
        ..NewEvent::default()
    };
    new.check().map_err(|(field, what)| format!("a part's `{field}` {what}"))?;
    Ok(Part { r#type: new.r#type, content_type: new.content_type, data: new.data })
}

/// The host's side of a call that has no state, and nobody to log to: it is made whenever somebody
/// reads.
pub struct Bare<'a> {
    pub events: &'a [EventRef<'a>],
    /// What the call has used.
    pub fuel: u64,
}

const STATELESS: StateError = StateError::NotHere("an upcaster or an aggregate has no state calls");

impl Calls for Bare<'_> {
    fn state_get(&mut self, _: u32, _: &str) -> Result<Option<Vec<u8>>, StateError> {
        Err(STATELESS)
    }
    fn state_put(&mut self, _: u32, _: &str, _: &[u8]) -> Result<(), StateError> {
        Err(STATELESS)
    }
    fn state_delete(&mut self, _: u32, _: &str) -> Result<(), StateError> {
        Err(STATELESS)
    }
    fn state_scan(&mut self, _: u32, _: &str, _: Option<&str>, _: u32) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        Err(STATELESS)
    }
    fn details(&mut self, position: Position) -> Option<Event> {
        first_at(self.events, position).map(EventRef::to_event)
    }
    fn log(&mut self, _: LogLevel, _: &str) {}
    fn used(&mut self, fuel: u64) {
        self.fuel += fuel;
    }
}

/// The first form of the event at a position.
pub fn first_at<'a, 'b>(events: &'b [EventRef<'a>], position: Position) -> Option<&'b EventRef<'a>> {
    let at = events.partition_point(|event| event.position < position);
    events.get(at).filter(|event| event.position == position)
}
