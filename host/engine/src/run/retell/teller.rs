//! `Teller`: one function in a step of a retelling.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::decider::Decider;
use crate::model::{
    Emitted, EventRef, FunctionKind, Guest, ParkedEvent, Position, Processing, StateWrite, Timestamp, aggregate_source, function_source,
    limits, state_digest,
};
use crate::run::Guests;
use crate::run::calls::{Writes, to_plan};
use crate::run::handler::{Call, Fault, Stopped};
use crate::run::upcast::{Wanted, upcast};
use crate::store::{FunctionRow, Snapshot, StoreError, Upcasting};

pub struct Teller {
    pub row: Arc<FunctionRow>,
    pub source: String,
    pub wanted: Wanted,
    guest: Option<Arc<dyn Guest>>,
    /// Of an aggregate, which reads commands.
    pub decider: Option<Decider>,
    /// It reads nothing before a source event beyond this position of the old log is told.
    pub waits_for: Option<Position>,
    /// Events, or commands, that it reads and has not dealt with, oldest first.
    pub pending: VecDeque<Position>,
    pub cursor: Position,
    /// Its cursor when the record under way began.
    from: Position,
    /// What earlier records of the step wrote, and what this one does.
    earlier: Writes,
    writes: Writes,
    parked: Vec<ParkedEvent>,
    /// Subjects of which an event was parked in this step.
    parked_subjects: BTreeSet<String>,
}

/// What everybody in a step reads with.
pub struct Around<'a> {
    pub snapshot: &'a Snapshot,
    pub guests: &'a dyn Guests,
    pub upcasting: &'a Upcasting,
}

/// What came of an event.
pub enum Outcome {
    Emitted(Vec<Emitted>),
    Parked,
    Halted(Fault),
    Unavailable(String),
}

impl Teller {
    pub fn new(row: &Arc<FunctionRow>, around: &Around<'_>, waits_for: Option<Position>) -> Teller {
        let is_aggregate = row.manifest.kind == FunctionKind::Aggregate;
        Teller {
            row: row.clone(),
            source: if is_aggregate { aggregate_source(&row.name) } else { function_source(&row.name) },
            decider: is_aggregate.then(Decider::default),
            wanted: Wanted::by(&row.manifest, around.upcasting),
            guest: around.guests.guest(row.module),
            waits_for,
            pending: VecDeque::new(),
            cursor: row.cursor,
            from: row.cursor,
            earlier: Writes::new(),
            writes: Writes::new(),
            parked: Vec::new(),
            parked_subjects: BTreeSet::new(),
        }
    }

    /// Whether it reads stored events of this type.
    pub fn reads(&self, r#type: &str) -> bool {
        self.wanted.stored().iter().any(|pattern| pattern.matches(r#type))
    }

    /// It begins after `at`.
    pub fn begin(&mut self, at: Position) {
        (self.waits_for, self.cursor, self.from) = (None, at, at);
    }

    /// Deals with one stored event, or command. `since`: see [`Decider::decide`].
    pub fn tell(
        &mut self,
        around: &Around<'_>,
        event: &EventRef<'_>,
        since: (&[EventRef<'_>], Position),
        recorded: Timestamp,
    ) -> Result<Outcome, StoreError> {
        if let Some((reason, message)) = self.set_aside(around.snapshot, event)? {
            self.park(event, reason, message, 0, recorded);
            return Ok(Outcome::Parked);
        }
        let attempts_max = self.row.manifest.limits.attempts.unwrap_or(limits::ATTEMPTS_DEFAULT);
        let mut attempts = 0;
        let fault = loop {
            attempts += 1;
            let answer = match &mut self.decider {
                None => self.attempt(around, event),
                Some(decider) => {
                    let made = decider.decide(around, (&self.row, &self.wanted), event, since.0, since.1)?;
                    made.map(|made| (made, Writes::new()))
                }
            };
            match answer {
                Ok((emitted, mut writes)) => {
                    self.writes.append(&mut writes);
                    self.cursor = event.position;
                    return Ok(Outcome::Emitted(emitted));
                }
                Err(Stopped::Unavailable(why)) => return Ok(Outcome::Unavailable(why)),
                Err(Stopped::Failed(fault)) if fault.retry && attempts < attempts_max => {}
                Err(Stopped::Failed(fault)) => break fault,
            }
        };
        if self.row.manifest.failure_policy == crate::model::FailurePolicy::Halt {
            return Ok(Outcome::Halted(fault));
        }
        self.park(event, fault.reason, fault.message, attempts, recorded);
        Ok(Outcome::Parked)
    }

    fn attempt(&self, around: &Around<'_>, event: &EventRef<'_>) -> Result<(Vec<Emitted>, Writes), Stopped> {
        let made;
        let events: &[EventRef<'_>] = if self.wanted.upcasts(event.r#type) {
            let (mut forms, stopped) = upcast(around.guests, around.upcasting, &self.wanted, std::slice::from_ref(event));
            if let Some(stopped) = stopped {
                return Err(stopped);
            }
            made = forms.pop().flatten().unwrap_or_default();
            let delivered = made.iter().filter(|part| self.wanted.delivers(&part.r#type));
            &delivered.map(|part| part.over(event)).collect::<Vec<_>>()
        } else {
            std::slice::from_ref(event)
        };
        if events.is_empty() {
            return Ok((Vec::new(), Writes::new()));
        }
        let Some(guest) = &self.guest else {
            return Err(Stopped::Unavailable(format!("the module of {} is not loaded", self.row.name)));
        };
        let mut call = Call {
            snapshot: around.snapshot,
            guest: &**guest,
            manifest: &self.row.manifest,
            slot: self.row.slot,
            limits: self.row.manifest.limits.of_a_call(),
            in_flight: vec![&self.earlier, &self.writes],
            log: &mut |_, _| {},
            calls: 0,
        };
        let progress = call.run_on(events, &Writes::new());
        match progress.stopped {
            Some(stopped) => Err(stopped),
            None => Ok((progress.emitted, progress.writes)),
        }
    }

    fn set_aside(&self, snapshot: &Snapshot, event: &EventRef<'_>) -> Result<Option<(&'static str, String)>, StoreError> {
        crate::run::read_on::set_aside(snapshot, &self.row, event.subject, event.hops, |subject| self.parked_subjects.contains(subject))
    }

    fn park(&mut self, event: &EventRef<'_>, reason: &str, message: String, attempts: u32, since: Timestamp) {
        if !event.subject.is_empty() {
            self.parked_subjects.insert(event.subject.to_owned());
        }
        let (position, subject) = (event.position, event.subject.to_owned());
        self.parked.push(ParkedEvent { position, subject, reason: reason.to_owned(), message, attempts, since });
        self.cursor = position;
    }

    /// What the record under way says of the function, if anything, and what it wrote there.
    pub fn close(&mut self) -> Option<(Processing, Vec<StateWrite>)> {
        if self.cursor == self.from {
            return None;
        }
        let writes = to_plan(self.writes.clone());
        self.earlier.append(&mut self.writes);
        let from = std::mem::replace(&mut self.from, self.cursor);
        let reaction = Processing::Reaction {
            function: self.row.name.clone(),
            module: self.row.module,
            from,
            to: self.cursor,
            rebuild: None,
            state: state_digest(&writes),
            parked: std::mem::take(&mut self.parked),
            unparked: Vec::new(),
            halted: None,
        };
        Some((reaction, writes))
    }
}
