//! What a replay does next: the portion that comes after its place, in parts.

use std::sync::{Arc, Mutex};

use super::gather::{Ended, Follow, Gathered};
use super::judge::{Asked, Collect, Comparing, Judging};
use super::lane::{Lanes, is_sampled};
use super::part::{Part, Portioned};
use super::reading::Reading;
use super::recorded::{Outputs, Sample};
use super::replay::{Level, Pending, Place, Portioning, Read, Replay, Replayed};
use super::report::FailedEvent;
use super::view::Prepared;
use crate::model::{EventRef, FunctionKind, FunctionManifest, Position, limits};
use crate::store::{Batch, FunctionRow, Portion, StoreError, ViewFile};

/// Parked events that are tried at a time.
const TRIED_AT_A_TIME: usize = limits::EVENTS_PER_BATCH_MAX;

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
        // Views and aggregates leave no record: they read everything.
        let follows = replayed.follows.as_ref().filter(|_| replayed.manifest.kind == FunctionKind::Handler);
        let row = follows.map(|row| &**reading.snapshot.function(&row.name).unwrap_or(row));
        if let Some(row) = row
            && !place.past.look_ahead(reading.snapshot, row)?
        {
            self.pending = Some(Pending::Undone);
            return Ok(Prepared::Parts(Vec::new()));
        }
        if let Some(row) = row.filter(|_| self.trying) {
            return self.prepare_trial(reading, replayed, row, place, shadow);
        }
        let (options, manifest) = (self.options, &replayed.manifest);
        let lanes = Lanes::of(manifest, options.lanes, self.stateful);
        let mut taken: Vec<Position> = Vec::new();
        let in_sample = |event: &EventRef<'_>| is_sampled(manifest, options.sample, event);
        let mut mark = |event: &EventRef<'_>| {
            if options.sample > 1 {
                if !in_sample(event) {
                    return None;
                }
                taken.push(event.position);
            }
            Some(lanes.lane(event))
        };
        let portion = Portion { events: portion.events.min(self.portion_events_max), ..portion };
        let from = place.past.position();
        let mut gathered = Follow { reading, manifest, row, portion }.gather(&mut place.past, &mut mark)?;
        if let Some(why) = gathered.unavailable {
            self.pending = Some(Pending::Unavailable(why));
            return Ok(Prepared::Parts(Vec::new()));
        }
        taken.sort_unstable();
        let to = place.past.position();
        let outputs = Outputs::of(reading.snapshot, &manifest.name, options.from.max(self.begun));
        let sample = Sample { taken: &taken, from, to, in_sample: &in_sample };
        let sample = (options.sample > 1).then_some(&sample);
        let mut comparing = None;
        if options.compare && manifest.kind == FunctionKind::Handler {
            let recorded = place.trail.follow(&outputs, &place.past, &gathered.stretches, sample)?;
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
        let portioning = Portioning { place, read: Some(read), portioned: None };
        self.parts(reading, manifest, shadow, (gathered.batch, Asked::Replay(comparing)), lanes.count(), portioning)
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
        self.parts(reading, &replayed.manifest, shadow, (batch, Asked::Try), 1, portioning)
    }

    fn parts(
        &mut self,
        reading: &Reading<'_>,
        manifest: &FunctionManifest,
        shadow: &ViewFile,
        (batch, asked): (Batch, Asked),
        lanes: usize,
        mut portioning: Portioning,
    ) -> Result<Prepared, StoreError> {
        let empty = batch.is_empty();
        let judging = Judging { asked, reader: reading.snapshot.reader(), upto: reading.snapshot.head() };
        let portioned = Portioned { manifest: manifest.clone(), batch, rows: shadow.snapshot()?, judging: Some(judging) };
        let portioned = Arc::new(portioned);
        portioning.portioned = Some(portioned.clone());
        self.pending = Some(Pending::Portion(Box::new(portioning)));
        if empty {
            return Ok(Prepared::Parts(Vec::new()));
        }
        let mut warm = std::mem::take(&mut self.warm);
        let mut part = |lane: usize| {
            let lane = (lanes > 1).then_some(lane as u32);
            Part { portioned: portioned.clone(), lane, overlay: Mutex::new(warm.remove(&lane).unwrap_or_default()) }
        };
        Ok(Prepared::Parts((0..lanes).map(&mut part).collect()))
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
