//! The usual step of a runner: the next batch after its cursor, run, parked, retried or halted.

use std::collections::BTreeSet;

use super::audit;
use super::calls::{Writes, to_plan};
use super::handler::{Fault, Stopped};
use super::reading::Taken;
use super::runner::{Retrying, Runner, Step, Work, empty_plan, unavailable};
use super::view::retry_delay_ms;
use crate::model::{EventRef, FailurePolicy, LogLevel, ParkedEvent, Plan, PlanMode, Position, Timestamp, limits};
use crate::store::{FunctionRow, Portion, Snapshot, StoreError};

/// Of so many plans, one is audited; and the first after anything changed.
const PLANS_PER_AUDIT: u32 = 64;

/// What a batch came to.
#[derive(Default)]
struct Handled {
    writes: Writes,
    /// Why it stopped before the end, and at which event.
    stopped: Option<(Stopped, (Position, String))>,
    /// The code answered twice in two ways.
    differs: Option<audit::Difference>,
}

impl Runner {
    /// The next batch after the cursor, or after the plans in flight.
    pub(super) fn read_on(&mut self, work: &Work<'_>, log: &mut dyn FnMut(LogLevel, &str)) -> Result<Step, StoreError> {
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
        let (mut next, mut handled_any) = (0, false);
        while next < events.len() && handled.stopped.is_none() {
            let event = &events[next];
            if let Some((reason, message)) = set_aside(snapshot, row, event.subject, event.hops, |subject| parked_here.contains(subject))? {
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
            while end < events.len()
                && set_aside(snapshot, row, events[end].subject, events[end].hops, |subject| parked_here.contains(subject))?.is_none()
            {
                end += 1;
            }
            let mut progress = call.run_on(&events[next..end], &handled.writes);
            let done = &events[next..next + progress.done];
            handled_any |= !done.is_empty();
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
        if handled_any {
            self.faults_in_a_row = 0;
        }
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
        match set_aside(work.reading.snapshot, work.row, &subject, unreadable.hops, |subject| parked_here.contains(subject))? {
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
    pub(super) fn failed(
        &mut self,
        row: &FunctionRow,
        (position, subject): (Position, String),
        fault: Fault,
        now: Timestamp,
        plan: &mut Plan,
    ) {
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
        let (may_pass, reason) = (fault.retry, fault.reason);
        let parked = ParkedEvent { position, subject, reason: fault.reason.to_owned(), message: fault.message, attempts, since: now };
        match row.manifest.failure_policy {
            FailurePolicy::Halt => plan.halted = Some(parked),
            FailurePolicy::Park => {
                plan.to = position;
                plan.handled.push(position);
                if may_pass {
                    self.pause_if_all_fail(position, reason, &parked.message, now);
                }
                plan.parked.push(parked);
            }
        }
    }

    /// Where one event after the other comes to its last attempt it is hardly for the events: they wait, rather than that
    /// all of history is parked.
    fn pause_if_all_fail(&mut self, parked: Position, reason: &'static str, message: &str, now: Timestamp) {
        self.faults_in_a_row += 1;
        let in_a_row = self.faults_in_a_row;
        if let Some(beyond @ 1..) = in_a_row.checked_sub(limits::FAULTS_IN_A_ROW_MAX) {
            let not_before = now.plus_ms(retry_delay_ms(beyond));
            let message = format!("it pauses: {in_a_row} events in a row were parked after their last attempt, the last with: {message}");
            self.retrying = Some(Retrying { position: parked.next(), attempts: 0, not_before, reason, message });
        }
    }
}

/// Why an event is set aside before it is handed to the function, if it is.
pub(super) fn set_aside(
    snapshot: &Snapshot,
    row: &FunctionRow,
    subject: &str,
    hops: u8,
    parked_here: impl Fn(&str) -> bool,
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
    let behind = !subject.is_empty() && (parked_here(subject) || (row.parked > 0 && snapshot.is_parked(row.ordinal, subject)?));
    Ok(behind.then(|| ("behind", "an earlier event of its subject is parked".to_owned())))
}

pub(super) fn parked_event(event: &EventRef<'_>, reason: &str, message: String, now: Timestamp) -> ParkedEvent {
    ParkedEvent { position: event.position, subject: event.subject.to_owned(), reason: reason.to_owned(), message, attempts: 0, since: now }
}
