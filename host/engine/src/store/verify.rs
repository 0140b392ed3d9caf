//! Proving a namespace whole: the chain over every record, positions, indexes against the log.

use super::error::StoreError;
use super::reader::Reader;
use crate::model::{Digest, Position};

/// What was found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    pub events: u64,
    pub commits: u64,
    pub chain: Digest,
}

impl Reader {
    /// Reads everything once. Damage is an error that says where.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        let snapshot = self.snapshot()?;
        let (mut next, mut commits, mut chain) = (Position(1), 0, Digest::ZERO);
        snapshot.records(0, Position::START, &mut |record| {
            if record.commit > snapshot.commit() {
                return Ok(false);
            }
            let damaged = |what: &str| StoreError::Damaged { file: "the log".into(), position: record.first, what: what.to_owned() };
            if record.first != next || record.commit != commits + 1 {
                return Err(damaged("a gap in the log"));
            }
            if !record.follows(chain) {
                return Err(damaged("the hash chain is broken"));
            }
            for event in record.events() {
                if event.position != next {
                    return Err(damaged("a gap in the positions"));
                }
                if !self.is_indexed(&snapshot, event.source, event.id, next)? {
                    let file = snapshot.view.segment(next).map_or_else(|| "the index".to_owned(), |segment| segment.file.clone());
                    return Err(StoreError::Derived { file, position: next, what: "an id is missing from the index".into() });
                }
                next = next.next();
            }
            if next != record.last().next() {
                return Err(damaged("an event can't be read"));
            }
            (commits, chain) = (record.commit, record.chain);
            Ok(true)
        })?;
        if next != snapshot.head().next() {
            return Err(StoreError::Damaged {
                file: "the log".into(),
                position: next,
                what: format!("it ends before the head, {}", snapshot.head()),
            });
        }
        Ok(Verified { events: snapshot.head().0, commits, chain })
    }

    fn is_indexed(&self, snapshot: &super::snapshot::Snapshot, source: &str, id: &str, position: Position) -> Result<bool, StoreError> {
        let hash = self.shared.hasher.id(source, id);
        if position <= snapshot.view.sealed() {
            let Some(segment) = snapshot.view.segment(position) else { return Ok(false) };
            return Ok(segment.with_id(hash)?.contains(&position));
        }
        Ok(self.shared.positions_of_id(hash)?.contains(&position))
    }
}
