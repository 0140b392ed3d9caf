//! What earlier proposals of a group did to timers, schedules and requests: none of it is in the tables yet.

use std::collections::{BTreeMap, BTreeSet};

use super::super::error::StoreError;
use super::super::group::Group;
use super::durable::TimerKeys;
use super::rows::RowChange;
use crate::model::{EventRef, OutsideChange, Position, Timestamp};

#[derive(Debug, Default)]
pub struct InGroup {
    /// By function and key: what is pending by now.
    timers: BTreeMap<(u32, String), Option<(Timestamp, Position)>>,
    schedules: BTreeMap<(u32, String), Option<Timestamp>>,
    /// Requests that were answered, or released.
    answered: BTreeSet<Position>,
    released: BTreeSet<Position>,
    /// Held outputs that were released or discarded, by function, cause and id.
    unheld: BTreeSet<(u32, Position, String)>,
    /// To be written along.
    pub rows: Vec<RowChange>,
}

impl InGroup {
    pub fn is_answered(&self, request: Position) -> bool {
        self.answered.contains(&request)
    }

    /// `true` the first time.
    pub fn release(&mut self, request: Position) -> bool {
        self.released.insert(request)
    }

    /// `true` the first time.
    pub fn unhold(&mut self, ordinal: u32, cause: Position, id: &str) -> bool {
        self.unheld.insert((ordinal, cause, id.to_owned()))
    }

    pub fn timer(&self, durable: &TimerKeys, ordinal: u32, key: &str) -> Result<Option<(Timestamp, Position)>, StoreError> {
        if !self.timers.is_empty()
            && let Some(here) = self.timers.get(&(ordinal, key.to_owned()))
        {
            return Ok(*here);
        }
        durable.get(ordinal, key)
    }

    /// `None`: no earlier proposal said anything of it.
    pub fn schedule(&self, ordinal: u32, key: &str) -> Option<Option<Timestamp>> {
        self.schedules.get(&(ordinal, key.to_owned())).copied()
    }

    pub fn scheduled(&mut self, ordinal: u32, key: &str, next: Option<Timestamp>) {
        self.schedules.insert((ordinal, key.to_owned()), next);
    }

    /// The timer of this key is no more.
    pub fn settled(&mut self, ordinal: u32, key: &str) {
        self.timers.insert((ordinal, key.to_owned()), None);
    }

    pub fn answered(&mut self, request: Position) {
        self.answered.insert(request);
    }
}

impl Group<'_> {
    /// Takes into account what was just added, if it is about a timer or a request.
    pub fn note_outside(&mut self, position: Position) {
        let Some(entry) = self.builder.event(position) else { return };
        note(&mut self.outside, &entry, |function| self.mirror.function(function).map(|row| row.ordinal));
    }
}

fn note(outside: &mut InGroup, entry: &EventRef<'_>, ordinal: impl Fn(&str) -> Option<u32>) {
    match OutsideChange::of(entry) {
        Some(OutsideChange::Set { function, key, due, position }) => {
            let Some(ordinal) = ordinal(function) else { return };
            outside.timers.insert((ordinal, key.to_owned()), Some((due, position)));
        }
        Some(OutsideChange::Cancelled { function, key } | OutsideChange::Fired { function, key, .. }) => {
            let Some(ordinal) = ordinal(function) else { return };
            outside.settled(ordinal, key);
        }
        Some(OutsideChange::Answered { request, .. }) => outside.answered(request),
        Some(OutsideChange::Requested { .. }) | None => {}
    }
}
