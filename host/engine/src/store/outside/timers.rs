//! Pending timers, as a snapshot shows them: by when they are due, and by key.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::ReadableTable;

use super::super::error::StoreError;
use super::super::function::{FunctionRow, FunctionStatus};
use super::super::snapshot::Snapshot;
use super::super::tables;
use super::durable::open;
use super::rows::OutsideCounts;
use super::schedule::ScheduleRow;
use crate::model::{Emitted, Position, Record, Timestamp, fired};

/// A timer that was set and has neither fired nor been cancelled.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingTimer {
    pub function: String,
    pub key: String,
    pub due: Timestamp,
    /// Of the entry that set it.
    pub position: Position,
    /// What it will make.
    pub event: Emitted,
}

/// Some timers, in the order that was asked for.
#[derive(Clone, Debug, Default)]
pub struct TimerPage {
    pub timers: Vec<PendingTimer>,
    pub more: bool,
}

/// A row of either table.
struct Row {
    due: Timestamp,
    function: Arc<FunctionRow>,
    key: String,
    position: Position,
}

type Timers = redb::ReadOnlyTable<(u64, u32, &'static str), u64>;

impl Snapshot {
    /// When the next timer or schedule is due. `None` where none is pending, or none fires here.
    pub fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        if !self.view.effects {
            return Ok(None);
        }
        let timer = match open(&self.transaction, tables::TIMERS)? {
            Some(table) => table.first()?.map(|(key, _)| Timestamp(key.value().0)),
            None => None,
        };
        // Of one that no manifest names any more nothing comes.
        let named = |row: &ScheduleRow| {
            let function = self.view.functions.get(&row.function).filter(|function| function.status != FunctionStatus::Retired);
            function.is_some_and(|function| function.manifest.schedules.iter().any(|schedule| schedule.key == row.key))
        };
        let schedule = self.schedules()?.into_iter().filter(named).map(|schedule| schedule.next.due).min();
        Ok(timer.into_iter().chain(schedule).min())
    }

    /// Timers that are due at or before `upto`, in the order of (due, function, key), at most `limit`.
    pub fn due(&self, upto: Timestamp, limit: usize) -> Result<Vec<PendingTimer>, StoreError> {
        Ok(self.timers_after(None, upto, limit)?.timers)
    }

    /// Timers of all functions in the order of (due, function, key), after the one that is named so.
    pub fn timers_by_due(&self, after: Option<(Timestamp, &str, &str)>, limit: usize) -> Result<TimerPage, StoreError> {
        self.timers_after(after, Timestamp(u64::MAX - 1), limit)
    }

    /// Timers of one function in the order of their keys, after this one.
    pub fn timers_of(&self, function: &str, after: &str, limit: usize) -> Result<TimerPage, StoreError> {
        let (Some(table), Some(function)) = (open(&self.transaction, tables::TIMER_KEYS)?, self.view.functions.get(function)) else {
            return Ok(TimerPage::default());
        };
        let (mut rows, mut more) = (Vec::new(), false);
        for row in table.range((function.ordinal, after)..(function.ordinal + 1, ""))? {
            let (key, value) = row?;
            let (key, (due, position)) = (key.value().1, value.value());
            if key == after || Position(position) > self.head {
                continue;
            }
            if rows.len() == limit {
                more = true;
                break;
            }
            rows.push(Row { due: Timestamp(due), function: function.clone(), key: key.to_owned(), position: Position(position) });
        }
        Ok(TimerPage { timers: self.with_events(rows)?, more })
    }

    /// What of a function is pending.
    pub fn outside_counts(&self, ordinal: u32) -> OutsideCounts {
        self.view.outside.get(&ordinal).copied().unwrap_or_default()
    }

    /// Whether timers fire here and requests leave.
    pub fn effects(&self) -> bool {
        self.view.effects
    }

    fn timers_after(&self, after: Option<(Timestamp, &str, &str)>, upto: Timestamp, limit: usize) -> Result<TimerPage, StoreError> {
        let Some(table) = open(&self.transaction, tables::TIMERS)? else { return Ok(TimerPage::default()) };
        let by_ordinal: BTreeMap<u32, &Arc<FunctionRow>> = self.view.functions.values().map(|row| (row.ordinal, row)).collect();
        // The rows of one due time are by ordinal: functions in the order of their names are looked up.
        let wanted = limit.saturating_add(1);
        let mut rows: Vec<Row> = Vec::new();
        let mut from = 0;
        if let Some((due, function, key)) = after {
            self.of_one_due(&table, due, Some((function, key)), wanted, &mut rows)?;
            from = due.0.saturating_add(1);
        }
        let before = rows.len();
        for row in table.range((from, 0, "")..(upto.0.saturating_add(1), 0, ""))? {
            if rows.len() >= wanted {
                break;
            }
            let (key, position) = row?;
            let (due, ordinal, key) = key.value();
            // What came after the head of this snapshot is not in it.
            if let Some(function) = by_ordinal.get(&ordinal).filter(|_| position.value() <= self.head.0) {
                let position = Position(position.value());
                rows.push(Row { due: Timestamp(due), function: Arc::clone(function), key: key.to_owned(), position });
            }
        }
        if rows.len() >= wanted && rows.len() > before {
            // Some of the last due time may be missing that come first by name.
            let due = rows[rows.len() - 1].due;
            let whole = before + rows[before..].partition_point(|row| row.due < due);
            rows.truncate(whole);
            self.of_one_due(&table, due, None, wanted, &mut rows)?;
        }
        rows.sort_by(|one, other| (one.due, &one.function.name, &one.key).cmp(&(other.due, &other.function.name, &other.key)));
        let more = rows.len() > limit;
        rows.truncate(limit);
        Ok(TimerPage { timers: self.with_events(rows)?, more })
    }

    /// The rows of one due time, functions in the order of their names, until there are `wanted`.
    fn of_one_due(
        &self,
        table: &Timers,
        due: Timestamp,
        after: Option<(&str, &str)>,
        wanted: usize,
        rows: &mut Vec<Row>,
    ) -> Result<(), StoreError> {
        for function in self.view.functions.values().filter(|row| after.is_none_or(|(name, _)| row.name.as_str() >= name)) {
            let after = after.filter(|(name, _)| *name == function.name).map(|(_, key)| key);
            for row in table.range((due.0, function.ordinal, after.unwrap_or_default())..(due.0, function.ordinal + 1, ""))? {
                let (key, position) = row?;
                let (key, position) = (key.value().2, Position(position.value()));
                if Some(key) == after || position > self.head {
                    continue;
                }
                if rows.len() >= wanted {
                    return Ok(());
                }
                rows.push(Row { due, function: function.clone(), key: key.to_owned(), position });
            }
        }
        Ok(())
    }

    /// Reads what the entries say. A record is read once, however many of them it holds.
    fn with_events(&self, rows: Vec<Row>) -> Result<Vec<PendingTimer>, StoreError> {
        let mut by_position: Vec<(usize, Row)> = rows.into_iter().enumerate().collect();
        by_position.sort_by_key(|(_, row)| row.position);
        let mut last: Option<Arc<Record>> = None;
        let mut timers = Vec::with_capacity(by_position.len());
        for (index, Row { due, function, key, position }) in by_position {
            if last.as_ref().is_none_or(|record| record.last() < position) {
                last = self.record(position)?;
            }
            let event = last.as_ref().and_then(|record| record.event(position)).and_then(|entry| fired(&entry));
            let missing = || StoreError::Damaged { file: "the log".into(), position, what: "it set no timer".into() };
            let event = event.ok_or_else(missing)?;
            timers.push((index, PendingTimer { function: function.name.clone(), key, due, position, event }));
        }
        timers.sort_by_key(|(index, _)| *index);
        Ok(timers.into_iter().map(|(_, timer)| timer).collect())
    }
}
