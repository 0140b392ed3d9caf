//! `Retelling`: makes the records of the new log, step by step. It holds nothing that counts: where it
//! stands is in the new log, so it goes on after any of its records.

use std::sync::Arc;

use super::plan::RetellPlan;
use super::telling::{Stop, Telling};
use crate::model::{Commit, EventRef, Kind, Position, Timestamp, limits};
use crate::run::{Calendar, Guests};
use crate::store::{Deploy, Portion, Reader, Snapshot, StoreError};

/// Read of the old log at a time. The largest decision fits, so a unit is never cut.
const PORTION: Portion = Portion { events: 2 * limits::OUTPUTS_PER_CALL_MAX, bytes: 2 * limits::OUTPUT_BYTES_PER_CALL_MAX };

pub struct Retelling {
    plan: RetellPlan,
    calendar: Arc<dyn Calendar + Send + Sync>,
    /// The last commit of the new log, if nothing is left to do of what stands in it.
    settled: Option<u64>,
    /// Where the new log stood, and up to where the old one has nothing more to tell.
    seen: (Position, Position),
}

/// What to do with the end of the old log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Tell only what fills a record, so that records never depend on when they were made.
    WholeRecords,
    /// Tell all that there is by now; the last record is then shorter.
    AtTheHead,
}

#[derive(Debug)]
pub enum Retold {
    /// The new log is empty: propose these to it first, together, at this time.
    Begin { deployments: Vec<Deploy>, recorded: Timestamp },
    /// To be taken in with [`Store::follow`](crate::store::Store::follow).
    Commits { commits: Vec<Commit>, told: Told },
    /// What there is fills no record yet.
    Waits,
    /// Nothing is left to tell.
    Level,
    /// A function can't go on, and so neither can the retelling. `position` is in the old log.
    Halted { function: String, position: Position, reason: String, message: String },
    /// The host could not run code: try again later.
    Unavailable(String),
}

/// What one step told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Everything of the old log up to here is told, but for what is left out.
    pub to: Position,
    /// Source events and commands.
    pub kept: u64,
    pub dropped: u64,
    /// Of the dropped ones.
    pub forgotten: u64,
    pub derived: u64,
    pub parked: u64,
}

impl Retelling {
    pub fn new(plan: RetellPlan, calendar: Arc<dyn Calendar + Send + Sync>) -> Retelling {
        Retelling { plan, calendar, settled: None, seen: (Position::START, Position::START) }
    }

    pub fn plan(&self) -> &RetellPlan {
        &self.plan
    }

    /// Tells about `units` source events more, or commands with what was decided on them. `target` is the
    /// new log, with what was answered so far in it; `guests` are its modules by its own ordinals.
    pub fn step(
        &mut self,
        base: &Snapshot,
        target: &Reader,
        guests: &dyn Guests,
        units: usize,
        ending: Ending,
    ) -> Result<Retold, StoreError> {
        let snapshot = target.snapshot()?;
        if snapshot.commit() == 0 && !self.plan.modules.is_empty() {
            return self.begin(base);
        }
        let retold = target.retold().unwrap_or(Position::START);
        let mut telling = Telling::new(base, &snapshot, target, guests, (&self.plan, &*self.calendar))?;
        let mut stopped = None;
        if self.settled != Some(snapshot.commit()) {
            stopped = telling.go_on()?;
        }
        let mut after = if self.seen.0 == retold { self.seen.1 } else { retold };
        let (mut waits, mut at_the_end) = (false, false);
        telling.begin_schedules();
        while stopped.is_none() && !telling.is_enough(units) {
            let (batch, seen) = base.collect_sources(after, base.head(), PORTION)?;
            let events = batch.events();
            let at_head = seen == base.head();
            let mut next = 0;
            while next < events.len() && stopped.is_none() && !telling.is_enough(units) {
                let rest = &events[next..];
                let unit = &rest[..unit_end(rest)];
                if !at_head && unit.len() == rest.len() {
                    // There may be more of it.
                    break;
                }
                if at_head && ending == Ending::WholeRecords && !telling.may_fill_a_record(rest) {
                    waits = true;
                    break;
                }
                let (enough, halted) = telling.fire(unit[0].recorded, units)?;
                stopped = halted;
                if enough || stopped.is_some() {
                    break;
                }
                stopped = telling.unit(unit)?;
                next += unit.len();
            }
            after = events[..next].last().map_or(after, |last| last.position);
            at_the_end = at_head && next == events.len();
            if waits || at_the_end {
                break;
            }
        }
        if stopped.is_none() && at_the_end && ending == Ending::AtTheHead {
            let last = base.record(base.head())?.map(|record| record.recorded_last()).unwrap_or_default();
            stopped = telling.fire(last, units)?.1;
        }
        if stopped.is_none() && ending == Ending::AtTheHead {
            telling.close();
        }
        waits |= telling.is_open();
        let (commits, told, settled) = telling.into_commits();
        if !commits.is_empty() {
            self.settled = settled;
            return Ok(Retold::Commits { commits, told });
        }
        Ok(match stopped {
            Some(Stop::Halted { function, position, reason, message }) => Retold::Halted { function, position, reason, message },
            Some(Stop::Unavailable(why)) => Retold::Unavailable(why),
            None if waits => Retold::Waits,
            None => {
                self.settled = Some(snapshot.commit());
                self.seen = (retold, base.head());
                Retold::Level
            }
        })
    }

    fn begin(&self, base: &Snapshot) -> Result<Retold, StoreError> {
        let first = base.record(Position(1))?;
        let recorded = first.and_then(|record| record.event(Position(1)).map(|event| event.recorded)).unwrap_or_default();
        let deployments = self.plan.modules.iter().map(|module| Deploy {
            manifest: module.manifest.clone(),
            digest: module.digest,
            component: module.component.clone(),
            levels: Vec::new(),
            rollback: false,
            send: false,
        });
        Ok(Retold::Begin { deployments: deployments.collect(), recorded })
    }
}

/// Where the first unit ends: an event alone, or a command with what was decided on it.
fn unit_end(events: &[EventRef<'_>]) -> usize {
    let decided = |event: &&EventRef<'_>| event.kind == Kind::Event && event.cause == Some(events[0].position);
    match events[0].kind {
        Kind::Event | Kind::Timer | Kind::Request => 1,
        Kind::Command => 1 + events[1..].iter().take_while(decided).count(),
    }
}
