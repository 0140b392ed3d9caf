//! Timers and schedules in a retelling: which comes next. What a step did to them stands over what the new log
//! says of them.

use std::collections::{BTreeMap, VecDeque};

use super::plan::RetellPlan;
use crate::model::{EventRef, NextOccurrence, OutsideChange, Position, Schedule, Timestamp};
use crate::run::waves::{Calendar, next_after};
use crate::store::{FunctionRow, FunctionStatus, PendingTimer, Snapshot, StoreError};

/// Timers read ahead.
const PAGE: usize = 256;

/// A timer by when it is due, in the order in which they fire.
type Place = (Timestamp, String, String);

pub struct DueNext<'a> {
    target: &'a Snapshot,
    /// Set in this step and pending, and all that this step said anything of.
    set: BTreeMap<Place, Position>,
    changed: BTreeMap<(String, String), Option<Timestamp>>,
    /// Of the new log as it was before the step, read ahead.
    stored: VecDeque<PendingTimer>,
    after: Option<Place>,
    more: bool,
    schedules: BTreeMap<(String, String), NextOccurrence>,
    /// Requests made in this step, by their ids.
    requests: BTreeMap<String, Position>,
}

/// What comes next.
pub enum Next {
    Stored(Box<PendingTimer>),
    /// It was set in this step, by this entry.
    Set(Position),
    Schedule {
        function: String,
        key: String,
        due: Timestamp,
    },
}

impl<'a> DueNext<'a> {
    pub fn new(target: &'a Snapshot) -> Result<DueNext<'a>, StoreError> {
        let schedules = target.schedules()?.into_iter().map(|row| ((row.function, row.key), row.next)).collect();
        Ok(DueNext {
            target,
            set: BTreeMap::new(),
            changed: BTreeMap::new(),
            stored: VecDeque::new(),
            after: None,
            more: true,
            schedules,
            requests: BTreeMap::new(),
        })
    }

    /// Takes an entry of this step into account.
    pub fn note(&mut self, entry: &EventRef<'_>) {
        match OutsideChange::of(entry) {
            Some(OutsideChange::Set { function, key, due, position }) => {
                self.forget(function, key);
                self.changed.insert((function.to_owned(), key.to_owned()), Some(due));
                self.set.insert((due, function.to_owned(), key.to_owned()), position);
            }
            Some(OutsideChange::Cancelled { function, key } | OutsideChange::Fired { function, key, .. }) => self.forget(function, key),
            Some(OutsideChange::Requested { position, .. }) => drop(self.requests.insert(entry.id.to_owned(), position)),
            Some(OutsideChange::Answered { .. }) | None => {}
        }
    }

    fn forget(&mut self, function: &str, key: &str) {
        let before = self.changed.insert((function.to_owned(), key.to_owned()), None);
        if let Some(Some(due)) = before {
            self.set.remove(&(due, function.to_owned(), key.to_owned()));
        }
    }

    /// The request of this id, if it was made in this step.
    pub fn request(&self, id: &str) -> Option<Position> {
        self.requests.get(id).copied()
    }

    pub fn schedule(&mut self, function: &str, key: &str, next: Option<NextOccurrence>) {
        let name = (function.to_owned(), key.to_owned());
        match next {
            Some(next) => drop(self.schedules.insert(name, next)),
            None => drop(self.schedules.remove(&name)),
        }
    }

    /// What is due first, at or before `upto`, by (due, function, key).
    pub fn next(&mut self, upto: Timestamp) -> Result<Option<Next>, StoreError> {
        self.read_ahead()?;
        let stored = self.stored.front().map(|timer| (timer.due, timer.function.as_str(), timer.key.as_str()));
        let set = self.set.keys().next().map(|(due, function, key)| (*due, function.as_str(), key.as_str()));
        let scheduled = self.schedules.iter().filter(|((function, key), _)| self.is_named(function, key));
        let scheduled = scheduled.map(|((function, key), next)| (next.due, function.as_str(), key.as_str())).min();
        let Some(first) = [stored, set, scheduled].into_iter().flatten().min().filter(|(due, ..)| *due <= upto) else { return Ok(None) };
        if Some(first) == set {
            return Ok(self.set.values().next().map(|position| Next::Set(*position)));
        }
        if Some(first) == stored {
            return Ok(self.stored.pop_front().map(|timer| Next::Stored(Box::new(timer))));
        }
        Ok(Some(Next::Schedule { due: first.0, function: first.1.to_owned(), key: first.2.to_owned() }))
    }

    /// The first of `stored` is one that this step said nothing of.
    fn read_ahead(&mut self) -> Result<(), StoreError> {
        loop {
            while let Some(timer) = self.stored.front() {
                if !self.changed.contains_key(&(timer.function.clone(), timer.key.clone())) {
                    return Ok(());
                }
                self.stored.pop_front();
            }
            if !self.more {
                return Ok(());
            }
            let after = self.after.as_ref().map(|(due, function, key)| (*due, function.as_str(), key.as_str()));
            let page = self.target.timers_by_due(after, PAGE)?;
            self.more = page.more;
            self.after = page.timers.last().map(|timer| (timer.due, timer.function.clone(), timer.key.clone())).or(self.after.take());
            self.stored.extend(page.timers);
        }
    }

    fn is_named(&self, function: &str, key: &str) -> bool {
        self.target.function(function).is_some_and(|row| scheduled(row, key).is_some())
    }
}

/// The schedule of this key, if the function lives and has it.
pub fn scheduled<'a>(row: &'a FunctionRow, key: &str) -> Option<&'a Schedule> {
    let lives = row.status != FunctionStatus::Retired;
    row.manifest.schedules.iter().find(|schedule| lives && schedule.key == key)
}

/// When the schedules of the new log begin: where those of the old one did.
pub fn first_occurrences(plan: &RetellPlan, target: &Snapshot, calendar: &dyn Calendar) -> BTreeMap<(String, String), NextOccurrence> {
    let mut first = BTreeMap::new();
    for ((function, key), began) in &plan.scheduled {
        let schedule = target.function(function).and_then(|row| scheduled(row, key));
        let next = schedule.and_then(|schedule| next_occurrence(schedule, Timestamp(began.0.saturating_sub(1)), calendar));
        first.extend(next.map(|next| ((function.clone(), key.clone()), next)));
    }
    first
}

pub fn next_occurrence(schedule: &Schedule, after: Timestamp, calendar: &dyn Calendar) -> Option<NextOccurrence> {
    let due = next_after(schedule, after, calendar)?;
    Some(NextOccurrence { cron: schedule.cron.clone(), time_zone: schedule.time_zone.clone(), due })
}
