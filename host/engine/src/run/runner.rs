//! `Runner`: one function's place in its work. Makes plans, on top of plans that are not committed
//! yet; whoever drives it carries them to the writer and tells how they ended.

use std::collections::{BTreeSet, VecDeque};

use super::calls::{Writes, to_plan};
use super::handler::{Call, Fault, Stopped};
use super::rebuild;
use crate::model::{
    CallLimits, Digest, EventRef, FailurePolicy, Guest, LogLevel, ParkedEvent, Plan, PlanMode, Position, Timestamp, limits,
};
use crate::store::{Batch, Filter, FunctionRow, Portion, Snapshot, StoreError};

/// Names a plan until it is settled.
pub type Ticket = u64;

/// Plans that may wait for the writer at once: the next batch runs while the last one is written.
const IN_FLIGHT_MAX: usize = 2;

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

/// An event that failed and will be tried again.
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
    in_flight: VecDeque<InFlight>,
    tickets: Ticket,
    /// Nothing that the function reads lies between its cursor and here, as long as its epoch is the
    /// same.
    seen: Position,
    epoch: u64,
    retrying: Option<Retrying>,
    audit: Audit,
}

/// A plan on its way.
#[derive(Debug)]
struct InFlight {
    ticket: Ticket,
    epoch: u64,
    from: Position,
    to: Position,
    writes: Writes,
    /// Digest of the writes, zero for none.
    wrote: Digest,
    /// Whether another plan may stand on this one: not if it parks or halts.
    stands: bool,
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
            audit: Audit::default(),
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
        match how {
            Settled::Committed => drop(self.in_flight.remove(at)),
            Settled::Refused => {
                self.in_flight.truncate(at);
                self.seen = Position::START;
            }
        }
    }

    /// Makes the next plan, or says what it waits for.
    pub fn step(
        &mut self,
        snapshot: &Snapshot,
        guest: &dyn Guest,
        now: Timestamp,
        log: &mut dyn FnMut(LogLevel, &str),
    ) -> Result<Step, StoreError> {
        let Some(row) = snapshot.function(&self.function).cloned().filter(|row| row.is_active()) else { return Ok(Step::Inactive) };
        if row.epoch != self.epoch {
            // Deployed, paused, rewound or released since: what was known of it isn't any more.
            (self.epoch, self.seen, self.retrying) = (row.epoch, Position::START, None);
        }
        let on_its_own = self.in_flight.is_empty();
        if !on_its_own && !self.may_stand_on_flight(&row) {
            return Ok(Step::Waiting);
        }
        if (row.rebuild.is_some() || row.released > 0) && !on_its_own {
            return Ok(Step::Waiting);
        }
        if row.rebuild.is_some() {
            return Ok(match rebuild::plan(snapshot, &row, &mut self.call(snapshot, guest, &row, log), now)? {
                Ok(plan) => self.propose(plan, Writes::new(), false),
                Err(why) => unavailable(&row, &why, now, log),
            });
        }
        if row.released > 0
            && let Some(step) = self.release(snapshot, guest, &row, now, log)?
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
        self.read_on(snapshot, guest, &row, now, log)
    }

    /// Whether the writes in flight, over this snapshot's state, make the state of a moment: so if the
    /// snapshot is of before the first of the plans or after one of them.
    fn may_stand_on_flight(&self, row: &FunctionRow) -> bool {
        let fits = self.in_flight.iter().any(|plan| plan.from == row.cursor || plan.to == row.cursor);
        fits && self.in_flight.len() < IN_FLIGHT_MAX && self.in_flight.iter().all(|plan| plan.stands && plan.epoch == row.epoch)
    }

    fn call<'a>(
        &'a mut self,
        snapshot: &'a Snapshot,
        guest: &'a dyn Guest,
        row: &'a FunctionRow,
        log: &'a mut dyn FnMut(LogLevel, &str),
    ) -> Call<'a> {
        let asked = &row.manifest.limits;
        Call {
            snapshot,
            guest,
            manifest: &row.manifest,
            ordinal: row.ordinal,
            limits: CallLimits {
                fuel: asked.fuel.unwrap_or(limits::FUEL_PER_CALL_MAX),
                memory_bytes: asked.memory_bytes.map_or(limits::GUEST_MEMORY_BYTES_MAX, |bytes| bytes as usize),
                fresh_instance: false,
            },
            in_flight: self.in_flight.iter().map(|plan| &plan.writes).collect(),
            log,
            calls: 0,
        }
    }

    fn propose(&mut self, plan: Plan, writes: Writes, stands: bool) -> Step {
        self.tickets += 1;
        let wrote = plan.state_digest.unwrap_or(Digest::ZERO);
        self.in_flight.push_back(InFlight { ticket: self.tickets, epoch: plan.epoch, from: plan.from, to: plan.to, writes, wrote, stands });
        Step::Plan(self.tickets, Box::new(plan))
    }

    /// The next batch after the cursor, or after the plans in flight.
    fn read_on(
        &mut self,
        snapshot: &Snapshot,
        guest: &dyn Guest,
        row: &FunctionRow,
        now: Timestamp,
        log: &mut dyn FnMut(LogLevel, &str),
    ) -> Result<Step, StoreError> {
        let from = self.in_flight.back().map_or(row.cursor, |plan| plan.to);
        let after = from.max(self.seen);
        let retry = self.retrying.as_ref().map(|retrying| retrying.position);
        let portion =
            Portion { events: if retry == Some(after.next()) { 1 } else { limits::EVENTS_PER_BATCH_MAX }, bytes: limits::BATCH_BYTES_MAX };
        let (batch, seen) = snapshot.collect(after, snapshot.head(), &Filter::types(row.patterns()), portion)?;
        if batch.is_empty() {
            self.seen = seen;
            return Ok(if self.in_flight.is_empty() { Step::Idle } else { Step::Waiting });
        }
        let mut plan = empty_plan(row, from, from, PlanMode::Live);
        plan.stands_on = self.in_flight.back().map(|under| under.wrote);
        let (writes, stopped) = self.handle(snapshot, guest, row, &batch, now, log, &mut plan)?;
        match stopped {
            None => {}
            Some(Stopped::Unavailable(why)) => {
                let later = unavailable(row, &why, now, log);
                if plan.handled.is_empty() {
                    return Ok(later);
                }
            }
            Some(Stopped::Failed(fault)) => {
                let Some(event) = batch.events().get(plan.handled.len()).map(|event| (event.position, event.subject.to_owned())) else {
                    return Ok(Step::Waiting);
                };
                self.failed(row, event, fault, now, &mut plan);
                if plan.handled.is_empty() && plan.halted.is_none() {
                    return Ok(self.retrying.as_ref().map_or(Step::Waiting, |retrying| Step::Later(retrying.not_before)));
                }
            }
        }
        let stands = plan.parked.is_empty() && plan.halted.is_none();
        plan.set_state(to_plan(writes.clone()));
        Ok(self.propose(plan, writes, stands))
    }

    /// Runs a batch into `plan`: what it parks without a call, what it calls. Answers the state writes,
    /// and why it stopped before the end.
    #[expect(clippy::too_many_arguments, reason = "one step, cut in two for reading")]
    fn handle(
        &mut self,
        snapshot: &Snapshot,
        guest: &dyn Guest,
        row: &FunctionRow,
        batch: &Batch,
        now: Timestamp,
        log: &mut dyn FnMut(LogLevel, &str),
        plan: &mut Plan,
    ) -> Result<(Writes, Option<Stopped>), StoreError> {
        let events = batch.events();
        let mut call = self.call(snapshot, guest, row, log);
        let mut writes = Writes::new();
        let mut stopped = None;
        let mut parked_here: BTreeSet<&str> = BTreeSet::new();
        let mut next = 0;
        while next < events.len() && stopped.is_none() {
            if let Some((reason, message)) = set_aside(snapshot, row, &events[next], &parked_here)? {
                if !events[next].subject.is_empty() {
                    parked_here.insert(events[next].subject);
                }
                plan.parked.push(parked_event(&events[next], reason, message, 0, now));
                plan.handled.push(events[next].position);
                plan.to = events[next].position;
                next += 1;
                continue;
            }
            let mut end = next + 1;
            while end < events.len() && set_aside(snapshot, row, &events[end], &parked_here)?.is_none() {
                end += 1;
            }
            let mut progress = call.run_on(&events[next..end], &writes);
            let done = &events[next..next + progress.done];
            plan.handled.extend(done.iter().map(|event| event.position));
            plan.to = done.last().map_or(plan.to, |event| event.position);
            plan.emitted.append(&mut progress.emitted);
            writes.append(&mut progress.writes);
            stopped = progress.stopped;
            next = end;
        }
        let calls = call.calls;
        self.audit.calls += calls;
        Ok((writes, stopped))
    }

    /// What follows when an event alone has failed: another attempt, parking, or a halt.
    fn failed(&mut self, row: &FunctionRow, (position, subject): (Position, String), fault: Fault, now: Timestamp, plan: &mut Plan) {
        self.audit.failed_attempts += 1;
        let attempts = 1 + self.retrying.as_ref().filter(|retrying| retrying.position == position).map_or(0, |retrying| retrying.attempts);
        let attempts_max = row.manifest.limits.attempts.unwrap_or(limits::ATTEMPTS_DEFAULT);
        if fault.retry && attempts < attempts_max {
            let delay_ms = (limits::RETRY_DELAY_MS_MIN << (attempts - 1).min(20)).min(limits::RETRY_DELAY_MS_MAX);
            self.retrying =
                Some(Retrying { position, attempts, not_before: now.plus_ms(delay_ms), reason: fault.reason, message: fault.message });
            return;
        }
        self.retrying = None;
        let parked = ParkedEvent { position, subject, reason: fault.reason.to_owned(), message: fault.message, attempts, since: now };
        match row.manifest.failure_policy {
            FailurePolicy::Halt => plan.halted = Some(parked),
            FailurePolicy::Park => {
                plan.to = position;
                plan.handled.push(position);
                plan.parked.push(parked);
            }
        }
    }

    /// Tries the oldest released event again, alone. Its subject's later ones follow in order.
    fn release(
        &mut self,
        snapshot: &Snapshot,
        guest: &dyn Guest,
        row: &FunctionRow,
        now: Timestamp,
        log: &mut dyn FnMut(LogLevel, &str),
    ) -> Result<Option<Step>, StoreError> {
        let Some(parked) = snapshot.first_released(row.ordinal)? else { return Ok(None) };
        let batch = snapshot.pick(&[parked.position])?;
        let events = batch.events();
        let mut call = self.call(snapshot, guest, row, log);
        let progress = call.run_on(&events, &Writes::new());
        self.audit.calls += call.calls;
        let mut plan = empty_plan(row, row.cursor, row.cursor, PlanMode::Release);
        plan.handled.push(parked.position);
        match progress.stopped {
            None => {
                plan.unparked.push(parked.position);
                plan.emitted = progress.emitted;
                plan.set_state(to_plan(progress.writes));
            }
            Some(Stopped::Unavailable(why)) => return Ok(Some(unavailable(row, &why, now, log))),
            Some(Stopped::Failed(fault)) => {
                self.audit.failed_attempts += 1;
                plan.parked.push(ParkedEvent {
                    reason: fault.reason.to_owned(),
                    message: fault.message,
                    attempts: parked.attempts + 1,
                    since: now,
                    ..parked
                });
            }
        }
        Ok(Some(self.propose(plan, Writes::new(), false)))
    }
}

/// Why an event is set aside before it is handed to the function, if it is.
fn set_aside(
    snapshot: &Snapshot,
    row: &FunctionRow,
    event: &EventRef<'_>,
    parked_here: &BTreeSet<&str>,
) -> Result<Option<(&'static str, String)>, StoreError> {
    if event.hops > limits::HOPS_MAX {
        return Ok(Some((
            "hops",
            format!(
                "more than {} events stand between this one and its first cause: the functions may feed each other in a circle",
                limits::HOPS_MAX
            ),
        )));
    }
    let behind = !event.subject.is_empty()
        && (parked_here.contains(event.subject) || (row.parked > 0 && snapshot.is_parked(row.ordinal, event.subject)?));
    Ok(behind.then(|| ("behind", "an earlier event of its subject is parked".to_owned())))
}

/// Nothing is decided of an event that the host could not run: it is tried again soon.
fn unavailable(row: &FunctionRow, why: &str, now: Timestamp, log: &mut dyn FnMut(LogLevel, &str)) -> Step {
    log(LogLevel::Error, &format!("the host could not run {}: {why}", row.name));
    Step::Later(now.plus_ms(limits::RETRY_DELAY_MS_MIN))
}

fn parked_event(event: &EventRef<'_>, reason: &str, message: String, attempts: u32, now: Timestamp) -> ParkedEvent {
    ParkedEvent { position: event.position, subject: event.subject.to_owned(), reason: reason.to_owned(), message, attempts, since: now }
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
    }
}
