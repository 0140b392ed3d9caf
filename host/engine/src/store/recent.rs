//! `RecentRecords`: records at hand for who looks up many entries, most of them near the one before.

use std::sync::Arc;

use super::error::StoreError;
use super::snapshot::Snapshot;
use crate::model::{Position, Record};

/// Few, as each is looked at; enough for readers that go along several places of a log.
const RECORDS_MAX: usize = 16;

/// The records that were asked for last, the latest first. Of one log.
#[derive(Clone, Debug, Default)]
pub struct RecentRecords {
    records: Vec<Arc<Record>>,
}

impl RecentRecords {
    /// The record that holds this position, as the snapshot shows the log.
    pub fn record(&mut self, snapshot: &Snapshot, position: Position) -> Result<Option<Arc<Record>>, StoreError> {
        if position > snapshot.head() {
            return Ok(None);
        }
        if let Some(at) = self.records.iter().position(|record| record.first <= position && position <= record.last()) {
            self.records[..=at].rotate_right(1);
            return Ok(Some(self.records[0].clone()));
        }
        let Some(record) = snapshot.record(position)? else { return Ok(None) };
        self.records.truncate(RECORDS_MAX - 1);
        self.records.insert(0, record.clone());
        Ok(Some(record))
    }

    /// The entry of this source and id, with its record.
    pub fn find(&mut self, snapshot: &Snapshot, source: &str, id: &str) -> Result<Option<(Arc<Record>, Position)>, StoreError> {
        for position in snapshot.positions_of_id(source, id)? {
            if let Some(record) = self.record(snapshot, position)?
                && record.event(position).is_some_and(|event| event.source == source && event.id == id)
            {
                return Ok(Some((record, position)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::super::proposal::{Append, Proposal};
    use super::super::testing;
    use super::*;
    use crate::model::{NewEvent, Timestamp};

    #[test]
    fn what_lies_near_what_was_asked_for_is_read_once() {
        let mut store = testing::store();
        for number in 0..40 {
            let event = |letter: &str| NewEvent {
                id: format!("{number}{letter}"),
                source: "/shop".into(),
                r#type: "a".into(),
                content_type: "application/json".into(),
                ..NewEvent::default()
            };
            let append = Append { events: vec![event("a"), event("b")], ..Append::default() };
            store.commit([Proposal::Append(append)], Timestamp(1_000)).expect("written");
        }
        let snapshot = store.reader().snapshot().expect("a snapshot");
        let mut recent = RecentRecords::default();
        let reads = || snapshot.reads.load(Ordering::Relaxed);
        for number in 0..40 {
            let before = reads();
            for letter in ["a", "b"] {
                let id = format!("{number}{letter}");
                let (record, position) = recent.find(&snapshot, "/shop", &id).expect("read").expect("there");
                assert_eq!(record.event(position).expect("in it").id, id);
            }
            assert_eq!(reads(), before + 1, "{number}");
        }
        assert!(recent.find(&snapshot, "/shop", "none").expect("read").is_none());
        assert_eq!(recent.records.len(), RECORDS_MAX);
        let before = reads();
        recent.find(&snapshot, "/shop", "39a").expect("read").expect("there");
        assert_eq!(reads(), before, "it is at hand");
        recent.find(&snapshot, "/shop", "0a").expect("read").expect("there");
        assert_eq!(reads(), before + 1, "it was let go");
    }
}
