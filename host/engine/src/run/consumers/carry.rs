//! Consumers of a log whose place another has taken: they go on in that one.

use std::collections::BTreeMap;

use super::consumer::{Consumer, Moment};
use crate::model::{ConsumerEntry, ConsumerPlace, EntryStanding, Position};
use crate::store::{Reader, Snapshot, StoreError, StoredConsumer};

/// A consumer of a log of `generation` as the log has it that takes its place. It goes on behind what it has
/// acknowledged; what is out is given again, and what it has set aside stays so, if the new log has it.
/// `old` is `None` where the old log is gone: then it goes on before the first event that it has set aside.
pub fn carry_over(stored: &StoredConsumer, generation: u64, old: Option<&Snapshot>, new: &Reader) -> Result<StoredConsumer, StoreError> {
    let consumer = Consumer::stored(stored.clone(), generation, Moment::default());
    let mut row = stored.row.clone();
    let place = consumer.acknowledged();
    row.place = if place.generation == generation { place } else { ConsumerPlace { from: Position::START, ..place } };
    row.start = Position::START;
    let mut entries = BTreeMap::new();
    let is_parked = |entry: &ConsumerEntry| matches!(entry.standing, EntryStanding::Parked | EntryStanding::Behind);
    for (position, entry) in stored.entries.iter().filter(|(_, entry)| is_parked(entry)) {
        let Some(old) = old else {
            row.place = first_of(row.place, generation, *position);
            break;
        };
        let record = old.record(*position)?;
        let event = record.as_ref().and_then(|record| record.event(*position));
        if let Some(event) = event
            && let Some((_, there)) = new.find(event.source, event.id, new.head())?
        {
            entries.insert(there, ConsumerEntry { lease: 0, ..entry.clone() });
        }
    }
    Ok(StoredConsumer { row, entries, leases: BTreeMap::new() })
}

/// A place before a position of a generation.
fn first_of(place: ConsumerPlace, generation: u64, position: Position) -> ConsumerPlace {
    if place.generation != generation {
        return place;
    }
    ConsumerPlace { position: place.position.min(Position(position.0 - 1)), ..place }
}
