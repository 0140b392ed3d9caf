//! Bringing state in the head on by the record: after a rewind, from plan to plan; and for a version that is
//! about to run, the last step before it does. The past is replayed as the log recorded it, and its outputs
//! are dropped.

use super::gather::{Ended, Follow, Gathered};
use super::handler::{Fault, Stopped};
use super::overlay::Overlay;
use super::part::{Folding, end_of_call};
use super::reading::Reading;
use super::rows::{Rows, SlotRows};
use super::runner::empty_plan;
use crate::model::{EventRef, FunctionManifest, Guest, LogLevel, ParkedEvent, Plan, PlanMode, Position, StateWrite, Timestamp, limits};
use crate::store::{FunctionRow, Past, Portion, StoreError, ViewFile};

/// Events read at a time, and how many of them one plan replays, if there are so many.
const PORTION: Portion = Portion { events: limits::EVENTS_PER_BATCH_MAX, bytes: limits::BATCH_BYTES_MAX };
/// Rows touched after which a plan is closed early.
const OVERLAY_BYTES_MAX: usize = 64 << 20;

/// Why state could not be brought on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The code can't handle an event that the record says was handled.
    Failed { position: Position, subject: String, fault: Fault },
    /// The host could not run it: nothing is known, it is tried again later.
    Unavailable(String),
    /// The function was rewound since this state was made: it is of no use any more.
    Undone,
}

/// What a replay over state in the head came to.
pub struct Brought {
    pub writes: Vec<StateWrite>,
    /// The record up to this commit is in the state now.
    pub through_commit: u64,
    /// Nothing is left that the snapshot knows of.
    pub level: bool,
    pub calls: u64,
}

/// What state is brought on, and by which code.
pub struct Bringing<'a> {
    pub reading: &'a Reading<'a>,
    pub manifest: &'a FunctionManifest,
    /// Whose record is followed.
    pub row: &'a FunctionRow,
    pub guest: &'a dyn Guest,
    /// Where in the head the state lies.
    pub slot: u32,
}

impl Bringing<'_> {
    /// Replays whole commits: about a portion of events.
    pub fn bring_on(
        &self,
        past: &mut Past,
        portion: Portion,
        log: &mut dyn FnMut(LogLevel, &str),
    ) -> Result<Result<Brought, Stop>, StoreError> {
        if !past.look_ahead(self.reading.snapshot, self.row)? {
            return Ok(Err(Stop::Undone));
        }
        let rows = SlotRows { snapshot: self.reading.snapshot, slot: self.slot };
        let mut folding = Folding::new(self.manifest, self.guest, Some(&rows), Overlay::default());
        let read = Portion { events: portion.events.clamp(1, PORTION.events), ..PORTION };
        let follow = Follow {
            reading: self.reading,
            manifest: self.manifest,
            row: Some(self.row),
            end: self.reading.snapshot.head(),
            portion: read,
            keeps_passed: false,
        };
        let mut events = 0;
        let level = loop {
            let gathered = follow.gather(past, &mut |_| Some(0))?;
            events += gathered.batch.len();
            if let Err(stop) = run(&mut folding, &gathered, log) {
                return Ok(Err(stop));
            }
            // Commits are replayed whole.
            match gathered.ended {
                Ended::Level => break true,
                Ended::Whole if events >= portion.events || folding.overlay.bytes() > OVERLAY_BYTES_MAX => break false,
                Ended::Whole | Ended::Between => {}
            }
        };
        let (calls, writes) = (folding.calls, folding.overlay.into_writes());
        let writes = writes.into_iter().map(|(key, value)| StateWrite { key: String::from_utf8_lossy(&key).into_owned(), value });
        Ok(Ok(Brought { writes: writes.collect(), through_commit: past.commit(), level, calls }))
    }
}

/// Runs what was gathered, call by call, up to the first event that fails.
fn run(folding: &mut Folding<'_>, gathered: &Gathered, log: &mut dyn FnMut(LogLevel, &str)) -> Result<(), Stop> {
    if let Some(why) = &gathered.unavailable {
        return Err(Stop::Unavailable(why.clone()));
    }
    let events = gathered.batch.events();
    let lost = gathered.unreadable.first();
    let mut rest = &events[..lost.map_or(events.len(), |lost| lost.at.min(events.len()))];
    while !rest.is_empty() {
        let end = end_of_call(rest, folding.guest.one_event_a_call());
        if let Some((position, stopped)) = folding.run(&rest[..end], log) {
            return Err(match stopped {
                Stopped::Failed(fault) => Stop::Failed { position, subject: subject_at(rest, position), fault },
                Stopped::Unavailable(why) => Stop::Unavailable(why),
            });
        }
        folding.made.clear();
        rest = &rest[end..];
    }
    match lost {
        None => Ok(()),
        Some(lost) => Err(Stop::Failed { position: lost.position, subject: lost.subject.clone(), fault: lost.fault.clone() }),
    }
}

fn subject_at(events: &[EventRef<'_>], position: Position) -> String {
    events.iter().find(|event| event.position == position).map(|event| event.subject.to_owned()).unwrap_or_default()
}

/// The next part of a rebuild, and the calls it took; or why the host could not run it now. `past` is kept
/// from plan to plan.
pub fn plan(
    bringing: &Bringing<'_>,
    past: &mut Option<Past>,
    now: Timestamp,
    log: &mut dyn FnMut(LogLevel, &str),
) -> Result<Result<(Plan, u64), String>, StoreError> {
    let row = bringing.row;
    let rebuild = row.rebuild.expect("only a function that is being rebuilt gets here");
    // Where the last plan was refused, or there was none, it begins where the row says.
    let mut at = past.take().filter(|past| past.commit() == rebuild.through_commit);
    let at = at.get_or_insert_with(|| Past::after_commit(rebuild.through_commit));
    let mut plan = empty_plan(row, row.cursor, row.cursor, PlanMode::Rebuild { through_commit: u64::MAX });
    match bringing.bring_on(at, PORTION, log)? {
        Ok(brought) => {
            plan.set_state(brought.writes);
            if brought.level {
                plan.to = rebuild.until;
            } else {
                plan.to = row.cursor.max(at.position()).min(rebuild.until);
                plan.mode = PlanMode::Rebuild { through_commit: brought.through_commit };
                *past = Some(at.clone());
            }
            Ok(Ok((plan, brought.calls)))
        }
        Err(Stop::Unavailable(why)) => Ok(Err(why)),
        Err(Stop::Undone) => Ok(Err("it was rewound meanwhile".to_owned())),
        Err(Stop::Failed { position, subject, fault }) => {
            // Nothing of this plan is kept; it begins where the last one ended.
            plan.mode = PlanMode::Rebuild { through_commit: rebuild.through_commit };
            plan.halted = Some(ParkedEvent {
                position,
                subject,
                reason: fault.reason.to_owned(),
                message: format!("while its state was rebuilt: {}", fault.message),
                attempts: 1,
                since: now,
            });
            Ok(Ok((plan, 0)))
        }
    }
}

/// State kept in a slot of the head, on its way to where its function is.
pub struct CatchUp {
    slot: u32,
    past: Past,
}

impl CatchUp {
    /// The record up to this commit is in the state.
    pub fn new(slot: u32, through_commit: u64) -> CatchUp {
        CatchUp { slot, past: Past::after_state(through_commit) }
    }

    /// What the record after that adds, about a portion at a time. What was answered before must be in the
    /// slot by now; if it was not committed, begin anew.
    pub fn step(
        &mut self,
        reading: &Reading<'_>,
        manifest: &FunctionManifest,
        row: &FunctionRow,
        guest: &dyn Guest,
        portion: Portion,
        log: &mut dyn FnMut(LogLevel, &str),
    ) -> Result<Result<Brought, Stop>, StoreError> {
        let mut past = self.past.clone();
        let brought = Bringing { reading, manifest, row, guest, slot: self.slot }.bring_on(&mut past, portion, log)?;
        if brought.is_ok() {
            self.past = past;
        }
        Ok(brought)
    }
}

/// Where code finds its state.
pub enum State<'a> {
    Slot(u32),
    Shadow(&'a ViewFile),
    Nothing,
}

/// What code costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    pub events: u64,
    pub calls: u64,
    pub fuel: u64,
}

/// Runs the last events that a function reads once more, about so many, without effect: for what an event
/// costs. Events that fail are left out.
pub fn measure(
    reading: &Reading<'_>,
    manifest: &FunctionManifest,
    guest: &dyn Guest,
    state: &State<'_>,
    events: usize,
) -> Result<Measured, StoreError> {
    let taken = reading.latest(manifest, events)?;
    let events = taken.batch.events();
    let slot;
    let shadow;
    let rows: Option<&dyn Rows> = match state {
        State::Nothing => None,
        State::Slot(number) => {
            slot = SlotRows { snapshot: reading.snapshot, slot: *number };
            Some(&slot)
        }
        State::Shadow(file) => {
            shadow = file.snapshot()?;
            Some(&shadow)
        }
    };
    let mut folding = Folding::new(manifest, guest, rows, Overlay::default());
    let mut measured = Measured::default();
    let mut rest = &events[..];
    while !rest.is_empty() {
        let end = end_of_call(rest, guest.one_event_a_call());
        let (fuel, calls) = (folding.fuel, folding.calls);
        if folding.call(&rest[..end], guest.one_event_a_call(), &mut |_, _| {}).is_ok() {
            measured.events += end as u64;
            measured.calls += folding.calls - calls;
            measured.fuel += folding.fuel - fuel;
        }
        rest = &rest[end..];
    }
    Ok(measured)
}
