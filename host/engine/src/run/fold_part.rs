//! `ViewPart`: folding a portion of events into rows, or the share of it that one lane has. Parts of
//! one portion run side by side on any threads.

use std::iter::Peekable;
use std::sync::{Arc, Mutex, PoisonError};

use super::handler::{Fault, Stopped, end_of_one, middle};
use super::overlay::Overlay;
use super::rows::RowCalls;
use crate::model::{
    CallLimits, EventRef, FailureKind, FunctionManifest, Guest, GuestFault, LogLevel, NotAnswered, Position, StateError, limits,
};
use crate::store::{Batch, ViewSnapshot, Walk};

/// Rows touched that one part may hold in memory; beyond it the part ends early.
const OVERLAY_BYTES_MAX: usize = 64 << 20;

/// What the parts of one portion share.
pub struct Portioned {
    pub manifest: FunctionManifest,
    pub batch: Batch,
    /// The rows that the portion goes on top of; none for an audit.
    pub rows: Option<ViewSnapshot>,
}

/// The events of a portion whose units belong to one lane.
pub struct ViewPart {
    pub(super) portioned: Arc<Portioned>,
    /// What its events are marked with; all are its own if there is only one lane.
    pub(super) lane: Option<u32>,
    /// The rows that the lane's last part left, as they are in the file.
    pub(super) overlay: Mutex<Overlay>,
}

/// What a part came to.
pub struct FoldedPart {
    pub(super) lane: Option<u32>,
    pub(super) overlay: Overlay,
    pub(super) stopped: Option<(Position, PartStop)>,
    pub events: u64,
    pub calls: u64,
}

/// Why a part ends before its end: everything before the position is in its rows.
pub(super) enum PartStop {
    Guest(Stopped),
    /// Too many rows in memory: fewer events at once.
    Full,
}

/// A fold under way.
pub(super) struct Folding<'a> {
    pub manifest: &'a FunctionManifest,
    pub guest: &'a dyn Guest,
    pub rows: Option<&'a ViewSnapshot>,
    pub overlay: Overlay,
    pub calls: u64,
}

impl ViewPart {
    /// Folds the part's events. A call that fails is split, until one event alone in a fresh instance has
    /// failed; what comes before it stands.
    pub fn fold(&self, guest: &dyn Guest, log: &mut dyn FnMut(LogLevel, &str)) -> FoldedPart {
        let Portioned { manifest, batch, rows } = &*self.portioned;
        let overlay = std::mem::take(&mut *self.overlay.lock().unwrap_or_else(PoisonError::into_inner));
        let mut walk = batch.walk(self.lane).peekable();
        let mut folding = Folding { manifest, guest, rows: rows.as_ref(), overlay, calls: 0 };
        // No more are decoded at a time than a call takes: all of a portion don't fit a processor's cache.
        let mut events: Vec<EventRef<'_>> = Vec::new();
        let mut stopped = None;
        while stopped.is_none() {
            fill(&mut events, &mut walk);
            let Some(first) = events.first() else { break };
            if folding.overlay.bytes() > OVERLAY_BYTES_MAX {
                stopped = Some((first.position, PartStop::Full));
                break;
            }
            let end = end_of_call(&events, guest.one_event_a_call());
            stopped = folding.run(&events[..end], log).map(|(position, why)| (position, PartStop::Guest(why)));
            events.drain(..end);
        }
        let calls = folding.calls;
        FoldedPart { lane: self.lane, overlay: folding.overlay, stopped, events: batch.count(self.lane) as u64, calls }
    }
}

/// Decodes more than one call can take, and never a part of an event only.
fn fill<'a>(events: &mut Vec<EventRef<'a>>, walk: &mut Peekable<Walk<'a>>) {
    let is_enough = |events: &[EventRef<'a>], next: &EventRef<'a>| {
        events.len() > limits::EVENTS_PER_BATCH_MAX && events.last().is_some_and(|last| last.position != next.position)
    };
    while let Some(next) = walk.next_if(|next| !is_enough(events, next)) {
        events.push(next);
    }
}

/// Where the first call of these events ends: at the limits of a call, and never inside an event.
fn end_of_call(events: &[EventRef<'_>], one_event: bool) -> usize {
    let mut end = end_of_one(events, 0);
    if one_event {
        return end;
    }
    let mut bytes: usize = events[..end].iter().map(|event| event.data.len()).sum();
    while end < events.len() {
        let next = end_of_one(events, end);
        bytes += events[end..next].iter().map(|event| event.data.len()).sum::<usize>();
        if next > limits::EVENTS_PER_BATCH_MAX || bytes > limits::BATCH_BYTES_MAX {
            break;
        }
        end = next;
    }
    end
}

impl Folding<'_> {
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

    pub fn call(&mut self, events: &[EventRef<'_>], fresh_instance: bool, log: &mut dyn FnMut(LogLevel, &str)) -> Result<(), Stopped> {
        self.calls += 1;
        self.overlay.begin();
        let call_limits = CallLimits { fresh_instance, ..self.manifest.limits.of_a_call() };
        let mut calls = RowCalls::new(self.rows, &mut self.overlay, self.manifest.split, events, log);
        let answer = self.guest.project(&self.manifest.name, events, &call_limits, &mut calls);
        let answer = match answer {
            Ok(Ok(())) => {
                self.overlay.keep();
                return Ok(());
            }
            Ok(Err(failure)) => {
                let (reason, retry) = match failure.kind {
                    FailureKind::Retry => ("retry", true),
                    FailureKind::Reject => ("reject", false),
                };
                Stopped::Failed(Fault { reason, message: failure.message, retry })
            }
            Err(NotAnswered::Unavailable(why) | NotAnswered::Fault(GuestFault::StateRefused(StateError::Storage(why)))) => {
                Stopped::Unavailable(why)
            }
            Err(NotAnswered::Fault(fault)) => Stopped::Failed(Fault::of(fault)),
        };
        self.overlay.take_back();
        Err(answer)
    }
}
