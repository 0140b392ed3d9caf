//! The audit: deterministic code answers the same for events in one call, one by one, and in a fresh
//! instance. What it answers differently is shown; nobody knows which of the answers is right.

use std::collections::BTreeMap;

use super::calls::Writes;
use super::handler::{Call, Progress, Stopped, end_of_one};
use super::overlay::{Over, Overlay};
use super::part::Folding;
use super::reading::Reading;
use super::upcast::Bare;
use crate::model::{AggregateCall, CallLimits, Emitted, EventRef, FunctionKind, FunctionManifest, Guest, Position};
use crate::store::Batch;

/// Events of a sample.
const SAMPLE: usize = 16;

/// Where code answered twice in two ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub position: Position,
    pub subject: String,
    /// What was answered, and how it was asked.
    pub message: String,
}

/// Runs a batch through code that is to be deployed, with no state and no rows, in three ways. `Err` says
/// what was answered differently. What fails is left out: whether it may fail is not asked here.
pub fn audit(reading: &Reading<'_>, manifest: &FunctionManifest, guest: &dyn Guest, batch: &Batch) -> Result<(), String> {
    let events = batch.events();
    match manifest.kind {
        FunctionKind::Handler => audit_handler(reading, manifest, guest, &events),
        FunctionKind::View => audit_view(manifest, guest, &events),
        FunctionKind::Aggregate => audit_aggregate(manifest, guest, &events),
        FunctionKind::Upcaster | FunctionKind::Ingress => Ok(()),
    }
}

fn audit_handler(reading: &Reading<'_>, manifest: &FunctionManifest, guest: &dyn Guest, events: &[EventRef<'_>]) -> Result<(), String> {
    /// Nothing is in this slot.
    const NOBODY: u32 = u32::MAX;
    let mut log = |_, _: &str| {};
    let mut call = Call {
        snapshot: reading.snapshot,
        guest,
        manifest,
        slot: NOBODY,
        limits: manifest.limits.of_a_call(),
        in_flight: Vec::new(),
        log: &mut log,
        calls: 0,
    };
    let mut rest = events;
    while !rest.is_empty() {
        let progress = call.run_on(rest, &Writes::new());
        let (done, after) = rest.split_at(progress.done);
        if let Some(difference) = compare(&mut call, done, &progress, &Writes::new()) {
            return Err(difference.message);
        }
        rest = if after.is_empty() { after } else { &after[end_of_one(after, 0)..] };
    }
    Ok(())
}

fn audit_view(manifest: &FunctionManifest, guest: &dyn Guest, events: &[EventRef<'_>]) -> Result<(), String> {
    let fold = |events: &[EventRef<'_>], alone: bool, fresh: bool| {
        let mut folding = Folding::new(manifest, guest, None, Overlay::default());
        let mut at = 0;
        while at < events.len() {
            let end = if alone || guest.one_event_a_call() { end_of_one(events, at) } else { events.len() };
            if folding.call(&events[at..end], fresh, &mut |_, _| {}).is_err() {
                return None;
            }
            at = end;
        }
        Some(folding.overlay.into_writes())
    };
    let mut folding = Folding::new(manifest, guest, None, Overlay::default());
    let failed = if events.is_empty() { None } else { folding.run(events, &mut |_, _| {}) };
    let end = failed.map_or(events.len(), |(position, _)| events.partition_point(|event| event.position < position));
    let first = folding.overlay.into_writes();
    for (how, alone, fresh) in [("one by one", true, false), ("in a fresh instance", false, true)] {
        let Some(again) = fold(&events[..end], alone, fresh) else {
            return Err(format!("events that passed in a batch failed {how}"));
        };
        if first != again {
            let one: BTreeMap<_, _> = first.iter().cloned().collect();
            let other: BTreeMap<_, _> = again.into_iter().collect();
            let key = one.keys().chain(other.keys()).filter(|key| one.get(*key) != other.get(*key)).min().cloned().unwrap_or_default();
            let (left, right) = (shown(one.get(&key)), shown(other.get(&key)));
            return Err(format!("row {:?} is in a batch {left}, {how} {right}", String::from_utf8_lossy(&key)));
        }
    }
    Ok(())
}

fn audit_aggregate(manifest: &FunctionManifest, guest: &dyn Guest, events: &[EventRef<'_>]) -> Result<(), String> {
    let mut subjects: BTreeMap<&str, Vec<EventRef<'_>>> = BTreeMap::new();
    for event in events {
        subjects.entry(event.subject).or_default().push(*event);
    }
    for (subject, events) in subjects {
        let evolve = |events: &[EventRef<'_>], state: Option<&[u8]>, fresh_instance| {
            let aggregate = AggregateCall { function: &manifest.name, subject, state };
            let limits = CallLimits { fresh_instance, ..manifest.limits.of_a_call() };
            guest.evolve(&aggregate, events, &limits, &mut Bare { events, fuel: 0 }).ok().and_then(Result::ok)
        };
        let Some(whole) = evolve(&events, None, false) else { continue };
        let (mut alone, mut at) = (None, 0);
        while at < events.len() {
            let end = end_of_one(&events, at);
            alone = evolve(&events[at..end], alone.as_deref(), false);
            if alone.is_none() {
                break;
            }
            at = end;
        }
        for (how, again) in [("one by one", alone), ("in a fresh instance", evolve(&events, None, true))] {
            if again.as_ref() != Some(&whole) {
                let again = again.map_or("not at all".to_owned(), |state| excerpt(&state));
                return Err(format!("the state of {subject:?} is in a batch {}, {how} {again}", excerpt(&whole)));
            }
        }
    }
    Ok(())
}

/// Runs the first of the events that passed again, in two more ways. `None`: the same, or the host could
/// not run them. `earlier` are the state writes that the first run stood on.
pub fn sample(call: &mut Call<'_>, events: &[EventRef<'_>], first: &Progress, earlier: &Writes) -> Option<Difference> {
    compare(call, &events[..end_of_sample(events)], first, earlier)
}

/// Runs the first of the events that a fold is about to run, in three ways and without effect. `None`: the
/// same, or they can't be run so: that is then found out and judged.
pub fn probe(folding: &Folding<'_>, events: &[EventRef<'_>]) -> Option<Difference> {
    let sample = &events[..end_of_sample(events)];
    let (first, last) = (sample.first()?, sample.last()?.position);
    let under = Over { overlay: &folding.overlay, base: folding.rows };
    let run = |alone: bool, fresh: bool| {
        let mut again = Folding::new(folding.manifest, folding.guest, Some(&under), Overlay::default());
        let one_event = folding.guest.one_event_a_call();
        let mut at = 0;
        while at < sample.len() {
            let end = if alone || one_event { end_of_one(sample, at) } else { sample.len() };
            match again.call(&sample[at..end], fresh || one_event, &mut |_, _| {}) {
                Ok(()) => at = end,
                Err(Stopped::Failed(fault)) => return Some(Err(fault)),
                Err(Stopped::Unavailable(_)) => return None,
            }
        }
        let writes = again.overlay.into_writes().into_iter();
        let writes: Writes = writes.map(|(key, value)| (String::from_utf8_lossy(&key).into_owned(), value)).collect();
        let made: Vec<Emitted> = again.made.iter().flat_map(|made| made.emitted(sample)).collect();
        Some(Ok((made, writes)))
    };
    let (made, wrote) = run(false, false)?.ok()?;
    let mut message = None;
    for (how, again) in [("one by one", run(true, false)?), ("in a fresh instance", run(false, true)?)] {
        message = message.or_else(|| match again {
            Err(fault) => Some(format!("they passed in a batch, and {how} one failed: {}", fault.message)),
            Ok((other_made, other_wrote)) => difference("in a batch", made.iter(), &wrote, how, other_made.iter(), &other_wrote),
        });
    }
    Some(Difference {
        position: first.position,
        subject: first.subject.to_owned(),
        message: format!("the same events gave two answers ({} to {last}): {}", first.position, message?),
    })
}

fn end_of_sample(events: &[EventRef<'_>]) -> usize {
    let mut end = 0;
    for _ in 0..SAMPLE {
        if end < events.len() {
            end = end_of_one(events, end);
        }
    }
    end
}

/// Runs events that passed again; they are the first of those that `first` was made of.
fn compare(call: &mut Call<'_>, sample: &[EventRef<'_>], first: &Progress, earlier: &Writes) -> Option<Difference> {
    let last = sample.last()?.position;
    let alone = call.again(sample, earlier, true)?;
    let fresh = call.again(sample, earlier, false)?;
    let message = match (&alone, &fresh) {
        (Err(fault), _) => Some(format!("they passed in a batch, and alone one failed: {fault}")),
        (_, Err(fault)) => Some(format!("they passed, and in a fresh instance they failed: {fault}")),
        (Ok((alone_made, alone_wrote)), Ok((fresh_made, fresh_wrote))) => {
            let made: Vec<&Emitted> = first.emitted.iter().filter(|made| made.cause <= last).collect();
            // Of a larger batch nobody knows which writes are the sample's.
            let wrote = (sample.len() == first.done).then_some(&first.writes);
            difference("one by one", alone_made.iter(), alone_wrote, "in a fresh instance", fresh_made.iter(), fresh_wrote).or_else(|| {
                difference("in a batch", made.into_iter(), wrote.unwrap_or(alone_wrote), "one by one", alone_made.iter(), alone_wrote)
            })
        }
    };
    let first = &sample[0];
    message.map(|message| Difference {
        position: first.position,
        subject: first.subject.to_owned(),
        message: format!("the same events gave two answers ({} to {last}): {message}", first.position),
    })
}

/// The first difference between two runs, in words.
fn difference<'a>(
    one: &str,
    made: impl Iterator<Item = &'a Emitted>,
    wrote: &Writes,
    other: &str,
    other_made: impl Iterator<Item = &'a Emitted>,
    other_wrote: &Writes,
) -> Option<String> {
    let (made, other_made): (Vec<_>, Vec<_>) = (made.collect(), other_made.collect());
    for index in 0..made.len().max(other_made.len()) {
        let (left, right) = (made.get(index), other_made.get(index));
        if left != right {
            return Some(format!("{one} {}, {other} {}", told(left.copied()), told(right.copied())));
        }
    }
    let keys = wrote.keys().chain(other_wrote.keys());
    let key = keys.into_iter().filter(|key| wrote.get(*key) != other_wrote.get(*key)).min()?;
    Some(format!("state {key:?} is {one} {}, {other} {}", shown(wrote.get(key)), shown(other_wrote.get(key))))
}

fn told(made: Option<&Emitted>) -> String {
    match made {
        None => "nothing more".to_owned(),
        Some(made) => format!("{} of {:?} because of {}: {}", made.r#type, made.subject, made.cause, excerpt(&made.data)),
    }
}

fn shown(value: Option<&Option<Vec<u8>>>) -> String {
    match value {
        None => "not written".to_owned(),
        Some(None) => "deleted".to_owned(),
        Some(Some(value)) => excerpt(value),
    }
}

fn excerpt(bytes: &[u8]) -> String {
    const MOST: usize = 120;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]).into_owned();
    if bytes.len() > MOST { format!("{text}…") } else { text }
}
