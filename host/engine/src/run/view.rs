//! `Projector`: one view's place in its work. Takes portions of the log, has them folded in parts, and
//! moves the view on. A view never parks: rows with holes in them are a lie. At an event that it
//! can't fold it stays, and goes on answering.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::handler::{Fault, Stopped};
use super::lane::{lane_of, lanes_for};
use super::overlay::Overlay;
use super::part::{Folded, Part, PartStop, Portioned};
use super::reading::{Reading, Unreadable};
use super::warm::Warm;
use crate::model::{FunctionKind, Glance, Position, Timestamp, limits};
use crate::store::{FunctionRow, Passed, Portion, RowRef, StoreError, ViewFile};

/// A crash undoes no more than this: beyond either, a commit is made durable.
const UNDURABLE_EVENTS_MAX: u64 = 100_000;
const UNDURABLE_BYTES_MAX: u64 = 8 << 20;
/// Portions shrink where their rows fill the memory, to this at least.
const PORTION_MIN: usize = limits::EVENTS_PER_BATCH_MAX;

/// What there is to fold.
pub enum Prepared {
    /// Everything up to the snapshot's head is in the rows.
    Idle,
    /// The view doesn't run, or has halted.
    Inactive,
    /// Nothing before this time.
    Later(Timestamp),
    /// Fold each, side by side or not, then [`Projector::finish`]. May be none: then only finish.
    Parts(Vec<Part>),
}

/// How a portion ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewStep {
    Folded {
        to: Position,
        events: u64,
    },
    /// The view stands before this event. It is tried again at the time given; without one it has halted.
    Failed {
        position: Position,
        reason: &'static str,
        message: String,
        not_before: Option<Timestamp>,
    },
}

/// Where and why a view has stopped, until it is resumed or gets new code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewHalted {
    pub position: Position,
    pub reason: &'static str,
    pub message: String,
}

#[derive(Debug)]
struct Failing {
    position: Position,
    attempts: u32,
    not_before: Timestamp,
}

/// A portion that is being folded.
struct Pending {
    to: Position,
    bytes: u64,
    attempts_max: u32,
    unreadable: Option<Unreadable>,
}

pub struct Projector {
    function: String,
    threads: usize,
    epoch: u64,
    /// The file's cursor when it was last looked at.
    cursor: Position,
    /// Nothing that the view reads lies between its cursor and here.
    seen: Position,
    failing: Option<Failing>,
    halted: Option<ViewHalted>,
    /// The host could not run a call: not before this time.
    pause_until: Timestamp,
    pending: Option<Pending>,
    portion_events_max: usize,
    undurable_events: u64,
    undurable_bytes: u64,
    /// Rows of this file with this cursor.
    warm: (String, Position, Warm),
}

impl Projector {
    /// `threads`: as many parts may run side by side where the view is split.
    pub fn new(function: &str, threads: usize) -> Projector {
        Projector {
            function: function.to_owned(),
            threads: threads.max(1),
            epoch: 0,
            cursor: Position::START,
            seen: Position::START,
            failing: None,
            halted: None,
            pause_until: Timestamp::default(),
            pending: None,
            portion_events_max: usize::MAX,
            undurable_events: 0,
            undurable_bytes: 0,
            warm: Default::default(),
        }
    }

    pub fn function(&self) -> &str {
        &self.function
    }

    pub fn halted(&self) -> Option<&ViewHalted> {
        self.halted.as_ref()
    }

    /// Everything up to here that the view reads is in its rows: the cursor, or further where there was
    /// nothing to read.
    pub fn position(&self, view: &ViewFile) -> Position {
        view.cursor().max(self.seen)
    }

    /// Takes the next portion.
    pub fn prepare(
        &mut self,
        reading: &Reading<'_>,
        row: &FunctionRow,
        view: &ViewFile,
        portion: Portion,
        now: Timestamp,
    ) -> Result<Prepared, StoreError> {
        if row.epoch != self.epoch {
            // Paused, resumed or deployed since: a new try.
            (self.epoch, self.seen, self.failing, self.halted) = (row.epoch, Position::START, None, None);
        }
        if !row.is_active() || row.manifest.kind != FunctionKind::View || self.halted.is_some() {
            return Ok(Prepared::Inactive);
        }
        if now < self.pause_until {
            return Ok(Prepared::Later(self.pause_until));
        }
        if view.cursor() != self.cursor {
            // Another file than before, or a new one.
            (self.cursor, self.seen) = (view.cursor(), Position::START);
        }
        let head = reading.snapshot.head();
        let mut after = view.cursor().max(row.start).max(self.seen);
        let portion = Portion { events: portion.events.min(self.portion_events_max), ..portion };
        if self.failing.as_ref().is_some_and(|failing| failing.position <= after) {
            self.failing = None;
        }
        let upto = match &self.failing {
            Some(failing) if failing.position.0 > after.0 + 1 => Position(failing.position.0 - 1),
            Some(failing) if now < failing.not_before => return Ok(Prepared::Later(failing.not_before)),
            Some(failing) => failing.position,
            None => head,
        };
        if after >= upto {
            return Ok(Prepared::Idle);
        }
        let lanes = if row.manifest.split.is_some() { lanes_for(self.threads, upto.0 - after.0, portion) } else { 1 };
        let taken = match row.manifest.split {
            Some(parts) if lanes > 1 => {
                let mark = &mut |event: &Glance<'_>| Some(lane_of(event.subject(), parts, lanes) as u32);
                reading.take_marked(&row.manifest, after, upto, portion, &mut Passed::default(), mark)?
            }
            _ => reading.take(row, after, upto, portion)?,
        };
        after = taken.seen.max(after);
        if let Some(why) = taken.unavailable.as_ref().filter(|_| taken.batch.is_empty()) {
            return Ok(self.unavailable(why, now));
        }
        if taken.batch.is_empty() && taken.unreadable.is_none() {
            self.seen = after;
            // What is left may be one event that failed before, or nothing.
            return if self.failing.is_some() { self.prepare(reading, row, view, portion, now) } else { Ok(Prepared::Idle) };
        }
        self.pending = Some(Pending {
            to: after,
            bytes: taken.batch.bytes() as u64,
            attempts_max: row.manifest.limits.attempts.unwrap_or(limits::ATTEMPTS_DEFAULT),
            unreadable: taken.unreadable,
        });
        if taken.batch.is_empty() {
            return Ok(Prepared::Parts(Vec::new()));
        }
        let (manifest, rows) = (row.manifest.clone(), view.snapshot()?);
        let portioned = Arc::new(Portioned { manifest, batch: taken.batch, rows, judging: None, held: Default::default() });
        let (file, cursor, warm) = std::mem::take(&mut self.warm);
        let is_warm = file == view.name() && cursor == view.cursor();
        Ok(Prepared::Parts(if is_warm { warm } else { Warm::default() }.parts(&portioned, lanes)))
    }

    fn unavailable(&mut self, _: &str, now: Timestamp) -> Prepared {
        self.pause_until = now.plus_ms(limits::RETRY_DELAY_MS_MIN);
        Prepared::Later(self.pause_until)
    }

    /// Writes what the parts of the last portion came to: all of it, or what comes before the first event
    /// that failed.
    pub fn finish(&mut self, view: &ViewFile, folded: Vec<Folded>, now: Timestamp) -> Result<ViewStep, StoreError> {
        let Some(pending) = self.pending.take() else { return Ok(ViewStep::Folded { to: view.cursor(), events: 0 }) };
        let (one_part, mut events, mut overlays, mut stopped) = (folded.len() == 1, 0, BTreeMap::new(), None);
        for part in folded {
            events += part.events;
            overlays.insert(part.lane, part.overlay);
            if let Some((position, why)) = part.stopped
                && stopped.as_ref().is_none_or(|(first, _)| position < *first)
            {
                stopped = Some((position, why));
            }
        }
        let Some((position, why)) = stopped else {
            self.write(view, overlays, pending.to, events, pending.bytes)?;
            return Ok(match pending.unreadable {
                Some(Unreadable { position, fault, .. }) => self.failed(position, fault, pending.attempts_max, now),
                None => ViewStep::Folded { to: pending.to, events },
            });
        };
        if one_part && position.0 > view.cursor().0 + 1 {
            self.write(view, overlays, Position(position.0 - 1), events, pending.bytes)?;
        }
        // Where there are several parts, some went beyond that event: they are folded again, up to it.
        Ok(match why {
            PartStop::Guest(Stopped::Failed(fault)) => self.failed(position, fault, pending.attempts_max, now),
            PartStop::Guest(Stopped::Unavailable(why)) => {
                self.unavailable(&why, now);
                ViewStep::Folded { to: view.cursor(), events: 0 }
            }
            // Neither is looked for in a live view.
            PartStop::Differs(_) | PartStop::TooManyFailures => ViewStep::Folded { to: view.cursor(), events: 0 },
            PartStop::Full => {
                self.portion_events_max = (events as usize / 4).max(PORTION_MIN);
                ViewStep::Folded { to: view.cursor(), events: 0 }
            }
        })
    }

    /// Makes what was folded durable, and gives memory back: when there is nothing to do, and before a stop.
    pub fn flush(&mut self, view: &ViewFile) -> Result<(), StoreError> {
        self.warm = Default::default();
        if self.undurable_events == 0 {
            return Ok(());
        }
        self.cursor = self.position(view);
        view.commit(&[], self.cursor, true)?;
        (self.undurable_events, self.undurable_bytes) = (0, 0);
        Ok(())
    }

    fn write(
        &mut self,
        view: &ViewFile,
        mut overlays: BTreeMap<Option<u32>, Overlay>,
        to: Position,
        events: u64,
        bytes: u64,
    ) -> Result<(), StoreError> {
        self.undurable_events += events.max(1);
        self.undurable_bytes += bytes;
        let durable = self.undurable_events >= UNDURABLE_EVENTS_MAX || self.undurable_bytes >= UNDURABLE_BYTES_MAX;
        let mut writes: Vec<RowRef<'_>> = overlays.values_mut().flat_map(Overlay::writes).collect();
        // A run in order for each lane: little is left to do.
        writes.sort();
        view.commit_rows(&writes, to, None, durable)?;
        self.warm = (view.name().to_owned(), to, Warm::keep(overlays));
        if durable {
            (self.undurable_events, self.undurable_bytes) = (0, 0);
        }
        (self.cursor, self.seen) = (to, to);
        if self.failing.as_ref().is_some_and(|failing| failing.position <= to) {
            self.failing = None;
        }
        Ok(())
    }

    /// What follows when an event alone has failed: another attempt, or a halt.
    fn failed(&mut self, position: Position, fault: Fault, attempts_max: u32, now: Timestamp) -> ViewStep {
        let Fault { reason, message, retry } = fault;
        let attempts = 1 + self.failing.as_ref().filter(|failing| failing.position == position).map_or(0, |failing| failing.attempts);
        if retry && attempts < attempts_max {
            let not_before = now.plus_ms(retry_delay_ms(attempts));
            self.failing = Some(Failing { position, attempts, not_before });
            return ViewStep::Failed { position, reason, message, not_before: Some(not_before) };
        }
        self.failing = None;
        self.halted = Some(ViewHalted { position, reason, message: message.clone() });
        ViewStep::Failed { position, reason, message, not_before: None }
    }
}

/// The pause after so many attempts.
pub fn retry_delay_ms(attempts: u32) -> u64 {
    (limits::RETRY_DELAY_MS_MIN << (attempts - 1).min(20)).min(limits::RETRY_DELAY_MS_MAX)
}
