//! Schedules: what the log knows of a cron schedule is when it comes next. The calendar is with whoever drives.

use std::sync::Arc;

use super::super::error::StoreError;
use super::super::group::Group;
use super::super::proposal::{Accepted, Refused};
use super::super::snapshot::Snapshot;
use super::super::tables;
use super::durable::open;
use crate::model::{ByteReader, NextOccurrence, Position, Timestamp};

/// One occurrence of a schedule that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    pub function: String,
    pub key: String,
    pub due: Timestamp,
    /// Whether it makes an event, or is passed over.
    pub fires: bool,
    /// When it comes next; `None`: never again.
    pub next: Option<Timestamp>,
}

/// When a schedule comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    pub function: String,
    pub key: String,
    /// With the cron text and the time zone that the due time was worked out from: where the manifest says
    /// something else by now, it is to be worked out anew.
    pub next: NextOccurrence,
}

impl Group<'_> {
    /// Sets, changes or removes when a schedule comes next.
    pub(in super::super) fn schedule(&mut self, function: &str, key: &str, next: Option<NextOccurrence>) -> Result<Accepted, Refused> {
        let Some(row) = self.mirror.function(function).map(Arc::clone) else { return Err(Refused::UnknownFunction(function.to_owned())) };
        if next.is_some() && !row.manifest.schedules.iter().any(|schedule| schedule.key == key) {
            return Err(Refused::UnknownSchedule { function: function.to_owned(), key: key.to_owned() });
        }
        self.set_next(row.ordinal, function, key, next);
        Ok(Accepted::Scheduled)
    }
}

impl Snapshot {
    /// All schedules, by function and key. There are no more than manifests name.
    pub fn schedules(&self) -> Result<Vec<ScheduleRow>, StoreError> {
        let Some(table) = open(&self.transaction, tables::SCHEDULES)? else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        for function in self.view.functions.values() {
            for row in table.range((function.ordinal, "")..(function.ordinal + 1, ""))? {
                let (key, value) = row?;
                let next = NextOccurrence::decode(&mut ByteReader::new(value.value()));
                let next = next.map_err(StoreError::malformed("head.redb", Position::START))?;
                rows.push(ScheduleRow { function: function.name.clone(), key: key.value().1.to_owned(), next });
            }
        }
        Ok(rows)
    }
}
