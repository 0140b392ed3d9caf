//! Timers and schedules that are due: found in a snapshot, fired here if they still are what they were.

use super::super::error::StoreError;
use super::super::group::Group;
use super::super::proposal::Refused;
use super::durable::{Durable, TimerKeys};
use super::rows::RowChange;
use super::schedule::Occurrence;
use super::timers::PendingTimer;
use crate::model::{Class, Emitted, Kind, NextOccurrence, Position, Processing, Timestamp, limits, occurrence, timer_source};

/// Something that is due, as a snapshot showed it.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are timers")]
pub enum Due {
    Timer(PendingTimer),
    Schedule(Occurrence),
}

/// What became of one that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It made the event at this position.
    Fired(Position),
    /// Its event was in the log already.
    Known(Position),
    /// A schedule passed over an occurrence, as its policy says.
    Skipped,
    /// It was replaced, cancelled, or has fired.
    Stale,
    /// It is not due yet by the time of the log.
    Early,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// In the order of what was due.
    pub fates: Vec<Fate>,
}

impl Due {
    pub fn due(&self) -> Timestamp {
        match self {
            Due::Timer(timer) => timer.due,
            Due::Schedule(occurrence) => occurrence.due,
        }
    }

    pub fn function(&self) -> &str {
        match self {
            Due::Timer(timer) => &timer.function,
            Due::Schedule(occurrence) => &occurrence.function,
        }
    }

    pub fn key(&self) -> &str {
        match self {
            Due::Timer(timer) => &timer.key,
            Due::Schedule(occurrence) => &occurrence.key,
        }
    }

    /// What its event will be about; that of a schedule is about the schedule.
    pub fn subject(&self) -> &str {
        match self {
            Due::Timer(timer) => &timer.event.subject,
            Due::Schedule(occurrence) => &occurrence.key,
        }
    }
}

impl Group<'_> {
    pub(in super::super) fn fire(&mut self, all: Vec<Due>) -> Result<Result<Fired, Refused>, StoreError> {
        if !self.mirror.effects {
            return Ok(Err(Refused::EffectsOff));
        }
        let (found, max) = (all.len(), limits::EVENTS_PER_APPEND_MAX);
        if found > max {
            return Ok(Err(Refused::TooLarge { what: "timers", found, max }));
        }
        let durable = Durable::of(self.shared)?;
        let keys = durable.keys()?;
        let mut fired = Fired::default();
        for due in all {
            fired.fates.push(match due {
                _ if due.due() > self.builder.recorded() => Fate::Early,
                Due::Timer(timer) => self.fire_timer(&keys, timer)?,
                Due::Schedule(occurrence) => self.fire_schedule(&durable, &occurrence)?,
            });
        }
        Ok(Ok(fired))
    }

    fn fire_timer(&mut self, keys: &TimerKeys, timer: PendingTimer) -> Result<Fate, StoreError> {
        let Some(ordinal) = self.mirror.function(&timer.function).map(|row| row.ordinal) else { return Ok(Fate::Stale) };
        if self.outside.timer(keys, ordinal, &timer.key)? != Some((timer.due, timer.position)) {
            return Ok(Fate::Stale);
        }
        let fate = self.append_fired(&timer_source(&timer.function), &timer.event)?;
        if let Fate::Known(_) = fate {
            // Somebody imported it: there is no entry that says so of this timer.
            self.outside.settled(ordinal, &timer.key);
            self.outside.rows.push(RowChange::Settled { ordinal, key: timer.key, position: timer.position });
        }
        Ok(fate)
    }

    fn fire_schedule(&mut self, durable: &Durable, found: &Occurrence) -> Result<Fate, StoreError> {
        let Some(row) = self.mirror.function(&found.function).cloned() else { return Ok(Fate::Stale) };
        let Some(schedule) = row.manifest.schedules.iter().find(|schedule| schedule.key == found.key) else { return Ok(Fate::Stale) };
        let due = match self.outside.schedule(row.ordinal, &found.key) {
            Some(due) => due,
            None => durable.schedule(row.ordinal, &found.key)?.map(|next| next.due),
        };
        if due != Some(found.due) {
            return Ok(Fate::Stale);
        }
        let fate = match found.fires {
            true => self.append_fired(&timer_source(&row.name), &occurrence(&row.name, schedule, found.due))?,
            false => Fate::Skipped,
        };
        let (cron, time_zone) = (schedule.cron.clone(), schedule.time_zone.clone());
        self.set_next(row.ordinal, &row.name, &found.key, found.next.map(|due| NextOccurrence { cron, time_zone, due }));
        Ok(fate)
    }

    pub(super) fn set_next(&mut self, ordinal: u32, function: &str, key: &str, next: Option<NextOccurrence>) {
        self.outside.scheduled(ordinal, key, next.as_ref().map(|next| next.due));
        self.process(&Processing::Scheduled { function: function.to_owned(), key: key.to_owned(), next });
    }

    fn append_fired(&mut self, source: &str, event: &Emitted) -> Result<Fate, StoreError> {
        let hash = self.shared.hasher.id(source, &event.id);
        if let Some(position) = self.known_id(hash, source, &event.id)? {
            return Ok(Fate::Known(position));
        }
        Ok(Fate::Fired(self.append_outside(Class::Derived, source, hash, event)))
    }

    pub(super) fn append_outside(&mut self, class: Class, source: &str, hash: u64, event: &Emitted) -> Position {
        let position = self.builder.add_outside(class, source, event);
        self.index(position, hash, (Kind::Event, &event.r#type, &event.subject), &event.tags);
        self.note_outside(position);
        position
    }
}
