//! Setting events aside, with the later ones of their subject, and trying them again.

use super::consumer::{Consumer, Moment};
use super::refused::ConsumerRefused;
use crate::model::{ConsumerEntry, EntryStanding, Position, Timestamp};

/// Which parked events are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    All,
    Subject(String),
    One(Position),
}

impl Consumer {
    /// Sets an event aside; later ones of its subject that are out or wait stay behind it.
    pub(super) fn park(&mut self, position: Position, reason: String, time: Timestamp) {
        let Some(mut stored) = self.entries.get(&position).map(|entry| entry.stored.clone()) else { return };
        self.lose(stored.lease);
        (stored.standing, stored.reason, stored.since) = (EntryStanding::Parked, reason, time);
        let subject = stored.subject.clone();
        self.put(position, stored);
        for later in self.later(&subject, position) {
            let Some(mut stored) = self.entries.get(&later).map(|entry| entry.stored.clone()) else { continue };
            if stored.standing == EntryStanding::Parked {
                continue;
            }
            self.lose(stored.lease);
            stored.attempts = stored.attempts.saturating_sub(u32::from(stored.standing == EntryStanding::Leased));
            (stored.standing, stored.since) = (EntryStanding::Behind, time);
            stored.reason = format!("behind the event at position {position} of its subject");
            self.put(later, stored);
        }
    }

    pub fn parked_count(&self) -> usize {
        self.parked.len()
    }

    /// Parked events, oldest first, behind a position.
    pub fn parked(&self, after: Position, limit: usize) -> Vec<(Position, &ConsumerEntry)> {
        let behind = self.parked.range(after.next()..).take(limit);
        behind.filter_map(|position| self.entries.get(position).map(|entry| (*position, &entry.stored))).collect()
    }

    /// Parked events are given again, in order and with all their attempts; or, to be skipped, are taken as
    /// dealt with. Answers how many.
    pub fn release(&mut self, which: &Release, skip: bool, now: Moment) -> Result<usize, ConsumerRefused> {
        self.settle(now);
        let positions: Vec<Position> = match which {
            Release::All => self.parked.iter().copied().collect(),
            Release::Subject(subject) => {
                let alone = || self.parked.iter().filter(|at| self.entries.get(at).is_some_and(|entry| entry.stored.subject.is_empty()));
                match self.subjects.get(subject) {
                    _ if subject.is_empty() => alone().copied().collect(),
                    Some(positions) => positions.iter().filter(|at| self.parked.contains(at)).copied().collect(),
                    None => Vec::new(),
                }
            }
            Release::One(position) => {
                let position = *position;
                let entry = self.entries.get(&position).filter(|_| self.parked.contains(&position));
                let entry = entry.ok_or(ConsumerRefused::NotParked(position))?;
                let first = self.subjects.get(&entry.stored.subject).and_then(|positions| positions.first()).copied().unwrap_or(position);
                if first != position {
                    return Err(ConsumerRefused::NotFirst { position, first });
                }
                vec![position]
            }
        };
        for position in &positions {
            if skip {
                self.remove(*position);
            } else if let Some(mut stored) = self.entries.get(position).map(|entry| entry.stored.clone()) {
                (stored.standing, stored.attempts, stored.since) = (EntryStanding::Waiting, 0, Timestamp(0));
                self.put(*position, stored);
            }
        }
        if skip && !positions.is_empty() {
            self.row.acknowledged += positions.len() as u64;
            self.dirty_row();
        }
        Ok(positions.len())
    }
}
