//! The step of a runner that tries a released event again.

use super::calls::{Writes, to_plan};
use super::handler::Stopped;
use super::runner::{Runner, Step, Work, empty_plan, unavailable};
use crate::model::{LogLevel, ParkedEvent, PlanMode};
use crate::store::StoreError;

impl Runner {
    /// Tries the oldest released event again, alone. Its subject's later ones follow in order.
    pub(super) fn release(&mut self, work: &Work<'_>, log: &mut dyn FnMut(LogLevel, &str)) -> Result<Option<Step>, StoreError> {
        let (row, now) = (work.row, work.now);
        let Some(parked) = work.reading.snapshot.first_released(row.ordinal)? else { return Ok(None) };
        let taken = work.reading.pick(&row.manifest, &[parked.position])?;
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
