//! A retelling in time: what is due before a source event is told before it, and an answer to a request is told
//! if the request was made again.

use super::due::{Next, first_occurrences, next_occurrence, scheduled};
use super::rounds::Step;
use super::telling::{Stop, Telling};
use crate::model::limits::RETOLD_BYTES_PER_RECORD;
use crate::model::{
    Emitted, EventRef, NextOccurrence, Position, Processing, Timestamp, answered, fired, function_of, function_source, is_same_request,
    occurrence, timer_source,
};
use crate::store::StoreError;

impl Telling<'_> {
    /// Schedules begin where they began in the old log: said once, in the first record.
    pub(super) fn begin_schedules(&mut self) {
        if self.has_told() {
            return;
        }
        for ((function, key), next) in first_occurrences(self.plan, self.target, self.calendar) {
            self.set_next(function, key, Some(next));
        }
    }

    fn set_next(&mut self, function: String, key: String, next: Option<NextOccurrence>) {
        self.due.schedule(&function, &key, next.clone());
        self.open().add_processing(&Processing::Scheduled { function, key, next });
    }

    /// Fires what is due at or before a time, one after the other, each with everything that it causes. True: the
    /// step has told enough, and the next one goes on with it.
    pub fn fire(&mut self, upto: Timestamp, units: usize) -> Result<(bool, Option<Stop>), StoreError> {
        while let Some(next) = self.due.next(upto)? {
            let (source, event) = match next {
                Next::Stored(timer) => (timer_source(&timer.function), timer.event),
                Next::Set(position) => self.set_here(position)?,
                Next::Schedule { function, key, due } => self.comes_now(function, key, due),
            };
            self.recorded = self.recorded.max(event.time);
            let recorded = self.recorded;
            let position = self.open().add_fired_at(&source, &event, recorded);
            self.placed(position, &event);
            self.told.derived += 1;
            if let Some(stop) = self.run()? {
                return Ok((false, Some(stop)));
            }
            if self.open_bytes() >= RETOLD_BYTES_PER_RECORD {
                self.close();
            }
            if self.is_enough(units) {
                return Ok((true, None));
            }
        }
        Ok((false, None))
    }

    /// The event of a timer that this step has set.
    fn set_here(&self, position: Position) -> Result<(String, Emitted), StoreError> {
        let told = Step { open: self.open.as_ref(), finished: &self.finished };
        let made = told.event(position).and_then(|entry| Some((timer_source(function_of(entry.source)?), fired(&entry)?)));
        made.ok_or_else(|| StoreError::Damaged { file: "the log".into(), position, what: "it set no timer".into() })
    }

    fn comes_now(&mut self, function: String, key: String, due: Timestamp) -> (String, Emitted) {
        let row = self.target.function(&function).cloned().expect("a schedule is named by its function");
        let schedule = scheduled(&row, &key).expect("a schedule is named by its function");
        let next = next_occurrence(schedule, due, self.calendar);
        let event = occurrence(&function, schedule, due);
        let source = timer_source(&function);
        self.set_next(function, key, next);
        (source, event)
    }

    /// For an answer to a request: where the request is in the new log, if it was made again byte for byte.
    /// `None`: this is no such answer.
    pub(super) fn answers(&self, event: &EventRef<'_>) -> Result<Option<Option<Position>>, StoreError> {
        let (Some(function), Some(cause)) = (answered(event), event.cause) else { return Ok(None) };
        let here = match self.due.request(event.id) {
            Some(position) => Some(position),
            None => self.target.find(&function_source(function), event.id)?,
        };
        let (Some(position), Some(old)) = (here, self.base.record(cause)?) else { return Ok(Some(None)) };
        let told = Step { open: self.open.as_ref(), finished: &self.finished };
        let stored = if told.event(position).is_none() { self.target.record(position)? } else { None };
        let new = told.event(position).or_else(|| stored.as_ref().and_then(|record| record.event(position)));
        let same = new.zip(old.event(cause)).is_some_and(|(new, old)| is_same_request(&new, &old));
        Ok(Some(same.then_some(position)))
    }
}
