//! What a replay does next: the portion that comes after its place, in parts.

use std::sync::Arc;

use super::gather::{Ended, Follow, Gathered};
use super::judge::{Asked, Collect, Comparing, Judging};
use super::lane::{Lanes, is_sampled, lanes_for};
use super::part::Portioned;
use super::reading::Reading;
use super::recorded::{Outputs, Sample};
use super::replay::{Level, Pending, Place, Portioning, Read, Replay, Replayed};
use super::report::FailedEvent;
use super::view::Prepared;
use crate::model::{FunctionKind, FunctionManifest, Glance, Position, limits};
use crate::store::{Batch, FunctionRow, Portion, StoreError, ViewFile};

/// Parked events that are tried at a time.
const TRIED_AT_A_TIME: usize = limits::EVENTS_PER_BATCH_MAX;

/// A portion that was read and is not begun yet.
pub struct Ahead {
    /// What it was read for: it fits no other.
    portion: Portion,
    lanes: Lanes,
    from: Position,
    place: Place,
    /// The log ended here when it was read, and its recorded outputs too.
    upto: Position,
    read: Read,
    batch: Batch,
    comparing: Option<Comparing>,
    /// The host could not run an upcaster: nothing of it is of use.
    unavailable: Option<String>,
}

impl Replay {
    /// Takes the next portion: fold its parts, side by side or not, then [`Replay::finish`]. There may be none:
    /// then only finish.
    pub fn prepare(
        &mut self,
        reading: &Reading<'_>,
        replayed: &Replayed,
        shadow: &ViewFile,
        portion: Portion,
    ) -> Result<Prepared, StoreError> {
        self.write(shadow)?;
        let mut place = self.place.clone();
        let row = self.followed(reading, replayed);
        if let Some(row) = row
            && !place.past.look_ahead(reading.snapshot, row)?
        {
            self.pending = Some(Pending::Undone);
            return Ok(Prepared::Parts(Vec::new()));
        }
        if let Some(row) = row.filter(|_| self.trying) {
            return self.prepare_trial(reading, replayed, row, place, shadow);
        }
        let portion = Portion { events: portion.events.min(self.portion_events_max), ..portion };
        let lanes = self.lanes(reading, &replayed.manifest, &place, portion);
        let ahead = self.ahead.take().filter(|ahead| {
            row.is_none_or(|row| row.straight) && ahead.lanes == lanes && ahead.portion == portion && ahead.from == place.past.position()
        });
        let ahead = match ahead {
            Some(ahead) => ahead,
            None => self.read(reading, replayed, row, place, lanes, portion)?,
        };
        let Ahead { place, upto, read, batch, comparing, unavailable, .. } = ahead;
        if let Some(why) = unavailable {
            self.pending = Some(Pending::Unavailable(why));
            return Ok(Prepared::Parts(Vec::new()));
        }
        let lanes = lanes.count();
        let portioning = Portioning { place, read: Some(read), portioned: None };
        self.parts(reading, &replayed.manifest, shadow, (batch, Asked::Replay(comparing), upto), lanes, portioning)
    }

    /// Reads the portion after the one that is being folded, so that nobody waits for it then: on any thread,
    /// beside the parts. It is used if that portion ends as portions mostly do, and read again if not.
    pub fn read_ahead(&self, reading: &Reading<'_>, replayed: &Replayed, portion: Portion) -> Result<Option<Ahead>, StoreError> {
        let Some(Pending::Portion(portioning)) = &self.pending else { return Ok(None) };
        let row = self.followed(reading, replayed);
        let is_last = portioning.read.as_ref().is_none_or(|read| read.level.is_some());
        // Where more was recorded than one reading, what comes next hangs on what was recorded by then.
        if is_last || row.is_some_and(|row| !row.straight) {
            return Ok(None);
        }
        let mut place = portioning.place.clone();
        if let Some(row) = row
            && !place.past.look_ahead(reading.snapshot, row)?
        {
            return Ok(None);
        }
        let portion = Portion { events: portion.events.min(self.portion_events_max), ..portion };
        let lanes = self.lanes(reading, &replayed.manifest, &place, portion);
        let ahead = self.read(reading, replayed, row, place, lanes, portion)?;
        // What is level is so at one moment, and what could not be read now may be readable then.
        Ok(Some(ahead).filter(|ahead| ahead.read.level.is_none() && ahead.unavailable.is_none()))
    }

    /// Whose record is followed: the function as it is now, or as it was when a version that ran before made way. Views and
    /// aggregates leave no record: they read everything.
    fn followed<'a>(&self, reading: &'a Reading<'_>, replayed: &'a Replayed) -> Option<&'a FunctionRow> {
        let row = replayed.follows.as_ref().filter(|_| replayed.manifest.kind == FunctionKind::Handler)?;
        let now = reading.snapshot.function(&row.name).filter(|_| self.options.made_by.is_none());
        Some(now.unwrap_or(row))
    }

    /// Takes a portion that was read ahead, for the next [`Replay::prepare`].
    pub fn take_ahead(&mut self, ahead: Option<Ahead>) {
        self.ahead = ahead;
    }

    /// How a portion that begins here is shared out.
    fn lanes(&self, reading: &Reading<'_>, manifest: &FunctionManifest, place: &Place, portion: Portion) -> Lanes {
        let left = reading.snapshot.head().0.saturating_sub(place.past.position().0);
        let lanes = lanes_for(self.options.threads, left, portion);
        Lanes::of(manifest, lanes, self.stateful, self.guess.is_worth_trying())
    }

    /// Reads a portion after a place, with the outputs that it is to be compared with.
    fn read(
        &self,
        reading: &Reading<'_>,
        replayed: &Replayed,
        row: Option<&FunctionRow>,
        mut place: Place,
        lanes: Lanes,
        portion: Portion,
    ) -> Result<Ahead, StoreError> {
        let (options, manifest, upto) = (self.options, &replayed.manifest, reading.snapshot.head());
        let mut taken: Vec<Position> = Vec::new();
        let in_sample = |event: &Glance<'_>| is_sampled(manifest, options.sample, event);
        let mut mark = |event: &Glance<'_>| {
            if options.sample > 1 {
                if !in_sample(event) {
                    return None;
                }
                taken.push(event.position);
            }
            Some(lanes.lane(event))
        };
        let from = place.past.position();
        let end = self.end.map_or(upto, |end| end.min(upto));
        let compares = options.compare && manifest.kind == FunctionKind::Handler;
        let mut gathered = Follow { reading, manifest, row, end, portion, keeps_passed: compares }.gather(&mut place.past, &mut mark)?;
        taken.sort_unstable();
        let to = place.past.position();
        let outputs = Outputs::of(reading.snapshot, &manifest.name, options.from.max(self.begun)).made_by(options.made_by);
        let sample = Sample { taken: &taken, from, to, in_sample: &in_sample };
        let sample = (options.sample > 1).then_some(&sample);
        let mut comparing = None;
        if compares {
            let recorded = place.trail.follow(&outputs, &place.past, &gathered.stretches, &mut gathered.passed, sample)?;
            let collect = Collect { outputs: options.collect_new, sent: options.collect_sent };
            comparing = Some(Comparing { recorded, after: options.from, collect });
        }
        let mut level = None;
        if gathered.ended == Ended::Level {
            level = Some(Level {
                through_commit: reading.snapshot.commit(),
                undone: place.trail.count_undone(&outputs, to, sample)?,
                untried: row.map_or(Ok(false), |row| is_parked_after(reading, row, place.tried))?,
            });
        }
        let read = Read {
            lanes,
            from,
            to,
            released: gathered.stretches.iter().flat_map(|(stretch, _)| stretch.unparked.iter().copied()).collect(),
            skipped: gathered.skipped,
            failed: unreadable(reading, &gathered)?,
            level,
        };
        if let Lanes::Shares(lanes) = lanes {
            gathered.batch.mark_shares(lanes);
        }
        let (batch, unavailable) = (gathered.batch, gathered.unavailable);
        Ok(Ahead { portion, lanes, from, place, upto, read, batch, comparing, unavailable })
    }

    /// Events that are parked still, each to be tried.
    fn prepare_trial(
        &mut self,
        reading: &Reading<'_>,
        replayed: &Replayed,
        row: &FunctionRow,
        mut place: Place,
        shadow: &ViewFile,
    ) -> Result<Prepared, StoreError> {
        let page = reading.snapshot.parked(row.ordinal, place.tried, TRIED_AT_A_TIME)?;
        let mut batch = Batch::default();
        for parked in &page.events {
            place.tried = parked.event.position;
            if parked.event.position <= place.past.position() {
                let taken = reading.pick(&replayed.manifest, &[parked.event.position])?;
                self.report.fails_still += u64::from(taken.unreadable.is_some());
                batch.append(taken.batch);
            }
        }
        self.trying = page.more;
        let portioning = Portioning { place, read: None, portioned: None };
        let upto = reading.snapshot.head();
        self.parts(reading, &replayed.manifest, shadow, (batch, Asked::Try, upto), 1, portioning)
    }

    fn parts(
        &mut self,
        reading: &Reading<'_>,
        manifest: &FunctionManifest,
        shadow: &ViewFile,
        (batch, asked, upto): (Batch, Asked, Position),
        lanes: usize,
        mut portioning: Portioning,
    ) -> Result<Prepared, StoreError> {
        let empty = batch.is_empty();
        self.portions += 1;
        // Where there are more lanes than threads, one that has events is asked twice, and another one next time.
        let audited = if lanes > self.options.threads {
            let turn = (self.portions % lanes as u64) as u32;
            let mut lanes = (turn..lanes as u32).chain(0..turn);
            lanes.find(|lane| batch.count(Some(*lane)) > 0)
        } else {
            None
        };
        let judging = Judging { asked, reader: reading.snapshot.reader(), upto, audited };
        let portioned =
            Portioned { manifest: manifest.clone(), batch, rows: shadow.snapshot()?, judging: Some(judging), held: Default::default() };
        let portioned = Arc::new(portioned);
        portioning.portioned = Some(portioned.clone());
        self.pending = Some(Pending::Portion(Box::new(portioning)));
        if empty {
            return Ok(Prepared::Parts(Vec::new()));
        }
        Ok(Prepared::Parts(std::mem::take(&mut self.warm).parts(&portioned, lanes)))
    }
}

fn is_parked_after(reading: &Reading<'_>, row: &FunctionRow, tried: Position) -> Result<bool, StoreError> {
    Ok(row.parked > 0 && !reading.snapshot.parked(row.ordinal, tried, 1)?.events.is_empty())
}

/// Events that no upcaster could turn, as failures.
fn unreadable(reading: &Reading<'_>, gathered: &Gathered) -> Result<Vec<FailedEvent>, StoreError> {
    let mut failed = Vec::new();
    for lost in &gathered.unreadable {
        let record = reading.snapshot.record(lost.position)?;
        let event = record.as_ref().and_then(|record| record.event(lost.position));
        failed.push(FailedEvent {
            position: lost.position,
            r#type: event.map(|event| event.r#type.to_owned()).unwrap_or_default(),
            subject: lost.subject.clone(),
            reason: lost.fault.reason.to_owned(),
            message: lost.fault.message.clone(),
        });
    }
    Ok(failed)
}
