//! `ViewPart`: folding a portion of events into rows, or the share of it that one lane has. Parts of
//! one portion run side by side on any threads.

use std::sync::Arc;

use super::handler::{Fault, Stopped, end_of_one, middle};
use super::lane::lane_of;
use super::rows::{Overlay, RowCalls};
use crate::model::{
    CallLimits, EventRef, FailureKind, FunctionManifest, Guest, GuestFault, LogLevel, NotAnswered, Position, StateError, limits,
};
use crate::store::{Batch, RowWrite, ViewSnapshot};

/// Rows touched that one part may hold in memory; beyond it the part ends early.
const OVERLAY_BYTES_MAX: usize = 64 << 20;

/// What the parts of one portion share.
pub struct Portioned {
    pub manifest: FunctionManifest,
    pub batch: Batch,
    /// The rows that the portion goes on top of; none for an audit.
    pub rows: Option<ViewSnapshot>,
    pub lanes: usize,
}

/// The events of a portion whose units belong to one lane.
pub struct ViewPart {
    pub(super) portioned: Arc<Portioned>,
    pub(super) lane: usize,
}

/// What a part came to.
pub struct FoldedPart {
    pub(super) writes: Vec<RowWrite>,
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
        let Portioned { manifest, batch, rows, lanes } = &*self.portioned;
        let mut events = batch.events();
        if let (Some(parts), true) = (manifest.split, *lanes > 1) {
            events.retain(|event| lane_of(event.subject, parts, *lanes) == self.lane);
        }
        let mut folding = Folding { manifest, guest, rows: rows.as_ref(), overlay: Overlay::default(), calls: 0 };
        let (mut at, mut stopped) = (0, None);
        while at < events.len() && stopped.is_none() {
            if folding.overlay.bytes() > OVERLAY_BYTES_MAX && at > 0 {
                stopped = Some((events[at].position, PartStop::Full));
                break;
            }
            let end = end_of_call(&events, at, guest.one_event_a_call());
            stopped = folding.run(&events[at..end], log).map(|(position, why)| (position, PartStop::Guest(why)));
            at = end;
        }
        let calls = folding.calls;
        FoldedPart { writes: folding.overlay.into_writes(), stopped, events: events.len() as u64, calls }
    }
}

/// Where the call that begins at `at` ends: at the limits of a call, and never inside an event.
fn end_of_call(events: &[EventRef<'_>], at: usize, one_event: bool) -> usize {
    let mut end = end_of_one(events, at);
    if one_event {
        return end;
    }
    let mut bytes: usize = events[at..end].iter().map(|event| event.data.len()).sum();
    while end < events.len() {
        let next = end_of_one(events, end);
        bytes += events[end..next].iter().map(|event| event.data.len()).sum::<usize>();
        if next - at > limits::EVENTS_PER_BATCH_MAX || bytes > limits::BATCH_BYTES_MAX {
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
        let call_limits = CallLimits { fresh_instance, ..self.manifest.limits.of_a_call() };
        let mut calls = RowCalls::new(self.calls as u32, self.rows, &mut self.overlay, self.manifest.split, events, log);
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
