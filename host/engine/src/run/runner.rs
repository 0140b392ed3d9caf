//! `Runner`: one function's place in its work. Makes plans, on top of plans that are not committed
//! yet; whoever drives it carries them to the writer and tells how they ended.

use std::collections::{BTreeSet, VecDeque};

use super::audit;
use super::calls::{Writes, to_plan};
use super::handler::{Call, Fault, Stopped};
use super::reading::{Reading, Taken};
use super::rebuild;
use super::view::retry_delay_ms;
use crate::model::{
    Digest, EventRef, FailurePolicy, FunctionKind, Guest, LogLevel, ParkedEvent, Plan, PlanMode, Position, Timestamp, limits,
};
use crate::store::{FunctionRow, Portion, Snapshot, StoreError};

/// Names a plan until it is settled.
pub type Ticket = u64;

/// Plans that may wait for the writer at once: the next batch runs while the last one is written.
const IN_FLIGHT_MAX: usize = 2;
/// A pause while the function's module is not loaded.
const NOT_LOADED_MS: u64 = 1_000;
/// Of so many plans, one is audited; and the first after anything changed.
const PLANS_PER_AUDIT: u32 = 64;

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
    plans_until_audit: u32,
}

/// What a step works with.
struct Work<'a> {
    reading: &'a Reading<'a>,
    guest: &'a dyn Guest,
    row: &'a FunctionRow,
    now: Timestamp,
}

/// What a batch came to.
#[derive(Default)]
struct Handled {
    writes: Writes,
    /// Why it stopped before the end, and at which event.
    stopped: Option<(Stopped, (Position, String))>,
    /// The code answered twice in two ways.
    differs: Option<audit::Difference>,
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
            plans_until_audit: 0,
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

    /// Makes the next plan, or says what it waits for. Only handlers are run here.
    pub fn step(&mut self, reading: &Reading<'_>, now: Timestamp, log: &mut dyn FnMut(LogLevel, &str)) -> Result<Step, StoreError> {
        let snapshot = reading.snapshot;
        let runs = |row: &std::sync::Arc<FunctionRow>| row.is_active() && row.manifest.kind == FunctionKind::Handler;
        let Some(row) = snapshot.function(&self.function).cloned().filter(runs) else { return Ok(Step::Inactive) };
        if row.epoch != self.epoch {
            // Deployed, paused, rewound or released since: what was known of it isn't any more.
            (self.epoch, self.seen, self.retrying, self.plans_until_audit) = (row.epoch, Position::START, None, 0);
        }
        let on_its_own = self.in_flight.is_empty();
        if !on_its_own && !self.may_stand_on_flight(&row) {
            return Ok(Step::Waiting);
        }
        if (row.rebuild.is_some() || row.released > 0) && !on_its_own {
            return Ok(Step::Waiting);
        }
        let Some(guest) = reading.guests.guest(row.module) else {
            log(LogLevel::Error, &format!("the module of {} is not loaded", row.name));
            return Ok(Step::Later(now.plus_ms(NOT_LOADED_MS)));
        };
        let work = Work { reading, guest: &*guest, row: &row, now };
        if row.rebuild.is_some() {
            return Ok(match rebuild::plan(reading, &row, &mut self.call(&work, log), now)? {
                Ok(plan) => self.propose(plan, Writes::new(), false),
                Err(why) => unavailable(&row, &why, now, log),
            });
        }
        if row.released > 0
            && let Some(step) = self.release(&work, log)?
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
        self.read_on(&work, log)
    }

    /// Whether the writes in flight, over this snapshot's state, make the state of a moment: so if the
    /// snapshot is of before the first of the plans or after one of them.
    fn may_stand_on_flight(&self, row: &FunctionRow) -> bool {
        let fits = self.in_flight.iter().any(|plan| plan.from == row.cursor || plan.to == row.cursor);
        fits && self.in_flight.len() < IN_FLIGHT_MAX && self.in_flight.iter().all(|plan| plan.stands && plan.epoch == row.epoch)
    }

    fn call<'a>(&'a self, work: &'a Work<'_>, log: &'a mut dyn FnMut(LogLevel, &str)) -> Call<'a> {
        Call {
            snapshot: work.reading.snapshot,
            guest: work.guest,
            manifest: &work.row.manifest,
            ordinal: work.row.ordinal,
            limits: work.row.manifest.limits.of_a_call(),
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
    fn read_on(&mut self, work: &Work<'_>, log: &mut dyn FnMut(LogLevel, &str)) -> Result<Step, StoreError> {
        let (row, now) = (work.row, work.now);
        let from = self.in_flight.back().map_or(row.cursor, |plan| plan.to);
        let after = from.max(self.seen);
        let retry = self.retrying.as_ref().map(|retrying| retrying.position);
        let portion =
            Portion { events: if retry == Some(after.next()) { 1 } else { limits::EVENTS_PER_BATCH_MAX }, bytes: limits::BATCH_BYTES_MAX };
        let taken = work.reading.take(row, after, work.reading.snapshot.head(), portion)?;
        let stuck = taken.unreadable.is_some() || taken.unavailable.is_some();
        if taken.batch.is_empty() && taken.batch.nothing().is_empty() && !stuck {
            self.seen = taken.seen;
            return Ok(if self.in_flight.is_empty() { Step::Idle } else { Step::Waiting });
        }
        let mut plan = empty_plan(row, from, from, PlanMode::Live);
        plan.stands_on = self.in_flight.back().map(|under| under.wrote);
        let handled = self.handle(work, &taken, log, &mut plan)?;
        if let Some(audit::Difference { position, subject, message }) = handled.differs {
            // Nothing of the batch is kept: nobody knows which answer is the right one.
            let mut plan = empty_plan(row, from, from, PlanMode::Live);
            plan.stands_on = self.in_flight.back().map(|under| under.wrote);
            plan.halted = Some(ParkedEvent { position, subject, reason: "nondeterministic".into(), message, attempts: 1, since: now });
            return Ok(self.propose(plan, Writes::new(), false));
        }
        match handled.stopped {
            None => {}
            Some((Stopped::Unavailable(why), _)) => {
                let later = unavailable(row, &why, now, log);
                if plan.handled.is_empty() {
                    return Ok(later);
                }
            }
            Some((Stopped::Failed(fault), event)) => {
                self.failed(row, event, fault, now, &mut plan);
                if plan.handled.is_empty() && plan.halted.is_none() {
                    return Ok(self.retrying.as_ref().map_or(Step::Waiting, |retrying| Step::Later(retrying.not_before)));
                }
            }
        }
        self.plans_until_audit = self.plans_until_audit.saturating_sub(1);
        let stands = plan.parked.is_empty() && plan.halted.is_none();
        plan.set_state(to_plan(handled.writes.clone()));
        Ok(self.propose(plan, handled.writes, stands))
    }

    /// Runs what was taken into `plan`: what it parks without a call, what it calls.
    fn handle(
        &mut self,
        work: &Work<'_>,
        taken: &Taken,
        log: &mut dyn FnMut(LogLevel, &str),
        plan: &mut Plan,
    ) -> Result<Handled, StoreError> {
        let (snapshot, row) = (work.reading.snapshot, work.row);
        let events = taken.batch.events();
        let mut handled = Handled::default();
        let mut call = self.call(work, log);
        let mut audit_due = self.plans_until_audit == 0;
        let mut parked_here: BTreeSet<&str> = BTreeSet::new();
        let mut next = 0;
        while next < events.len() && handled.stopped.is_none() {
            let event = &events[next];
            if let Some((reason, message)) = set_aside(snapshot, row, event.subject, event.hops, &parked_here)? {
                // The forms of one event are parked as one.
                if plan.handled.last() != Some(&event.position) {
                    parked_here.extend((!event.subject.is_empty()).then_some(event.subject));
                    plan.parked.push(parked_event(event, reason, message, work.now));
                    plan.handled.push(event.position);
                }
                plan.to = event.position;
                next += 1;
                continue;
            }
            let mut end = next + 1;
            while end < events.len() && set_aside(snapshot, row, events[end].subject, events[end].hops, &parked_here)?.is_none() {
                end += 1;
            }
            let mut progress = call.run_on(&events[next..end], &handled.writes);
            let done = &events[next..next + progress.done];
            if audit_due && !done.is_empty() {
                audit_due = false;
                handled.differs = audit::sample(&mut call, done, &progress, &handled.writes);
                if handled.differs.is_some() {
                    break;
                }
            }
            for event in done {
                if plan.handled.last() != Some(&event.position) {
                    plan.handled.push(event.position);
                }
            }
            plan.to = done.last().map_or(plan.to, |event| event.position);
            plan.emitted.append(&mut progress.emitted);
            handled.writes.append(&mut progress.writes);
            if let (Some(why), Some(event)) = (progress.stopped, events.get(next + progress.done)) {
                handled.stopped = Some((why, (event.position, event.subject.to_owned())));
            }
            next = end;
        }
        let calls = call.calls;
        drop(call);
        self.audit.calls += calls;
        if !audit_due && self.plans_until_audit == 0 {
            self.plans_until_audit = PLANS_PER_AUDIT;
        }
        if handled.stopped.is_none() && handled.differs.is_none() {
            self.unreadable(work, taken, &parked_here, plan, &mut handled)?;
        }
        // Events of which nothing was made are dealt with, too: somebody may wait for that.
        let upto = handled.stopped.as_ref().map_or(Position(u64::MAX), |(_, (position, _))| *position);
        let nothing = taken.batch.nothing();
        let nothing = &nothing[..nothing.partition_point(|position| *position < upto)];
        if let Some(last) = nothing.last() {
            plan.to = plan.to.max(*last);
            plan.handled.extend_from_slice(nothing);
            plan.handled.sort_unstable();
        }
        Ok(handled)
    }

    /// What follows the batch where an upcaster stopped it.
    fn unreadable(
        &self,
        work: &Work<'_>,
        taken: &Taken,
        parked_here: &BTreeSet<&str>,
        plan: &mut Plan,
        handled: &mut Handled,
    ) -> Result<(), StoreError> {
        if let Some(why) = &taken.unavailable {
            handled.stopped = Some((Stopped::Unavailable(why.clone()), (taken.seen.next(), String::new())));
        }
        let Some(unreadable) = &taken.unreadable else { return Ok(()) };
        let (position, subject) = (unreadable.position, unreadable.subject.clone());
        match set_aside(work.reading.snapshot, work.row, &subject, unreadable.hops, parked_here)? {
            Some((reason, message)) => {
                plan.parked.push(ParkedEvent { position, subject, reason: reason.to_owned(), message, attempts: 0, since: work.now });
                plan.handled.push(position);
                plan.to = position;
            }
            None => handled.stopped = Some((Stopped::Failed(unreadable.fault.clone()), (position, subject))),
        }
        Ok(())
    }

    /// What follows when an event alone has failed: another attempt, parking, or a halt.
    fn failed(&mut self, row: &FunctionRow, (position, subject): (Position, String), fault: Fault, now: Timestamp, plan: &mut Plan) {
        self.audit.failed_attempts += 1;
        let attempts = 1 + self.retrying.as_ref().filter(|retrying| retrying.position == position).map_or(0, |retrying| retrying.attempts);
        let attempts_max = row.manifest.limits.attempts.unwrap_or(limits::ATTEMPTS_DEFAULT);
        if fault.retry && attempts < attempts_max {
            let delay_ms = retry_delay_ms(attempts);
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
    fn release(&mut self, work: &Work<'_>, log: &mut dyn FnMut(LogLevel, &str)) -> Result<Option<Step>, StoreError> {
        let (row, now) = (work.row, work.now);
        let Some(parked) = work.reading.snapshot.first_released(row.ordinal)? else { return Ok(None) };
        let taken = work.reading.pick(row, &[parked.position])?;
        if let Some(why) = taken.unavailable {
            return Ok(Some(unavailable(row, &why, now, log)));
        }
        let events = taken.batch.events();
        let mut call = self.call(work, log);
        let mut progress = call.run_on(&events, &Writes::new());
        let calls = call.calls;
        drop(call);
        self.audit.calls += calls;
        if let Some(unreadable) = taken.unreadable {
            progress.stopped = Some(Stopped::Failed(unreadable.fault));
        }
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
    subject: &str,
    hops: u8,
    parked_here: &BTreeSet<&str>,
) -> Result<Option<(&'static str, String)>, StoreError> {
    if hops > limits::HOPS_MAX {
        return Ok(Some((
            "hops",
            format!(
                "more than {} events stand between this one and its first cause: the functions may feed each other in a circle",
                limits::HOPS_MAX
            ),
        )));
    }
    let behind = !subject.is_empty() && (parked_here.contains(subject) || (row.parked > 0 && snapshot.is_parked(row.ordinal, subject)?));
    Ok(behind.then(|| ("behind", "an earlier event of its subject is parked".to_owned())))
}

/// Nothing is decided of an event that the host could not run: it is tried again soon.
fn unavailable(row: &FunctionRow, why: &str, now: Timestamp, log: &mut dyn FnMut(LogLevel, &str)) -> Step {
    log(LogLevel::Error, &format!("the host could not run {}: {why}", row.name));
    Step::Later(now.plus_ms(limits::RETRY_DELAY_MS_MIN))
}

fn parked_event(event: &EventRef<'_>, reason: &str, message: String, now: Timestamp) -> ParkedEvent {
    ParkedEvent { position: event.position, subject: event.subject.to_owned(), reason: reason.to_owned(), message, attempts: 0, since: now }
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
