//! What is due, in waves. Where the host was down, what a late timer causes must come before the next timer of
//! the same subject: it may set an earlier one, or cancel that one. So whoever drives fires a wave, waits until
//! the functions are level, and asks for the next.

use std::collections::BTreeSet;

use crate::model::{Missed, NextOccurrence, Schedule, Timestamp};
use crate::store::{Due, FunctionStatus, Occurrence, ScheduleRow, Snapshot, StoreError};

/// Knows cron and time zones; the engine doesn't.
pub trait Calendar {
    /// The first time after `after`; `None`: never.
    fn next(&self, cron: &str, time_zone: &str, after: Timestamp) -> Option<Timestamp>;
}

/// When to look again, and what is late.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub now: Timestamp,
    /// What was due before this is late.
    pub late_before: Timestamp,
}

/// The next wave of what is due in a snapshot, at most `limit`: empty if nothing is.
pub fn next_wave(snapshot: &Snapshot, clock: Clock, limit: usize, calendar: &dyn Calendar) -> Result<Vec<Due>, StoreError> {
    let mut due: Vec<Due> = snapshot.due(clock.now, limit)?.into_iter().map(Due::Timer).collect();
    // Where there are more timers, nobody knows yet which of them come before what is due later.
    let last = due.last().filter(|_| due.len() >= limit).map(|last| last.due());
    // What is due when a schedule comes again comes with that, or after it.
    let mut again = None;
    for row in snapshot.schedules()? {
        let Some(function) = snapshot.function(&row.function).filter(|function| function.status != FunctionStatus::Retired) else {
            continue;
        };
        let Some(schedule) = function.manifest.schedules.iter().find(|schedule| schedule.key == row.key) else { continue };
        if row.next.due <= clock.now && last.is_none_or(|last| row.next.due <= last) {
            let occurrence = occurrence_due(&row, schedule, clock, calendar);
            again = again.into_iter().chain(occurrence.next).min();
            due.push(Due::Schedule(occurrence));
        }
    }
    due.retain(|due| again.is_none_or(|again| due.due() < again));
    Ok(wave(due, clock.late_before))
}

/// The first of these, in the order of (due, function, key), up to where one is about a subject that a late one
/// before it is about.
pub fn wave(mut due: Vec<Due>, late_before: Timestamp) -> Vec<Due> {
    due.sort_by(|one, other| (one.due(), one.function(), one.key()).cmp(&(other.due(), other.function(), other.key())));
    let mut late = BTreeSet::new();
    let end = due.iter().position(|next| {
        let (subject, is_late) = (next.subject(), next.due() < late_before);
        // What has no subject has no promised order.
        let again = !subject.is_empty() && late.contains(subject);
        if is_late {
            late.insert(subject);
        }
        again
    });
    let end = end.unwrap_or(due.len());
    due.truncate(end);
    due
}

/// When the schedule comes first, for one that the log knows nothing of yet, or knows otherwise.
pub fn first_occurrence(schedule: &Schedule, after: Timestamp, calendar: &dyn Calendar) -> Option<NextOccurrence> {
    let due = next_after(schedule, after, calendar)?;
    Some(NextOccurrence { cron: schedule.cron.clone(), time_zone: schedule.time_zone.clone(), due })
}

/// What becomes of an occurrence that is due, as the schedule's policy for missed ones says.
fn occurrence_due(row: &ScheduleRow, schedule: &Schedule, clock: Clock, calendar: &dyn Calendar) -> Occurrence {
    let due = row.next.due;
    let next = next_after(schedule, due, calendar);
    let (fires, next) = match schedule.missed {
        Missed::Latest if next.is_some_and(|next| next <= clock.now) => {
            (false, last_where(schedule, due, calendar, |next| next <= clock.now))
        }
        Missed::Skip if due < clock.late_before => {
            let late = last_where(schedule, due, calendar, |next| next < clock.late_before).unwrap_or(due);
            (false, next_after(schedule, late, calendar))
        }
        Missed::All | Missed::Latest | Missed::Skip => (true, next),
    };
    Occurrence { function: row.function.clone(), key: row.key.clone(), due, fires, next }
}

/// The last time after `due` of which this holds.
fn last_where(schedule: &Schedule, due: Timestamp, calendar: &dyn Calendar, wanted: impl Fn(Timestamp) -> bool) -> Option<Timestamp> {
    let times = std::iter::successors(next_after(schedule, due, calendar), |before| next_after(schedule, *before, calendar));
    times.take_while(|next| wanted(*next)).last()
}

/// A calendar that doesn't go on is one that has ended.
pub(super) fn next_after(schedule: &Schedule, after: Timestamp, calendar: &dyn Calendar) -> Option<Timestamp> {
    calendar.next(&schedule.cron, &schedule.time_zone, after).filter(|next| *next > after)
}
