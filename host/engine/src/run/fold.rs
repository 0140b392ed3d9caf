//! An aggregate's state of one subject, folded from the subject's events: kept hot by whoever asks
//! often, begun from a stored snapshot else, made again from the first event if need be.

use std::sync::Arc;

use super::handler::Fault;
use super::reading::Reading;
use crate::model::{
    AggregateCall, CallLimits, Calls, Digest, Event, EventRef, FailureKind, FunctionKind, Guest, GuestFault, LogLevel, NotAnswered,
    Position, StateError, SubjectSnapshot, limits,
};
use crate::store::{FunctionRow, Portion, StoreError};

const PORTION: Portion = Portion { events: limits::EVENTS_PER_BATCH_MAX, bytes: limits::BATCH_BYTES_MAX };

/// Folded state of one subject under one code identity. Whoever keeps it may drop it at any time.
#[derive(Clone, Debug)]
pub struct Hot {
    function: String,
    subject: String,
    identity: Digest,
    state: Option<Vec<u8>>,
    /// The last event in the state.
    last: Position,
    /// The subject has no other event that belongs to the state up to here.
    seen: Position,
    events: u64,
    /// Events folded since the state was last kept.
    unkept: u64,
}

impl Hot {
    /// About what it takes in memory.
    pub fn bytes(&self) -> usize {
        128 + self.function.len() + self.subject.len() + self.state.as_ref().map_or(0, Vec::len)
    }

    /// Everything of the subject up to here is in it.
    pub fn position(&self) -> Position {
        self.seen
    }

    pub fn state(&self) -> Option<&[u8]> {
        self.state.as_deref()
    }

    /// What to keep, if so much was folded that nobody should do it again. Answers it once: if it is
    /// not kept then, only work is lost.
    pub fn snapshot_due(&mut self) -> Option<SubjectSnapshot> {
        if self.unkept < limits::SNAPSHOT_DISTANCE {
            return None;
        }
        self.unkept = 0;
        self.snapshot()
    }

    /// The state as the store can keep it; `None` if there is no event in it.
    pub fn snapshot(&self) -> Option<SubjectSnapshot> {
        let state = self.state.clone()?;
        Some(SubjectSnapshot {
            function: self.function.clone(),
            subject: self.subject.clone(),
            identity: self.identity,
            position: self.last,
            seen: self.seen,
            events: self.events,
            state,
        })
    }

    fn take(&mut self, events: &[EventRef<'_>], state: Vec<u8>) {
        let Some(last) = events.last() else { return };
        // Parts of one stored event share its position.
        let stored = events.chunk_by(|one, other| one.position == other.position).count() as u64;
        (self.state, self.last, self.seen) = (Some(state), last.position, last.position);
        self.events += stored;
        self.unkept += stored;
    }
}

/// The state of a subject as it was at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedState {
    /// `None` if no event of the subject belongs to it.
    pub state: Option<Vec<u8>>,
    /// The last event folded.
    pub position: Position,
    pub events: u64,
}

/// What an aggregate did wrong, alone in a fresh instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateFault {
    /// One word, as for handlers; or `unavailable` if the host could not run it, `unknown` if there is
    /// no such aggregate.
    pub reason: &'static str,
    pub message: String,
    /// The event that it can't fold, if that is it.
    pub position: Option<Position>,
}

/// The state of `subject` at `at`, or now. To ask for the past never disturbs the hot state.
pub fn fold(
    reading: &Reading<'_>,
    function: &str,
    subject: &str,
    at: Option<Position>,
    hot: &mut Option<Hot>,
    log: &mut dyn FnMut(LogLevel, &str),
) -> Result<Result<FoldedState, AggregateFault>, StoreError> {
    let mut folding = match Folding::new(reading, function, subject, log) {
        Ok(folding) => folding,
        Err(fault) => return Ok(Err(fault)),
    };
    if subject.is_empty() {
        // Such events have no order among them.
        return Ok(Ok(FoldedState { state: None, position: Position::START, events: 0 }));
    }
    let head = reading.snapshot.head();
    let mut past;
    let upto = at.unwrap_or(head).min(head);
    let hot = match at {
        Some(at) if at < head => {
            past = hot.clone().filter(|hot| hot.last <= at);
            &mut past
        }
        _ => hot,
    };
    Ok(match folding.bring_level(hot, upto)? {
        Ok(hot) => Ok(FoldedState { state: hot.state.clone(), position: hot.last, events: hot.events }),
        Err(Stopped::Fault(fault)) => Err(fault),
        Err(Stopped::Unavailable(message)) => Err(AggregateFault { reason: "unavailable", message, position: None }),
    })
}

/// Why folding ended early.
pub(super) enum Stopped {
    Fault(AggregateFault),
    Unavailable(String),
}

/// One subject of one aggregate, about to be folded.
pub(super) struct Folding<'a> {
    reading: &'a Reading<'a>,
    pub row: Arc<FunctionRow>,
    pub guest: Arc<dyn Guest>,
    subject: &'a str,
    identity: Digest,
    log: &'a mut dyn FnMut(LogLevel, &str),
}

impl<'a> Folding<'a> {
    pub fn new(
        reading: &'a Reading<'a>,
        function: &str,
        subject: &'a str,
        log: &'a mut dyn FnMut(LogLevel, &str),
    ) -> Result<Folding<'a>, AggregateFault> {
        let fault = |reason, message| AggregateFault { reason, message, position: None };
        let row = reading.snapshot.function(function).filter(|row| row.manifest.kind == FunctionKind::Aggregate);
        let Some(row) = row.cloned() else { return Err(fault("unknown", format!("there is no aggregate {function:?} here"))) };
        let Some(guest) = reading.guests.guest(row.module) else {
            return Err(fault("unavailable", format!("the code of {function} is not loaded")));
        };
        let identity = reading.snapshot.identity(&row);
        Ok(Folding { reading, row, guest, subject, identity, log })
    }

    /// Folds everything up to `upto` into the hot state, which is begun anew if it is another's.
    pub fn bring_level<'h>(&mut self, hot: &'h mut Option<Hot>, upto: Position) -> Result<Result<&'h mut Hot, Stopped>, StoreError> {
        let fits = |hot: &Hot| hot.function == self.row.name && hot.subject == self.subject && hot.identity == self.identity;
        let hot = match hot.take().filter(fits) {
            Some(own) => hot.insert(own),
            None => hot.insert(self.begin(upto)?),
        };
        while hot.seen < upto {
            let taken = self.reading.take_subject(&self.row, self.subject, hot.seen, upto, PORTION)?;
            if let Err(stopped) = self.run(hot, &taken.batch.events()) {
                return Ok(Err(stopped));
            }
            if let Some(unreadable) = taken.unreadable {
                let Fault { reason, message, .. } = unreadable.fault;
                return Ok(Err(Stopped::Fault(AggregateFault { reason, message, position: Some(unreadable.position) })));
            }
            if let Some(why) = taken.unavailable {
                return Ok(Err(Stopped::Unavailable(why)));
            }
            hot.seen = hot.seen.max(taken.seen);
        }
        Ok(Ok(hot))
    }

    /// What was kept of the subject by this code, or nothing.
    fn begin(&self, upto: Position) -> Result<Hot, StoreError> {
        let kept = self.reading.snapshot.subject_snapshot(&self.row.name, self.subject, self.identity, upto)?;
        let (state, last, seen, events) =
            kept.map_or((None, Position::START, Position::START, 0), |kept| (Some(kept.state), kept.position, kept.seen, kept.events));
        let (function, subject) = (self.row.name.clone(), self.subject.to_owned());
        Ok(Hot { function, subject, identity: self.identity, state, last, seen, events, unkept: 0 })
    }

    /// Whether events of this type are folded in the form that they are recorded in.
    pub fn folds_as_is(&self, r#type: &str) -> bool {
        self.row.subscribes(r#type) && self.reading.upcasting().upcaster(r#type).is_none()
    }

    pub fn run(&mut self, hot: &mut Hot, events: &[EventRef<'_>]) -> Result<(), Stopped> {
        if !self.guest.one_event_a_call() {
            return self.split(hot, events);
        }
        events.chunk_by(|one, other| one.position == other.position).try_for_each(|alone| self.alone(hot, alone))
    }

    /// Where a call fails it is split, until one event alone in a fresh instance has failed; what comes
    /// before that stays folded. The parts of a stored event are never parted.
    fn split(&mut self, hot: &mut Hot, events: &[EventRef<'_>]) -> Result<(), Stopped> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
        let at = match self.call(hot, events, false) {
            Called::Done(state) => {
                hot.take(events, state);
                return Ok(());
            }
            Called::Unavailable(why) => return Err(Stopped::Unavailable(why)),
            Called::Fault { .. } if first.position == last.position => return self.alone(hot, events),
            Called::Fault { at, .. } => at,
        };
        let start_of = |index: usize| events.partition_point(|event| event.position < events[index].position);
        let end_of = |index: usize| events.partition_point(|event| event.position <= events[index].position);
        match at {
            Some(at) => {
                self.split(hot, &events[..start_of(at)])?;
                self.alone(hot, &events[start_of(at)..end_of(at)])?;
                self.split(hot, &events[end_of(at)..])
            }
            None => {
                let middle = match start_of(events.len() / 2) {
                    0 => end_of(0),
                    middle => middle,
                };
                self.split(hot, &events[..middle])?;
                self.split(hot, &events[middle..])
            }
        }
    }

    /// One stored event in an instance that nothing ran in before: the judgement.
    fn alone(&mut self, hot: &mut Hot, event: &[EventRef<'_>]) -> Result<(), Stopped> {
        match self.call(hot, event, true) {
            Called::Done(state) => {
                hot.take(event, state);
                Ok(())
            }
            Called::Unavailable(why) => Err(Stopped::Unavailable(why)),
            Called::Fault { fault, .. } => {
                let position = event.first().map(|event| event.position);
                Err(Stopped::Fault(AggregateFault { reason: fault.reason, message: fault.message, position }))
            }
        }
    }

    fn call(&mut self, hot: &Hot, events: &[EventRef<'_>], fresh_instance: bool) -> Called {
        let call = AggregateCall { function: &self.row.name, subject: self.subject, state: hot.state.as_deref() };
        let limits = self.limits(fresh_instance);
        let mut calls = AggregateCalls { events, log: self.log };
        let fault = |fault| Called::Fault { fault, at: None };
        match self.guest.evolve(&call, events, &limits, &mut calls) {
            Ok(Ok(state)) if state.len() > limits::STATE_VALUE_BYTES_MAX => {
                let message = format!("{} bytes of state: limit `state-value-bytes` is {}", state.len(), limits::STATE_VALUE_BYTES_MAX);
                fault(Fault { reason: "state", message, retry: true })
            }
            Ok(Ok(state)) => Called::Done(state),
            Ok(Err(failure)) => {
                let (reason, retry) = match failure.kind {
                    FailureKind::Retry => ("retry", true),
                    FailureKind::Reject => ("reject", false),
                };
                let at = Some(failure.event as usize).filter(|at| *at < events.len());
                Called::Fault { fault: Fault { reason, message: failure.message, retry }, at }
            }
            Err(not_answered) => match why(not_answered) {
                Ok(condemned) => fault(condemned),
                Err(why) => Called::Unavailable(why),
            },
        }
    }

    pub fn limits(&self, fresh_instance: bool) -> CallLimits {
        let asked = &self.row.manifest.limits;
        CallLimits {
            fuel: asked.fuel.unwrap_or(limits::FUEL_PER_CALL_MAX),
            memory_bytes: asked.memory_bytes.map_or(limits::GUEST_MEMORY_BYTES_MAX, |bytes| bytes as usize),
            fresh_instance,
        }
    }

    /// The host's side of a call that has no events.
    pub fn calls(&mut self) -> AggregateCalls<'_> {
        AggregateCalls { events: &[], log: self.log }
    }
}

enum Called {
    Done(Vec<u8>),
    /// `at`: the event that the aggregate names.
    Fault {
        fault: Fault,
        at: Option<usize>,
    },
    Unavailable(String),
}

/// `Err`: the host's own trouble.
pub(super) fn why(not_answered: NotAnswered) -> Result<Fault, String> {
    match not_answered {
        NotAnswered::Fault(GuestFault::StateRefused(StateError::Storage(why))) | NotAnswered::Unavailable(why) => Err(why),
        NotAnswered::Fault(fault) => Ok(Fault::of(fault)),
    }
}

/// An aggregate keeps nothing but the state that it is handed and answers.
pub(super) struct AggregateCalls<'a> {
    events: &'a [EventRef<'a>],
    log: &'a mut dyn FnMut(LogLevel, &str),
}

/// As if no event were there to keep state for.
fn no_state<T>(index: u32) -> Result<T, StateError> {
    Err(StateError::OutsideBatch { index, batch: 0 })
}

impl Calls for AggregateCalls<'_> {
    fn state_get(&mut self, event: u32, _: &str) -> Result<Option<Vec<u8>>, StateError> {
        no_state(event)
    }
    fn state_put(&mut self, event: u32, _: &str, _: &[u8]) -> Result<(), StateError> {
        no_state(event)
    }
    fn state_delete(&mut self, event: u32, _: &str) -> Result<(), StateError> {
        no_state(event)
    }
    fn state_scan(&mut self, event: u32, _: &str, _: Option<&str>, _: u32) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        no_state(event)
    }
    fn details(&mut self, position: Position) -> Option<Event> {
        self.events.iter().find(|event| event.position == position).map(EventRef::to_event)
    }
    fn log(&mut self, level: LogLevel, message: &str) {
        (self.log)(level, message);
    }
}
