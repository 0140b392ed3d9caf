//! Making a function's state again after a rewind: its past is replayed as the log recorded it, and
//! its outputs are dropped.

use super::calls::{Writes, to_plan};
use super::handler::{Call, Fault, Stopped};
use super::reading::{Reading, Taken};
use super::runner::empty_plan;
use crate::model::{ParkedEvent, Plan, PlanMode, Position, Timestamp, limits};
use crate::store::{FunctionRow, Portion, Step, StoreError, steps};

/// Commits of the function's past that one plan replays.
const STEPS_PER_PLAN: usize = 1_024;
/// State writes after which a plan is closed early.
const WRITES_PER_PLAN: usize = 65_536;

/// Why a replay stopped.
enum Stop {
    /// The code can't handle this event any more.
    Halt(ParkedEvent),
    /// The host could not run it: nothing is known, it is tried again later.
    Unavailable(String),
}

/// The next part of a rebuild; or why the host could not run it now.
pub fn plan(reading: &Reading<'_>, row: &FunctionRow, call: &mut Call<'_>, now: Timestamp) -> Result<Result<Plan, String>, StoreError> {
    let rebuild = row.rebuild.expect("only a function that is being rebuilt gets here");
    let past = steps(reading.snapshot, &row.name, rebuild.through_commit, rebuild.until, STEPS_PER_PLAN)?;
    let mut plan = empty_plan(row, row.cursor, row.cursor, PlanMode::Rebuild { through_commit: u64::MAX });
    let mut writes = Writes::new();
    let mut through = None;
    for step in &past {
        // Commits are replayed whole.
        if through.is_some_and(|commit| commit != step.commit) && writes.len() >= WRITES_PER_PLAN {
            break;
        }
        match replay(reading, row, step, call, &mut writes, now)? {
            None => {}
            Some(Stop::Unavailable(why)) => return Ok(Err(why)),
            Some(Stop::Halt(halted)) => {
                plan.halted = Some(halted);
                // Nothing of this plan is kept; it begins where the last one ended.
                plan.to = plan.from;
                plan.mode = PlanMode::Rebuild { through_commit: rebuild.through_commit };
                return Ok(Ok(plan));
            }
        }
        plan.to = plan.to.max(step.to);
        through = Some(step.commit);
    }
    let done = past.len() < STEPS_PER_PLAN && past.last().map(|last| last.commit) == through;
    if done {
        plan.to = rebuild.until;
    } else if let Some(commit) = through {
        plan.mode = PlanMode::Rebuild { through_commit: commit };
    }
    plan.set_state(to_plan(writes));
    Ok(Ok(plan))
}

/// Replays one commit. Answers what stopped it before the end, if anything did.
fn replay(
    reading: &Reading<'_>,
    row: &FunctionRow,
    step: &Step,
    call: &mut Call<'_>,
    writes: &mut Writes,
    now: Timestamp,
) -> Result<Option<Stop>, StoreError> {
    let mut after = step.from;
    while after < step.to {
        let portion = Portion { events: limits::EVENTS_PER_BATCH_MAX, bytes: limits::BATCH_BYTES_MAX };
        let taken = reading.take(row, after, step.to, portion)?;
        if let Some(stop) = run(&taken, &step.parked, call, writes, now) {
            return Ok(Some(stop));
        }
        // What can't be read was parked, or `run` had stopped.
        after = taken.unreadable.as_ref().map_or(taken.seen, |unreadable| unreadable.position);
    }
    for position in &step.unparked {
        let released = reading.pick(row, &[*position])?;
        if let Some(stop) = run(&released, &[], call, writes, now) {
            return Ok(Some(stop));
        }
    }
    Ok(None)
}

fn run(taken: &Taken, but: &[Position], call: &mut Call<'_>, writes: &mut Writes, now: Timestamp) -> Option<Stop> {
    let mut events = taken.batch.events();
    events.retain(|event| !but.contains(&event.position));
    let mut progress = call.run_on(&events, writes);
    writes.append(&mut progress.writes);
    let halt = |position, subject: &str, fault: Fault| {
        Some(Stop::Halt(ParkedEvent {
            position,
            subject: subject.to_owned(),
            reason: fault.reason.to_owned(),
            message: format!("while its state was rebuilt: {}", fault.message),
            attempts: 1,
            since: now,
        }))
    };
    match (progress.stopped, events.get(progress.done)) {
        (Some(Stopped::Failed(fault)), Some(event)) => return halt(event.position, event.subject, fault),
        (Some(Stopped::Unavailable(why)), _) => return Some(Stop::Unavailable(why)),
        _ => {}
    }
    if let Some(why) = &taken.unavailable {
        return Some(Stop::Unavailable(why.clone()));
    }
    let unreadable = taken.unreadable.as_ref().filter(|unreadable| !but.contains(&unreadable.position))?;
    halt(unreadable.position, &unreadable.subject, unreadable.fault.clone())
}
