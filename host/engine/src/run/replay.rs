//! `Replay`: one function of some code over history, on a shadow. What it does is seen by nobody: it is for
//! a report, and for state that somebody may take over once it is level.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::guess::{Guess, Owners};
use super::handler::Stopped;
use super::judge::{Asked, Judging};
use super::lane::Lanes;
use super::overlay::Overlay;
use super::part::{Folded, PartStop, Portioned};
use super::reading::Reading;
use super::recorded::Trail;
use super::replay_next::Ahead;
use super::report::{FailedEvent, FunctionReport};
use super::warm::Warm;
use crate::model::{Digest, Emitted, FunctionKind, FunctionManifest, Position, Start, limits};
use crate::store::{FunctionRow, Past, RowRef, StoreError, ViewFile};

/// A crash undoes no more than this.
const UNDURABLE_EVENTS_MAX: u64 = 1 << 20;

/// What is replayed.
#[derive(Clone)]
pub struct Replayed {
    pub manifest: FunctionManifest,
    /// The function whose record is followed: what it parked is left out, and the replay ends at its cursor.
    /// `None` for a new one, which reads everything.
    pub follows: Option<Arc<FunctionRow>>,
    pub identity: Digest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayOptions {
    /// As many parts may run side by side.
    pub threads: usize,
    /// Whether outputs are held against the record.
    pub compare: bool,
    /// Outputs are compared where their causes come after this; a handler that keeps no state begins here.
    pub from: Position,
    /// The code is of this module version, by its ordinal, which ran before: only outputs that it made are compared, and the
    /// record is followed as far as the row that is given says, which stands as it did when another took over.
    pub made_by: Option<u32>,
    /// Of so many units, or subjects, one is replayed. 1 for a function with state that is not split.
    pub sample: u32,
    /// Whether events and timers that the log lacks are handed out by [`Replay::take_lacking`].
    pub collect_new: bool,
    /// Whether commands and requests are, too: they act on others, so somebody has to ask for it.
    pub collect_sent: bool,
    pub shadow_bytes_max: u64,
}

impl Default for ReplayOptions {
    fn default() -> ReplayOptions {
        ReplayOptions {
            threads: 1,
            compare: true,
            from: Position::START,
            made_by: None,
            sample: 1,
            collect_new: false,
            collect_sent: false,
            shadow_bytes_max: limits::SHADOW_BYTES_MAX,
        }
    }
}

/// How a portion ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayStep {
    Went {
        to: Position,
        events: u64,
    },
    /// Nothing is left that the snapshot knew of. The state is what the record up to this commit makes it.
    Level {
        through_commit: u64,
    },
    /// It ends here.
    Failed {
        position: Position,
        reason: &'static str,
        message: String,
    },
    /// The function was rewound to before the replay's place, or turned out to have state although the replay
    /// began late: it begins anew, and the shadow is empty.
    StartAgain,
    /// The host could not run it: nothing is known of the events, try again later.
    Unavailable(String),
}

/// What changes from portion to portion, and stands or falls with it.
#[derive(Clone)]
pub(super) struct Place {
    pub past: Past,
    pub trail: Trail,
    /// Parked events up to here were tried.
    pub tried: Position,
}

pub struct Replay {
    pub(super) options: ReplayOptions,
    pub(super) place: Place,
    pub(super) report: FunctionReport,
    /// Where the function begins to read, and where the replay began.
    pub(super) start: Position,
    pub(super) begun: Position,
    /// The function, as it runs now, keeps no state: so may the code, and then it can begin anywhere.
    may_begin_late: bool,
    /// The code has written rows: the order of all its events counts.
    pub(super) stateful: bool,
    /// Whether a state of one unit may be folded in lanes.
    pub(super) guess: Guess,
    owners: Owners,
    /// It is time to try parked events.
    pub(super) trying: bool,
    pub(super) pending: Option<Pending>,
    /// The next portion, if it was read already.
    pub(super) ahead: Option<Ahead>,
    unwritten: Option<Unwritten>,
    lacking: Vec<Emitted>,
    /// What comes after this is not read, of a function whose record isn't followed.
    pub(super) end: Option<Position>,
    pub(super) warm: Warm,
    /// Portions begun.
    pub(super) portions: u64,
    pub(super) portion_events_max: usize,
    undurable_events: u64,
}

pub(super) enum Pending {
    Undone,
    Unavailable(String),
    Portion(Box<Portioning>),
}

/// A portion that is being replayed.
pub(super) struct Portioning {
    pub place: Place,
    /// `None`: parked events are tried.
    pub read: Option<Read>,
    /// What the parts share.
    pub portioned: Option<Arc<Portioned>>,
}

/// What reading a portion found out.
pub(super) struct Read {
    pub lanes: Lanes,
    pub from: Position,
    pub to: Position,
    pub released: Vec<Position>,
    pub skipped: u64,
    pub failed: Vec<FailedEvent>,
    pub level: Option<Level>,
}

/// What is known when nothing is left.
pub(super) struct Level {
    pub through_commit: u64,
    /// Outputs to count that lie where a rewind left them.
    pub undone: u64,
    /// Whether there are parked events that were not tried yet.
    pub untried: bool,
}

/// What a portion came to and is not in the shadow yet.
struct Unwritten {
    overlays: BTreeMap<Option<u32>, Overlay>,
    level: bool,
}

impl Replay {
    /// Goes on where the shadow says, if what is asked for is the same; else begins anew.
    pub fn new(reading: &Reading<'_>, replayed: &Replayed, options: ReplayOptions, shadow: &ViewFile) -> Result<Replay, StoreError> {
        let start = match &replayed.follows {
            _ if replayed.manifest.kind == FunctionKind::Aggregate => Position::START,
            Some(row) => row.start,
            None if replayed.manifest.start == Start::Now => reading.snapshot.head(),
            None => Position::START,
        };
        let mut replay = Replay {
            options,
            place: Place { past: Past::after(start), trail: Trail::default(), tried: Position::START },
            report: FunctionReport::new(&replayed.manifest.name, replayed.manifest.kind),
            start,
            begun: start,
            may_begin_late: replayed.manifest.kind == FunctionKind::Handler && !replayed.follows.as_ref().is_some_and(|row| row.stateful),
            stateful: false,
            guess: Guess::default(),
            trying: false,
            pending: None,
            ahead: None,
            unwritten: None,
            lacking: Vec::new(),
            end: None,
            warm: Warm::default(),
            owners: Owners::default(),
            portions: 0,
            portion_events_max: usize::MAX,
            undurable_events: 0,
        };
        let progress = shadow.progress()?;
        if !progress.as_ref().is_some_and(|progress| replay.resume(progress) == Ok(true)) {
            replay.begin(false);
            if progress.is_some() || shadow.cursor() != Position::START {
                shadow.clear()?;
            }
        }
        Ok(replay)
    }

    pub fn report(&self) -> &FunctionReport {
        &self.report
    }

    /// The record up to this commit is in the state, and beyond it what was read up to [`Replay::position`].
    pub fn through_commit(&self) -> u64 {
        self.place.past.commit()
    }

    pub fn position(&self) -> Position {
        self.place.past.position()
    }

    /// Has a view's or an aggregate's replay be level here, for the time being; not before where it is.
    pub fn end_at(&mut self, end: Position) {
        self.end = Some(end);
        self.ahead = None;
    }

    /// Whether lanes of a state of one unit have met.
    #[cfg(test)]
    pub fn guessed_wrong(&self) -> bool {
        self.guess.was_ever_wrong()
    }

    /// Where it began.
    pub fn begun(&self) -> Position {
        self.begun
    }

    /// Outputs that the log lacks, of the last portion. Nothing of that portion is in the shadow until the
    /// next [`Replay::prepare`] or [`Replay::flush`]: by then they must be in the log, and if the host dies
    /// before they are made again.
    pub fn take_lacking(&mut self) -> Vec<Emitted> {
        std::mem::take(&mut self.lacking)
    }

    /// Begins at the function's start; later if it is not known to keep state.
    fn begin(&mut self, stateful: bool) {
        self.begun = if self.may_begin_late && !stateful { self.start.max(self.options.from) } else { self.start };
        let trail = Trail::after(self.begun.max(self.options.from));
        self.place = Place { past: Past::after(self.begun), trail, tried: Position::START };
        self.report = FunctionReport::new(&self.report.function, self.report.kind);
        (self.stateful, self.trying) = (stateful, false);
        self.ahead = None;
        self.warm = Warm::default();
    }

    fn start_again(&mut self, shadow: &ViewFile, stateful: bool) -> Result<ReplayStep, StoreError> {
        self.begin(stateful);
        shadow.clear()?;
        shadow.commit_rows(&[], self.position(), Some(&self.progress()), false)?;
        Ok(ReplayStep::StartAgain)
    }

    /// Takes in what the parts of the last portion came to.
    pub fn finish(&mut self, shadow: &ViewFile, mut folded: Vec<Folded>) -> Result<ReplayStep, StoreError> {
        let nothing = ReplayStep::Went { to: self.position(), events: 0 };
        let portioning = match self.pending.take() {
            None => return Ok(nothing),
            Some(Pending::Undone) => return self.start_again(shadow, self.stateful),
            Some(Pending::Unavailable(why)) => return Ok(ReplayStep::Unavailable(why)),
            Some(Pending::Portion(portioning)) => *portioning,
        };
        if self.finds_state(&portioning, &folded) {
            if self.begun > self.start {
                return self.start_again(shadow, true);
            }
            self.stateful = true;
            shadow.commit_rows(&[], self.position(), Some(&self.progress()), false)?;
            if matches!(portioning.read, Some(Read { lanes: Lanes::Shares(2..), .. })) {
                // Each share was handled without what the others wrote.
                return Ok(nothing);
            }
        }
        if matches!(portioning.read, Some(Read { lanes: Lanes::Guessed(_), .. })) {
            if self.owners.have_met(folded.iter_mut().map(|part| (part.lane.unwrap_or_default(), &mut part.overlay))) {
                // Some of it was made of rows as they were before another lane wrote them.
                self.guess.was_wrong();
                return Ok(nothing);
            }
        } else {
            self.guess.went();
        }
        let stops = folded.iter().filter_map(|part| part.stopped.as_ref());
        if let Some((position, why)) = stops.min_by_key(|(position, _)| *position) {
            return Ok(match why {
                PartStop::Guest(Stopped::Unavailable(why)) => ReplayStep::Unavailable(why.clone()),
                PartStop::Guest(Stopped::Failed(fault)) => failed(*position, fault.reason, fault.message.clone()),
                PartStop::Differs(message) => failed(*position, "nondeterministic", message.clone()),
                PartStop::TooManyFailures => {
                    self.report.failures += folded.iter().map(|part| part.tally.failures).sum::<u64>();
                    self.report.show(Vec::new(), folded.iter().flat_map(|part| part.tally.failed.iter().cloned()).collect());
                    too_many_failures(*position)
                }
                PartStop::Full => {
                    let events: u64 = folded.iter().map(|part| part.events).sum();
                    self.portion_events_max = (events as usize / 4).max(1);
                    nothing
                }
            });
        }
        self.take_in(shadow, portioning, folded)
    }

    /// Whether code that was taken for stateless has written for the first time.
    fn finds_state(&self, portioning: &Portioning, folded: &[Folded]) -> bool {
        let handles = self.report.kind == FunctionKind::Handler && portioning.read.is_some();
        !self.stateful && handles && folded.iter().any(|part| part.overlay.is_written())
    }

    fn take_in(&mut self, shadow: &ViewFile, portioning: Portioning, folded: Vec<Folded>) -> Result<ReplayStep, StoreError> {
        let Portioning { place, read, portioned } = portioning;
        let (mut overlays, mut examples, mut failed_events, mut events) = (BTreeMap::new(), Vec::new(), Vec::new(), 0);
        let report = &mut self.report;
        for Folded { lane, overlay, tally, events: folded, calls, fuel, .. } in folded {
            events += folded;
            report.calls += calls;
            report.fuel += fuel;
            report.equal += tally.equal;
            report.new += tally.new;
            report.different += tally.different;
            report.failures += tally.failures;
            report.passes_now += tally.passes_now;
            report.fails_still += tally.fails_still;
            examples.extend(tally.examples);
            failed_events.extend(tally.failed);
            self.lacking.extend(tally.lacking);
            overlays.insert(lane, overlay);
        }
        // In the order of their causes, however many lanes made them.
        self.lacking.sort_by_key(|emitted| emitted.cause);
        self.place = place;
        let Some(read) = read else {
            self.unwritten = Some(Unwritten { overlays, level: false });
            self.write(shadow)?;
            return Ok(ReplayStep::Went { to: self.position(), events: 0 });
        };
        report.events += events;
        report.skipped += read.skipped;
        report.failures += read.failed.len() as u64;
        failed_events.extend(read.failed);
        let judging = portioned.as_ref().and_then(|portioned| portioned.judging.as_ref());
        if let Some(Judging { asked: Asked::Replay(Some(comparing)), .. }) = judging {
            let was_read = |cause| read.from < cause && cause <= read.to || read.released.contains(&cause);
            examples.extend(comparing.recorded.missing(was_read));
        }
        report.show(examples, failed_events);
        let recorded = self.place.trail.count + read.level.as_ref().map_or(0, |level| level.undone);
        report.missing = recorded.saturating_sub(report.equal + report.different);
        self.trying = read.level.as_ref().is_some_and(|level| level.untried);
        let too_many = report.failures > limits::REPLAY_FAILURES_MAX;
        self.undurable_events += events;
        if matches!(read.lanes, Lanes::Shares(_)) && !self.stateful {
            overlays.clear();
        }
        self.unwritten = Some(Unwritten { overlays, level: read.level.is_some() });
        if self.lacking.is_empty() {
            self.write(shadow)?;
        }
        if too_many {
            return Ok(too_many_failures(self.position()));
        }
        if shadow.bytes()? > self.options.shadow_bytes_max {
            let message = format!("its state grows beyond the limit `shadow-bytes`, which is {}", self.options.shadow_bytes_max);
            return Ok(failed(self.position(), "state", message));
        }
        Ok(match read.level {
            Some(Level { through_commit, untried: false, .. }) => ReplayStep::Level { through_commit },
            _ => ReplayStep::Went { to: self.position(), events },
        })
    }

    /// Writes what the last portion came to, with how far the replay is.
    pub(super) fn write(&mut self, shadow: &ViewFile) -> Result<(), StoreError> {
        let Some(Unwritten { mut overlays, level }) = self.unwritten.take() else { return Ok(()) };
        let durable = self.undurable_events >= UNDURABLE_EVENTS_MAX;
        let mut writes: Vec<RowRef<'_>> = overlays.values_mut().flat_map(Overlay::writes).collect();
        // A run in order for each lane: little is left to do.
        writes.sort();
        shadow.commit_rows(&writes, self.position(), Some(&self.progress()), durable)?;
        self.warm = Warm::keep(overlays);
        if durable {
            self.undurable_events = 0;
        }
        if level {
            let rows = shadow.snapshot()?;
            (self.report.state_rows, self.report.state_bytes) = (rows.count()?, rows.stored_bytes()?);
        }
        Ok(())
    }

    /// Makes what was done durable, and gives memory back: before a stop, and before a long pause.
    pub fn flush(&mut self, shadow: &ViewFile) -> Result<(), StoreError> {
        self.write(shadow)?;
        self.warm = Warm::default();
        self.ahead = None;
        shadow.commit_rows(&[], self.position(), Some(&self.progress()), true)?;
        self.undurable_events = 0;
        Ok(())
    }
}

fn failed(position: Position, reason: &'static str, message: String) -> ReplayStep {
    ReplayStep::Failed { position, reason, message }
}

fn too_many_failures(position: Position) -> ReplayStep {
    failed(position, "failures", format!("more than {} events failed", limits::REPLAY_FAILURES_MAX))
}
