//! Calling a handler with a batch, and finding the event that it can't handle.

use super::calls::{CallState, Writes};
use super::outputs::emitted;
use crate::model::{
    Answer, CallLimits, Emitted, EventRef, Failure, FailureKind, FunctionManifest, Guest, GuestFault, LogLevel, StateError,
};
use crate::store::Snapshot;

/// What a call needs beside its events.
pub struct Call<'a> {
    pub snapshot: &'a Snapshot,
    pub guest: &'a dyn Guest,
    pub manifest: &'a FunctionManifest,
    /// Where the function's state is.
    pub slot: u32,
    pub limits: CallLimits,
    /// State writes of plans in flight, oldest first.
    pub in_flight: Vec<&'a Writes>,
    pub log: &'a mut dyn FnMut(LogLevel, &str),
    pub calls: u64,
}

/// How far a batch was handled.
#[derive(Debug, Default)]
pub struct Progress {
    /// Events dealt with, from the first on; each form of one counts.
    pub done: usize,
    pub emitted: Vec<Emitted>,
    pub writes: Writes,
    /// Why the event at `done` was not.
    pub stopped: Option<Stopped>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    Failed(Fault),
    /// The host could not run it: nothing is known of the event.
    Unavailable(String),
}

/// Why an event failed, alone in a fresh instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// One word, as `ParkedEvent::reason` has it.
    pub reason: &'static str,
    pub message: String,
    /// Whether another attempt could end otherwise.
    pub retry: bool,
}

impl Fault {
    pub fn output(message: String) -> Fault {
        Fault { reason: "output", message, retry: true }
    }

    pub fn undeclared(message: String) -> Fault {
        Fault { reason: "undeclared", message, retry: true }
    }

    /// What the function itself says.
    pub fn said(failure: Failure) -> Fault {
        match failure.kind {
            FailureKind::Retry => Fault { reason: "retry", message: failure.message, retry: true },
            FailureKind::Reject => Fault { reason: "reject", message: failure.message, retry: false },
        }
    }

    pub fn of(fault: GuestFault) -> Fault {
        let reason = match &fault {
            GuestFault::Trapped(_) => "trap",
            GuestFault::OutOfFuel { .. } => "fuel",
            GuestFault::OutOfMemory { .. } => "memory",
            GuestFault::StateRefused(_) => "state",
            GuestFault::BadOutput(_) => "output",
            GuestFault::Schema(_) => "schema",
        };
        Fault { reason, message: fault.to_string(), retry: true }
    }
}

enum Called {
    Done(Vec<Emitted>, Writes),
    /// The function names the event that it can't handle.
    Named(usize, Fault),
    /// The call is condemned; nobody knows yet by which event.
    Fault(Fault),
    Unavailable(String),
}

impl Call<'_> {
    /// Hands the events to the function. Where a call fails it is split, until one event alone in a
    /// fresh instance has failed; what comes before that stands.
    ///
    /// `earlier` are state writes of the same plan; what is answered comes on top of them.
    pub fn run_on(&mut self, events: &[EventRef<'_>], earlier: &Writes) -> Progress {
        let mut progress = Progress::default();
        let one_at_a_time = self.guest.one_event_a_call();
        while progress.stopped.is_none() && progress.done < events.len() {
            let next = if one_at_a_time { end_of_one(events, progress.done) } else { events.len() };
            self.split(&events[progress.done..next], earlier, &mut progress);
        }
        progress
    }

    fn split(&mut self, events: &[EventRef<'_>], earlier: &Writes, progress: &mut Progress) {
        if events.is_empty() || progress.stopped.is_some() {
            return;
        }
        // The parts of an event that was turned into several stand and fall together.
        let one = end_of_one(events, 0) == events.len();
        let first_fresh = one && self.guest.one_event_a_call();
        match self.call(events, [earlier, &progress.writes], first_fresh) {
            Called::Done(emitted, writes) => progress.take(events.len(), emitted, writes),
            Called::Unavailable(why) => progress.stopped = Some(Stopped::Unavailable(why)),
            Called::Named(_, fault) | Called::Fault(fault) if one => {
                if first_fresh {
                    progress.stopped = Some(Stopped::Failed(fault));
                } else {
                    self.alone(events, earlier, progress);
                }
            }
            Called::Named(at, _) => {
                let begin = begin_of_one(events, at);
                self.split(&events[..begin], earlier, progress);
                self.alone_then(events, begin, earlier, progress);
            }
            Called::Fault(_) => {
                let (first, second) = events.split_at(middle(events));
                self.split(first, earlier, progress);
                self.split(second, earlier, progress);
            }
        }
    }

    fn alone_then(&mut self, events: &[EventRef<'_>], at: usize, earlier: &Writes, progress: &mut Progress) {
        if progress.stopped.is_none() {
            let end = end_of_one(events, at);
            self.alone(&events[at..end], earlier, progress);
            if progress.stopped.is_none() {
                self.split(&events[end..], earlier, progress);
            }
        }
    }

    /// One event in an instance that nothing ran in before: the judgement.
    fn alone(&mut self, event: &[EventRef<'_>], earlier: &Writes, progress: &mut Progress) {
        match self.call(event, [earlier, &progress.writes], true) {
            Called::Done(emitted, writes) => progress.take(event.len(), emitted, writes),
            Called::Unavailable(why) => progress.stopped = Some(Stopped::Unavailable(why)),
            Called::Named(_, fault) | Called::Fault(fault) => progress.stopped = Some(Stopped::Failed(fault)),
        }
    }

    /// Runs events that passed once more: each alone, or as one batch in a fresh instance. `None` where the
    /// host could not run them. What they say is not logged: it was said the first time.
    pub fn again(&mut self, events: &[EventRef<'_>], earlier: &Writes, alone: bool) -> Option<Result<(Vec<Emitted>, Writes), String>> {
        let mut unheard = |_, _: &str| {};
        let mut quiet = Call {
            snapshot: self.snapshot,
            guest: self.guest,
            manifest: self.manifest,
            slot: self.slot,
            limits: self.limits,
            in_flight: self.in_flight.clone(),
            log: &mut unheard,
            calls: 0,
        };
        let answer = quiet.run_again(events, earlier, alone);
        self.calls += quiet.calls;
        answer
    }

    fn run_again(&mut self, events: &[EventRef<'_>], earlier: &Writes, alone: bool) -> Option<Result<(Vec<Emitted>, Writes), String>> {
        let (mut all, mut writes, mut at) = (Vec::new(), Writes::new(), 0);
        while at < events.len() {
            let end = if alone || self.guest.one_event_a_call() { end_of_one(events, at) } else { events.len() };
            match self.call(&events[at..end], [earlier, &writes], !alone || self.guest.one_event_a_call()) {
                Called::Done(emitted, more) => {
                    all.extend(emitted);
                    writes.extend(more);
                }
                Called::Unavailable(_) => return None,
                Called::Named(_, fault) | Called::Fault(fault) => return Some(Err(fault.message)),
            }
            at = end;
        }
        Some(Ok((all, writes)))
    }

    fn call(&mut self, events: &[EventRef<'_>], earlier: [&Writes; 2], fresh_instance: bool) -> Called {
        let under = self.in_flight.iter().copied().chain(earlier).collect();
        let mut state = CallState::new(self.snapshot, self.slot, self.manifest.split, under, events, self.log);
        self.calls += 1;
        let answer = self.guest.handle(&self.manifest.name, events, &CallLimits { fresh_instance, ..self.limits }, &mut state);
        let writes = state.own;
        match answer {
            Answer::Reactions(reactions) => match emitted(self.manifest, events, reactions) {
                Ok(emitted) => Called::Done(emitted, writes),
                Err(fault) => Called::Fault(fault),
            },
            Answer::Failed(failure) => match failure.event as usize {
                at if at < events.len() => Called::Named(at, Fault::said(failure)),
                outside => Called::Fault(Fault::output(format!("a failure names event {outside} in a batch of {}", events.len()))),
            },
            Answer::Fault(GuestFault::StateRefused(StateError::Storage(why))) | Answer::Unavailable(why) => Called::Unavailable(why),
            Answer::Fault(fault) => Called::Fault(Fault::of(fault)),
        }
    }
}

/// Where the forms of the event at `at` begin: they have one position.
pub fn begin_of_one(events: &[EventRef<'_>], at: usize) -> usize {
    events.partition_point(|event| event.position < events[at].position)
}

pub fn end_of_one(events: &[EventRef<'_>], at: usize) -> usize {
    let position = events[at].position;
    at + events[at..].iter().take_while(|event| event.position == position).count()
}

/// The border between events that is nearest to the half; there is one, as there are two events.
pub fn middle(events: &[EventRef<'_>]) -> usize {
    match begin_of_one(events, events.len() / 2) {
        0 => end_of_one(events, 0),
        border => border,
    }
}

impl Progress {
    fn take(&mut self, events: usize, emitted: Vec<Emitted>, writes: Writes) {
        self.done += events;
        self.emitted.extend(emitted);
        self.writes.extend(writes);
    }
}
