//! From a function's past to the events that it dealt with: stretches become a batch, in the order in which
//! they were recorded.

use std::collections::BTreeSet;

use super::handler::Fault;
use super::reading::{Reading, Taken, Unreadable};
use crate::model::{FunctionManifest, Glance, Position};
use crate::store::{Batch, FunctionRow, Next, Passed, Past, Portion, StoreError, Stretch};

/// Whose past is read, and how.
pub struct Follow<'a> {
    pub reading: &'a Reading<'a>,
    /// What the code reads; it may be other than what its function read so far.
    pub manifest: &'a FunctionManifest,
    /// Whose record is followed; `None`: everything is read.
    pub row: Option<&'a FunctionRow>,
    /// Where everything ends, at the snapshot's head or before.
    pub end: Position,
    pub portion: Portion,
    /// Whether the records that are passed are kept for who reads the same stretches after this.
    pub keeps_passed: bool,
}

/// Events of a function's past.
#[derive(Default)]
pub struct Gathered {
    pub batch: Batch,
    /// Stretches read, each with how far.
    pub stretches: Vec<(Stretch, Position)>,
    /// Events left out because they were parked then.
    pub skipped: u64,
    /// Events that can't be read in the form that the code wants, in the order of the batch.
    pub unreadable: Vec<Lost>,
    /// Why the host could not run an upcaster now: nothing of all this is of use then.
    pub unavailable: Option<String>,
    pub ended: Ended,
    pub passed: Passed,
}

/// An event that its upcaster can't turn.
pub struct Lost {
    pub position: Position,
    pub subject: String,
    pub fault: Fault,
    /// How many events of the batch come before it.
    pub at: usize,
}

/// Where gathering ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// Within a stretch, or for the time being.
    #[default]
    Between,
    /// At a stretch's end: everything up to [`Past::commit`] is in the batch and nothing else.
    Whole,
    /// Everything is in the batch that the snapshot knows of.
    Level,
}

impl Follow<'_> {
    /// Takes the next portion. `mark` answers `None` for events that are left out.
    pub fn gather(&self, past: &mut Past, mark: &mut dyn FnMut(&Glance<'_>) -> Option<u32>) -> Result<Gathered, StoreError> {
        let passed = if self.keeps_passed { Passed::keeping() } else { Passed::default() };
        let mut gathered = Gathered { passed, ..Gathered::default() };
        let snapshot = self.reading.snapshot;
        while !gathered.batch.is_full(self.portion) && gathered.unavailable.is_none() {
            let room = (self.portion.events - gathered.batch.len()) as u64;
            let next = match self.row {
                Some(row) => past.next(snapshot, row, room)?,
                None => past.read_to(self.end, snapshot.commit()),
            };
            let stretch = match next {
                Next::Level => {
                    gathered.ended = Ended::Level;
                    return Ok(gathered);
                }
                Next::Nothing => {
                    gathered.ended = Ended::Whole;
                    return Ok(gathered);
                }
                Next::Stretch(stretch) => stretch,
            };
            let seen = self.read(&stretch, &mut gathered, mark)?;
            if seen >= stretch.to {
                for position in &stretch.unparked {
                    let released = self.reading.pick_marked(self.manifest, &[*position], mark)?;
                    gathered.take(released);
                }
            }
            past.went(&stretch, seen);
            gathered.ended = if seen >= stretch.to { Ended::Whole } else { Ended::Between };
            gathered.stretches.push((stretch, seen));
        }
        Ok(gathered)
    }

    /// Reads a stretch, as far as there is room. Answers how far it went.
    fn read(
        &self,
        stretch: &Stretch,
        gathered: &mut Gathered,
        mark: &mut dyn FnMut(&Glance<'_>) -> Option<u32>,
    ) -> Result<Position, StoreError> {
        let parked: BTreeSet<Position> = stretch.parked.iter().copied().collect();
        let mut after = stretch.from;
        while after < stretch.to && gathered.unavailable.is_none() && !gathered.batch.is_full(self.portion) {
            let portion =
                Portion { events: self.portion.events - gathered.batch.len(), bytes: self.portion.bytes - gathered.batch.bytes() };
            let mut skipped = 0;
            let mut mark = |event: &Glance<'_>| {
                let is_parked = !parked.is_empty() && parked.contains(&event.position);
                let mark = mark(event);
                skipped += u64::from(is_parked && mark.is_some());
                mark.filter(|_| !is_parked)
            };
            let taken = self.reading.take_marked(self.manifest, after, stretch.to, portion, &mut gathered.passed, &mut mark)?;
            after = taken.unreadable.as_ref().map_or(taken.seen, |unreadable| unreadable.position).max(after);
            gathered.skipped += skipped;
            gathered.take(taken);
        }
        Ok(after)
    }
}

impl Gathered {
    fn take(&mut self, taken: Taken) {
        self.batch.append(taken.batch);
        self.unavailable = self.unavailable.take().or(taken.unavailable);
        if let Some(Unreadable { position, subject, fault, .. }) = taken.unreadable {
            self.unreadable.push(Lost { position, subject, fault, at: self.batch.len() });
        }
    }
}
