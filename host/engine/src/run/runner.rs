//! `Runner`: one function's place in its work. Makes plans, on top of plans that are not committed
//! yet; whoever drives it carries them to the writer and tells how they ended.

use std::collections::VecDeque;

use super::calls::Writes;
use super::deciding::Deciding;
use super::handler::Call;
use super::reading::Reading;
use super::rebuild::{self, Bringing};
use crate::model::{Digest, FunctionKind, Guest, LogLevel, Plan, PlanMode, Position, Timestamp, limits};
use crate::store::{FunctionRow, Past, StoreError};

/// Names a plan until it is settled.
pub type Ticket = u64;

/// Plans that may wait for the writer at once: the next batch runs while the last one is written.
const IN_FLIGHT_MAX: usize = 2;
/// A pause while the function's module is not loaded.
const NOT_LOADED_MS: u64 = 1_000;

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Propose it, then tell [`Runner::settled`].
    Plan(Ticket, Box<Plan>),
    /// Everything up to the snapshot's head is read.
    Idle,
    /// A plan must settle first.
    Waiting,
    /// Nothing before this time: an event is to be tried again.
    Later(Timestamp),
    /// The function doesn't run.
    Inactive,
}

/// How a plan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    Committed,
    /// It stood on something that was no longer so; nothing of it was done.
    Refused,
}

/// An event that failed and will be tried again; or, with no attempt yet, the first that may come after a pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retrying {
    pub position: Position,
    pub attempts: u32,
    pub not_before: Timestamp,
    pub reason: &'static str,
    pub message: String,
}

/// What a runner did, for those who watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    pub calls: u64,
    pub failed_attempts: u64,
}

#[derive(Debug)]
pub struct Runner {
    function: String,
    pub(super) in_flight: VecDeque<InFlight>,
    tickets: Ticket,
    /// Nothing that the function reads lies between its cursor and here, as long as its epoch is the
    /// same.
    pub(super) seen: Position,
    pub(super) epoch: u64,
    pub(super) retrying: Option<Retrying>,
    /// Events that were parked after their last attempt since one was handled.
    pub(super) faults_in_a_row: u32,
    pub(super) audit: Audit,
    pub(super) plans_until_audit: u32,
    /// How far a rebuild is, from plan to plan.
    rebuilding: Option<Past>,
    pub(super) deciding: Deciding,
}

/// What a step works with.
pub(super) struct Work<'a> {
    pub reading: &'a Reading<'a>,
    pub guest: &'a dyn Guest,
    pub row: &'a FunctionRow,
    pub now: Timestamp,
}

/// A plan on its way.
#[derive(Debug)]
pub(super) struct InFlight {
    pub ticket: Ticket,
    pub epoch: u64,
    pub from: Position,
    pub to: Position,
    pub writes: Writes,
    /// Digest of the writes, zero for none.
    pub wrote: Digest,
    /// Whether another plan may stand on this one: not if it parks or halts.
    pub stands: bool,
}

impl Runner {
    pub fn new(function: &str) -> Runner {
        Runner {
            function: function.to_owned(),
            in_flight: VecDeque::new(),
            tickets: 0,
            seen: Position::START,
            epoch: 0,
            retrying: None,
            faults_in_a_row: 0,
            audit: Audit::default(),
            plans_until_audit: 0,
            rebuilding: None,
            deciding: Deciding::default(),
        }
    }

    pub fn function(&self) -> &str {
        &self.function
    }

    pub fn retrying(&self) -> Option<&Retrying> {
        self.retrying.as_ref()
    }

    pub fn audit(&self) -> Audit {
        self.audit
    }

    /// Takes the end of a plan into account. One that was refused takes those on top of it along.
    pub fn settled(&mut self, ticket: Ticket, how: Settled) {
        let Some(at) = self.in_flight.iter().position(|plan| plan.ticket == ticket) else { return };
        self.deciding.settled(how == Settled::Committed);
        match how {
            Settled::Committed => drop(self.in_flight.remove(at)),
            Settled::Refused => {
                self.in_flight.truncate(at);
                self.seen = Position::START;
            }
        }
    }

    /// Makes the next plan, or says what it waits for. Handlers are run here, and aggregates that functions send
    /// commands to.
    pub fn step(&mut self, reading: &Reading<'_>, now: Timestamp, log: &mut dyn FnMut(LogLevel, &str)) -> Result<Step, StoreError> {
        let snapshot = reading.snapshot;
        let runs = |row: &std::sync::Arc<FunctionRow>| {
            row.is_active() && matches!(row.manifest.kind, FunctionKind::Handler | FunctionKind::Aggregate)
        };
        let Some(row) = snapshot.function(&self.function).cloned().filter(runs) else { return Ok(Step::Inactive) };
        if row.epoch != self.epoch {
            // Deployed, paused, rewound or released since: what was known of it isn't any more.
            (self.epoch, self.seen, self.retrying, self.plans_until_audit) = (row.epoch, Position::START, None, 0);
            self.faults_in_a_row = 0;
            self.deciding.forget();
        }
        let on_its_own = self.in_flight.is_empty();
        if !on_its_own && !self.may_stand_on_flight(&row) {
            return Ok(Step::Waiting);
        }
        // What an aggregate decided belongs to the state that it decides on next.
        let waits = row.rebuild.is_some() || row.released > 0 || row.manifest.kind == FunctionKind::Aggregate;
        if waits && !on_its_own {
            return Ok(Step::Waiting);
        }
        let Some(guest) = reading.guests.guest(row.module) else {
            log(LogLevel::Error, &format!("the module of {} is not loaded", row.name));
            return Ok(Step::Later(now.plus_ms(NOT_LOADED_MS)));
        };
        let work = Work { reading, guest: &*guest, row: &row, now };
        if row.rebuild.is_some() {
            let bringing = Bringing { reading, manifest: &row.manifest, row: &row, guest: &*guest, slot: row.slot };
            return Ok(match rebuild::plan(&bringing, &mut self.rebuilding, now, log)? {
                Ok((plan, calls)) => {
                    self.audit.calls += calls;
                    self.propose(plan, Writes::new(), false)
                }
                Err(why) => unavailable(&row, &why, now, log),
            });
        }
        let decides = row.manifest.kind == FunctionKind::Aggregate;
        if row.released > 0
            && let Some(step) = if decides { self.release_command(&work, log)? } else { self.release(&work, log)? }
        {
            return Ok(step);
        }
        if let Some(retrying) = &self.retrying {
            if retrying.position <= row.cursor {
                self.retrying = None;
            } else if now < retrying.not_before {
                return Ok(Step::Later(retrying.not_before));
            }
        }
        if decides { self.decide_on(&work, log) } else { self.read_on(&work, log) }
    }

    /// Whether the writes in flight, over this snapshot's state, make the state of a moment: so if the
    /// snapshot is of before the first of the plans or after one of them.
    fn may_stand_on_flight(&self, row: &FunctionRow) -> bool {
        let fits = self.in_flight.iter().any(|plan| plan.from == row.cursor || plan.to == row.cursor);
        fits && self.in_flight.len() < IN_FLIGHT_MAX && self.in_flight.iter().all(|plan| plan.stands && plan.epoch == row.epoch)
    }

    pub(super) fn call<'a>(&'a self, work: &'a Work<'_>, log: &'a mut dyn FnMut(LogLevel, &str)) -> Call<'a> {
        Call {
            snapshot: work.reading.snapshot,
            guest: work.guest,
            manifest: &work.row.manifest,
            slot: work.row.slot,
            limits: work.row.manifest.limits.of_a_call(),
            in_flight: self.in_flight.iter().map(|plan| &plan.writes).collect(),
            log,
            calls: 0,
        }
    }

    pub(super) fn propose(&mut self, plan: Plan, writes: Writes, stands: bool) -> Step {
        self.tickets += 1;
        let wrote = plan.state_digest.unwrap_or(Digest::ZERO);
        self.in_flight.push_back(InFlight { ticket: self.tickets, epoch: plan.epoch, from: plan.from, to: plan.to, writes, wrote, stands });
        Step::Plan(self.tickets, Box::new(plan))
    }
}

/// Nothing is decided of an event that the host could not run: it is tried again soon.
pub(super) fn unavailable(row: &FunctionRow, why: &str, now: Timestamp, log: &mut dyn FnMut(LogLevel, &str)) -> Step {
    log(LogLevel::Error, &format!("the host could not run {}: {why}", row.name));
    Step::Later(now.plus_ms(limits::RETRY_DELAY_MS_MIN))
}

/// A plan that changes nothing yet.
pub fn empty_plan(row: &FunctionRow, from: Position, to: Position, mode: PlanMode) -> Plan {
    Plan {
        function: row.name.clone(),
        module: row.module,
        epoch: row.epoch,
        from,
        to,
        stands_on: None,
        mode,
        handled: Vec::new(),
        emitted: Vec::new(),
        state: Vec::new(),
        state_digest: None,
        parked: Vec::new(),
        unparked: Vec::new(),
        halted: None,
        folded: Vec::new(),
    }
}
