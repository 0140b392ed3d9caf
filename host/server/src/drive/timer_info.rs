//! Pending timers and schedules, as operators see them.

use retold_engine::model::{Missed, Position, Timestamp};
use retold_engine::store::{FunctionStatus, PendingTimer};

use super::namespace::Namespace;
use super::types::DriveError;

/// A timer that was set and has neither fired nor been cancelled.
#[derive(Clone, Debug)]
pub struct TimerInfo {
    pub function: String,
    pub key: String,
    pub due: Timestamp,
    /// Of the event to come.
    pub r#type: String,
    pub subject: String,
    /// Of the entry that set it.
    pub position: Position,
}

#[derive(Clone, Debug, Default)]
pub struct TimerInfoPage {
    pub timers: Vec<TimerInfo>,
    pub more: bool,
    /// Pending timers on all pages.
    pub total: u64,
}

/// Behind which timer a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerPlace {
    pub due: Timestamp,
    pub function: String,
    pub key: String,
}

/// A schedule of a function that isn't retired.
#[derive(Clone, Debug)]
pub struct ScheduleInfo {
    pub function: String,
    pub key: String,
    pub cron: String,
    pub time_zone: String,
    pub r#type: String,
    pub missed: Missed,
    /// `None`: never, or not in this namespace.
    pub next: Option<Timestamp>,
}

impl From<PendingTimer> for TimerInfo {
    fn from(timer: PendingTimer) -> TimerInfo {
        let PendingTimer { function, key, due, position, event } = timer;
        TimerInfo { function, key, due, r#type: event.r#type, subject: event.subject, position }
    }
}

impl Namespace {
    /// Pending timers of all functions, the next first.
    pub fn timers_by_due(&self, after: Option<&TimerPlace>, limit: usize) -> Result<TimerInfoPage, DriveError> {
        let snapshot = self.inside().reader.snapshot()?;
        let page = snapshot.timers_by_due(after.map(|place| (place.due, place.function.as_str(), place.key.as_str())), limit)?;
        let total = snapshot.functions().map(|row| snapshot.outside_counts(row.ordinal).timers).sum();
        Ok(TimerInfoPage { timers: page.timers.into_iter().map(TimerInfo::from).collect(), more: page.more, total })
    }

    /// Pending timers of one function, by key.
    pub fn timers_of(&self, function: &str, after: &str, limit: usize) -> Result<TimerInfoPage, DriveError> {
        let snapshot = self.inside().reader.snapshot()?;
        let page = snapshot.timers_of(function, after, limit)?;
        let total = snapshot.function(function).map_or(0, |row| snapshot.outside_counts(row.ordinal).timers);
        Ok(TimerInfoPage { timers: page.timers.into_iter().map(TimerInfo::from).collect(), more: page.more, total })
    }

    /// How long the next timer or schedule has been due, in microseconds; 0 where it is to come, or nothing fires.
    pub fn timers_overdue_us(&self) -> u64 {
        let inside = self.inside();
        let snapshot = inside.reader.snapshot().ok().filter(|_| !inside.is_frozen());
        let next = snapshot.and_then(|snapshot| snapshot.next_due().ok().flatten());
        next.map_or(0, |due| inside.clock.now().0.saturating_sub(due.0))
    }

    /// Schedules by function, in the order of its manifest.
    pub fn schedules(&self) -> Result<Vec<ScheduleInfo>, DriveError> {
        let snapshot = self.inside().reader.snapshot()?;
        let rows = snapshot.schedules()?;
        let comes = snapshot.effects() && !self.inside().is_frozen();
        let live = snapshot.functions().filter(|row| row.status != FunctionStatus::Retired);
        let all = live.flat_map(|function| function.manifest.schedules.iter().map(move |schedule| (function, schedule)));
        let info = all.map(|(function, schedule)| {
            let row = rows.iter().find(|row| row.function == function.name && row.key == schedule.key).filter(|_| comes);
            ScheduleInfo {
                function: function.name.clone(),
                key: schedule.key.clone(),
                cron: schedule.cron.clone(),
                time_zone: schedule.time_zone.clone(),
                r#type: schedule.r#type.clone(),
                missed: schedule.missed,
                next: row.map(|row| row.next.due),
            }
        });
        Ok(info.collect())
    }
}
