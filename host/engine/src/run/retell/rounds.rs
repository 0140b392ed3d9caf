//! The rounds of a retelling: what an event causes is told until it rests.

use super::teller::{Around, Outcome};
use super::telling::{Stop, Telling};
use crate::model::limits::RETOLD_BYTES_PER_RECORD;
use crate::model::{Commit, EventRef, Position, Record, RecordBuilder};
use crate::store::StoreError;

impl Telling<'_> {
    /// Runs rounds until no function has anything left.
    pub(super) fn run(&mut self) -> Result<Option<Stop>, StoreError> {
        while !self.rests() {
            if let Some(stop) = self.round()? {
                return Ok(Some(stop));
            }
        }
        Ok(None)
    }

    pub(super) fn rests(&self) -> bool {
        self.tellers.iter().all(|teller| teller.pending.is_empty())
    }

    /// Each function in turn deals with all that stands in the log by then. A record that is full ends the
    /// round, so that whoever goes on after it does the same.
    fn round(&mut self) -> Result<Option<Stop>, StoreError> {
        for index in 0..self.tellers.len() {
            let upto = self.last();
            while let Some(position) = self.tellers[index].pending.front().copied().filter(|position| *position <= upto) {
                if let Some(stop) = self.tell(index, position)? {
                    return Ok(Some(stop));
                }
                if self.open_bytes() >= RETOLD_BYTES_PER_RECORD {
                    self.close();
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    fn tell(&mut self, index: usize, position: Position) -> Result<Option<Stop>, StoreError> {
        self.open();
        let place = self.last().next();
        let teller = &mut self.tellers[index];
        let around = Around { snapshot: self.target, guests: self.guests, upcasting: &self.upcasting };
        let told = Step { open: self.open.as_ref(), finished: &self.finished };
        let stored = if told.event(position).is_none() { self.target.record(position)? } else { None };
        let missing = |position| StoreError::Damaged { file: "the log".into(), position, what: "the event is missing".into() };
        let event = told.event(position).or_else(|| stored.as_ref().and_then(|record| record.event(position)));
        let event = event.ok_or_else(|| missing(position))?;
        let since = teller.decider.as_ref().map_or(&[][..], |decider| decider.since(event.subject));
        let since: Vec<EventRef<'_>> = since.iter().map(|at| told.event(*at).ok_or_else(|| missing(*at))).collect::<Result<_, _>>()?;
        let outcome = teller.tell(&around, &event, (&since, place), self.recorded)?;
        teller.pending.pop_front();
        match outcome {
            Outcome::Emitted(emitted) => {
                let (source, module) = (teller.source.clone(), teller.row.module);
                let recorded = self.recorded;
                for made in emitted {
                    let position = self.open().add_derived_at(&source, module, &made, recorded);
                    self.placed(position, &made);
                    self.told.derived += 1;
                }
            }
            Outcome::Parked => self.told.parked += 1,
            Outcome::Halted(fault) => {
                let (function, reason) = (teller.row.name.clone(), fault.reason.to_owned());
                return Ok(Some(Stop::Halted { function, position: self.at, reason, message: fault.message }));
            }
            Outcome::Unavailable(why) => return Ok(Some(Stop::Unavailable(why))),
        }
        Ok(None)
    }
}

fn holds(record: &Record, position: Position) -> bool {
    record.first <= position && position <= record.last()
}

/// The entries that this step has told.
pub(super) struct Step<'a> {
    pub open: Option<&'a RecordBuilder>,
    pub finished: &'a [Commit],
}

impl<'a> Step<'a> {
    pub fn event(&self, position: Position) -> Option<EventRef<'a>> {
        let open = self.open.and_then(|open| open.event(position));
        open.or_else(|| self.finished.iter().rev().find(|commit| holds(&commit.record, position))?.record.event(position))
    }
}
