//! `Part`: a portion of events on its way through a function's code into rows, or the share of it that one
//! lane has. Parts of one portion run side by side on any threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::handler::{Fault, Stopped, end_of_one, middle};
use super::judge::{Judge, Judging, Tally};
use super::lane::Unit;
use super::outputs::Made;
use super::overlay::Overlay;
use super::rows::{RowCalls, Rows, storage};
use super::upcast::Bare;
use crate::model::{
    AggregateCall, Answer, CallLimits, EventRef, FunctionKind, FunctionManifest, Guest, GuestFault, LogLevel, NotAnswered, Position,
    StateError, limits,
};
use crate::store::{Batch, ViewSnapshot, Walk};

/// Rows touched that one part may hold in memory, and all parts of a portion together; beyond it a part ends early.
const OVERLAY_BYTES_MAX: usize = 64 << 20;
const OVERLAYS_BYTES_MAX: usize = 128 << 20;

/// What the parts of one portion share.
pub struct Portioned {
    pub manifest: FunctionManifest,
    pub batch: Batch,
    /// The rows that the portion goes on top of.
    pub rows: ViewSnapshot,
    /// What a replay wants to know of it. A live view ends at the first event that it can't fold.
    pub judging: Option<Judging>,
    /// What the rows take that the parts hold.
    pub held: Held,
}

/// Bytes that the parts of a portion hold together.
#[derive(Debug, Default)]
pub struct Held(AtomicUsize);

impl Held {
    /// One part holds so much now, where it held so much before. Answers what all hold.
    fn change(&self, before: usize, now: usize) -> usize {
        if now >= before {
            self.0.fetch_add(now - before, Ordering::Relaxed) + (now - before)
        } else {
            self.0.fetch_sub(before - now, Ordering::Relaxed) - (before - now)
        }
    }
}

/// The events of a portion whose units belong to one lane.
pub struct Part {
    pub(super) portioned: Arc<Portioned>,
    /// What its events are marked with; all are its own if there is only one lane.
    pub(super) lane: Option<u32>,
    /// The rows that the lane's last part left, as they are in the file.
    pub(super) overlay: Mutex<Overlay>,
}

/// What a part came to.
pub struct Folded {
    pub(super) lane: Option<u32>,
    pub(super) overlay: Overlay,
    pub(super) stopped: Option<(Position, PartStop)>,
    pub(super) tally: Tally,
    pub events: u64,
    pub calls: u64,
    pub fuel: u64,
}

/// Why a part ends before its end: everything before the position is in its rows.
pub(super) enum PartStop {
    Guest(Stopped),
    /// Too many rows in memory: fewer events at once.
    Full,
    /// The code answers twice in two ways.
    Differs(String),
    /// More events failed than a replay goes on with.
    TooManyFailures,
}

/// Events on their way through code.
pub(super) struct Folding<'a> {
    pub manifest: &'a FunctionManifest,
    pub guest: &'a dyn Guest,
    pub rows: Option<&'a dyn Rows>,
    pub overlay: Overlay,
    /// What the function made of the events that stand, call by call.
    pub made: Vec<Made>,
    pub calls: u64,
    pub fuel: u64,
}

impl Part {
    /// Whether there is nothing to fold.
    pub fn is_empty(&self) -> bool {
        self.portioned.batch.count(self.lane) == 0
    }

    /// Folds the part's events. A call that fails is split, until one event alone in a fresh instance has
    /// failed; what comes before it stands.
    pub fn fold(&self, guest: &dyn Guest, log: &mut dyn FnMut(LogLevel, &str)) -> Folded {
        let Portioned { manifest, batch, rows, judging, held } = &*self.portioned;
        let overlay = std::mem::take(&mut *self.overlay.lock().unwrap_or_else(PoisonError::into_inner));
        let mut walk = batch.walk(self.lane);
        let mut folding = Folding::new(manifest, guest, Some(rows), overlay);
        let mut judge = judging.as_ref().map(|judging| Judge::new(judging, self.lane));
        // No more are decoded at a time than a call takes: all of a portion don't fit a processor's cache.
        let mut events: Vec<EventRef<'_>> = Vec::with_capacity(batch.count(self.lane).min(limits::EVENTS_PER_BATCH_MAX + 1));
        let (mut stopped, mut holds) = (None, 0);
        while stopped.is_none() {
            fill(&mut events, &mut walk);
            let Some(first) = events.first() else { break };
            let all_hold = held.change(holds, folding.overlay.bytes());
            holds = folding.overlay.bytes();
            if holds > OVERLAY_BYTES_MAX || folding.calls > 0 && all_hold > OVERLAYS_BYTES_MAX {
                stopped = Some((first.position, PartStop::Full));
                break;
            }
            let end = end_of_call(&events, guest.one_event_a_call());
            stopped = match &mut judge {
                None => folding.run(&events[..end], log).map(|(position, why)| (position, PartStop::Guest(why))),
                Some(judge) => judge.run(&mut folding, &events[..end], log),
            };
            events.drain(..end);
        }
        let Folding { overlay, calls, fuel, .. } = folding;
        let tally = judge.map(|judge| judge.tally).unwrap_or_default();
        Folded { lane: self.lane, overlay, stopped, tally, events: batch.count(self.lane) as u64, calls, fuel }
    }
}

/// Decodes more than one call can take, and never a part of an event only.
fn fill<'a>(events: &mut Vec<EventRef<'a>>, walk: &mut Walk<'a>) {
    while events.len() <= limits::EVENTS_PER_BATCH_MAX || events.last().map(|last| last.position) == walk.upcoming() {
        let Some(next) = walk.next() else { break };
        events.push(next);
    }
}

/// Where the first call of these events ends: at the limits of a call, before an event that is older than the
/// one before it, and never inside an event.
pub(super) fn end_of_call(events: &[EventRef<'_>], one_event: bool) -> usize {
    let mut end = end_of_one(events, 0);
    if one_event {
        return end;
    }
    let mut bytes: usize = events[..end].iter().map(|event| event.data.len()).sum();
    while end < events.len() {
        let next = end_of_one(events, end);
        bytes += events[end..next].iter().map(|event| event.data.len()).sum::<usize>();
        let older = events[end].position < events[end - 1].position;
        if older || next > limits::EVENTS_PER_BATCH_MAX || bytes > limits::BATCH_BYTES_MAX {
            break;
        }
        end = next;
    }
    end
}

impl<'a> Folding<'a> {
    pub fn new(manifest: &'a FunctionManifest, guest: &'a dyn Guest, rows: Option<&'a dyn Rows>, overlay: Overlay) -> Folding<'a> {
        Folding { manifest, guest, rows, overlay, made: Vec::new(), calls: 0, fuel: 0 }
    }

    /// Hands the events to the code. Answers the first that alone in a fresh instance has failed, if one did;
    /// what comes before it stands.
    pub fn run(&mut self, events: &[EventRef<'_>], log: &mut dyn FnMut(LogLevel, &str)) -> Option<(Position, Stopped)> {
        let one = end_of_one(events, 0) == events.len();
        let fresh = one && self.guest.one_event_a_call();
        let mut answer = self.call(events, fresh, log);
        if one && !fresh && matches!(answer, Err(Stopped::Failed(_))) {
            answer = self.call(events, true, log);
        }
        match answer {
            Ok(()) => None,
            Err(Stopped::Failed(_)) if !one => {
                let (first, second) = events.split_at(middle(events));
                self.run(first, log).or_else(|| self.run(second, log))
            }
            // Where the host can't run a call, it can't run the first of its events.
            Err(stopped) => Some((events[0].position, stopped)),
        }
    }

    /// One call. If it fails it leaves no trace.
    pub fn call(&mut self, events: &[EventRef<'_>], fresh_instance: bool, log: &mut dyn FnMut(LogLevel, &str)) -> Result<(), Stopped> {
        let answer = self.attempt(events, fresh_instance, log);
        match answer {
            Ok(made) => {
                self.overlay.keep();
                if !made.is_empty() {
                    self.made.push(made);
                }
                Ok(())
            }
            Err(stopped) => {
                self.overlay.take_back();
                Err(stopped)
            }
        }
    }

    /// One call that is neither kept nor taken back yet. Answers what a handler made.
    pub fn attempt(&mut self, events: &[EventRef<'_>], fresh_instance: bool, log: &mut dyn FnMut(LogLevel, &str)) -> Result<Made, Stopped> {
        self.calls += 1;
        self.overlay.begin();
        let call_limits = CallLimits { fresh_instance, ..self.manifest.limits.of_a_call() };
        if self.manifest.kind == FunctionKind::Aggregate {
            return self.evolve(events, &call_limits).map(|()| Made::default());
        }
        let name = &self.manifest.name;
        let mut calls = RowCalls::new(self.rows, &mut self.overlay, Unit::of(self.manifest), events, log);
        let answer = match self.manifest.kind {
            FunctionKind::Handler => match self.guest.handle(name, events, &call_limits, &mut calls) {
                Answer::Reactions(reactions) => Made::of(self.manifest, events, reactions).map_err(Stopped::Failed),
                Answer::Failed(failure) => Err(Stopped::Failed(Fault::said(failure))),
                Answer::Fault(fault) => Err(stopped(NotAnswered::Fault(fault))),
                Answer::Unavailable(why) => Err(Stopped::Unavailable(why)),
            },
            _ => match self.guest.project(name, events, &call_limits, &mut calls) {
                Ok(Ok(())) => Ok(Made::default()),
                Ok(Err(failure)) => Err(Stopped::Failed(Fault::said(failure))),
                Err(not_answered) => Err(stopped(not_answered)),
            },
        };
        self.fuel += calls.fuel;
        answer
    }

    /// Folds events of an aggregate, each into its subject's row. Those without a subject belong to none.
    fn evolve(&mut self, events: &[EventRef<'_>], call_limits: &CallLimits) -> Result<(), Stopped> {
        let mut subjects: BTreeMap<&str, Vec<EventRef<'_>>> = BTreeMap::new();
        for event in events.iter().filter(|event| !event.subject.is_empty()) {
            subjects.entry(event.subject).or_default().push(*event);
        }
        for (subject, events) in subjects {
            let state = self.overlay.get(self.rows, subject).map_err(|error| stopped(unread(error)))?.map(<[u8]>::to_vec);
            let aggregate = AggregateCall { function: &self.manifest.name, subject, state: state.as_deref() };
            let mut calls = Bare { events: &events, fuel: 0 };
            let answer = self.guest.evolve(&aggregate, &events, call_limits, &mut calls);
            self.fuel += calls.fuel;
            match answer {
                Ok(Ok(state)) => self.overlay.write(subject, Some(&state)),
                Ok(Err(failure)) => return Err(Stopped::Failed(Fault::said(failure))),
                Err(not_answered) => return Err(stopped(not_answered)),
            }
        }
        Ok(())
    }
}

fn unread(error: crate::store::StoreError) -> NotAnswered {
    NotAnswered::Fault(GuestFault::StateRefused(storage(error)))
}

fn stopped(not_answered: NotAnswered) -> Stopped {
    match not_answered {
        NotAnswered::Unavailable(why) | NotAnswered::Fault(GuestFault::StateRefused(StateError::Storage(why))) => Stopped::Unavailable(why),
        NotAnswered::Fault(fault) => Stopped::Failed(Fault::of(fault)),
    }
}
