//! Which snapshots are read at the moment: while one is, the head's file can't let go of the pages that it sees.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::shared::Shared;

/// How many there are of each commit.
#[derive(Default)]
pub struct OpenSnapshots(Mutex<BTreeMap<u64, usize>>);

impl OpenSnapshots {
    /// The commit that the oldest one sees last.
    pub fn oldest(&self) -> Option<u64> {
        self.lock().first_key_value().map(|(commit, _)| *commit)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a snapshot until it is dropped.
pub struct OpenSnapshot {
    shared: Arc<Shared>,
    commit: u64,
}

impl OpenSnapshot {
    pub fn new(shared: Arc<Shared>, commit: u64) -> OpenSnapshot {
        *shared.open_snapshots.lock().entry(commit).or_default() += 1;
        OpenSnapshot { shared, commit }
    }
}

impl Drop for OpenSnapshot {
    fn drop(&mut self) {
        let mut all = self.shared.open_snapshots.lock();
        let left = all.get(&self.commit).map_or(0, |count| count - 1);
        match left {
            0 => drop(all.remove(&self.commit)),
            _ => drop(all.insert(self.commit, left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{NewEvent, Timestamp};
    use crate::store::testing;
    use crate::store::{Append, Proposal};

    #[test]
    fn the_oldest_snapshot_that_is_read_tells_how_many_commits_were_made_since_c17() {
        let mut store = testing::store();
        let reader = store.reader();
        let mut append = |id: u32| {
            let event = NewEvent {
                id: id.to_string(),
                source: "/shop".into(),
                r#type: "a".into(),
                content_type: "text/plain".into(),
                ..NewEvent::default()
            };
            let append = Append { events: vec![event], ..Append::default() };
            store.commit([Proposal::Append(append)], Timestamp(1)).expect("committed");
        };
        assert_eq!(reader.oldest_snapshot_commits(), 0);
        let old = reader.snapshot().expect("taken");
        append(1);
        let (young, twin) = (reader.snapshot().expect("taken"), reader.snapshot().expect("taken"));
        append(2);
        append(3);
        assert_eq!(reader.oldest_snapshot_commits(), 3);
        drop(old);
        drop(twin);
        assert_eq!(reader.oldest_snapshot_commits(), 2);
        drop(young);
        assert_eq!(reader.oldest_snapshot_commits(), 0);
    }
}
