//! The host's side of a call: state as the call sees it, details of its events, its log.

use std::collections::BTreeMap;

use super::upcast::first_at;
use crate::model::{Calls, Event, EventRef, LogLevel, Position, StateError, StateWrite, limits};
use crate::store::Snapshot;

/// Keys and values written and not committed yet; `None` is a deletion.
pub type Writes = BTreeMap<String, Option<Vec<u8>>>;

/// State of one function during one call: the snapshot, under the writes of plans in flight, under
/// those of earlier calls for the same plan, under the call's own.
pub struct CallState<'a> {
    pub snapshot: &'a Snapshot,
    /// Where the function's state is.
    pub slot: u32,
    pub split: Option<u32>,
    /// Oldest first.
    pub under: Vec<&'a Writes>,
    pub events: &'a [EventRef<'a>],
    pub own: Writes,
    writes: usize,
    bytes: usize,
    pub log: &'a mut dyn FnMut(LogLevel, &str),
}

impl<'a> CallState<'a> {
    pub fn new(
        snapshot: &'a Snapshot,
        slot: u32,
        split: Option<u32>,
        under: Vec<&'a Writes>,
        events: &'a [EventRef<'a>],
        log: &'a mut dyn FnMut(LogLevel, &str),
    ) -> Self {
        CallState { snapshot, slot, split, under, events, own: Writes::new(), writes: 0, bytes: 0, log }
    }

    fn event(&self, index: u32) -> Result<&EventRef<'a>, StateError> {
        self.events.get(index as usize).ok_or(StateError::OutsideBatch { index, batch: self.events.len() })
    }

    /// The part of every key that belongs to the event's unit of state.
    fn lane(&self, index: u32) -> Result<String, StateError> {
        let event = self.event(index)?;
        Ok(match self.split {
            None => String::new(),
            Some(parts) => {
                let end = event.subject.match_indices('/').nth(parts as usize - 1).map_or(event.subject.len(), |(at, _)| at);
                format!("{}\u{1f}", &event.subject[..end])
            }
        })
    }

    fn key(&self, index: u32, key: &str) -> Result<String, StateError> {
        check("state-key-bytes", key.len(), limits::STATE_KEY_BYTES_MAX)?;
        Ok(self.lane(index)? + key)
    }

    fn written(&self, key: &str) -> Option<&Option<Vec<u8>>> {
        self.own.get(key).or_else(|| self.under.iter().rev().find_map(|writes| writes.get(key)))
    }

    fn write(&mut self, key: String, value: Option<&[u8]>) -> Result<(), StateError> {
        self.writes += 1;
        self.bytes += key.len() + value.map_or(0, <[u8]>::len);
        check("state-writes-per-call", self.writes, limits::STATE_WRITES_PER_CALL_MAX)?;
        check("state-bytes-per-call", self.bytes, limits::STATE_BYTES_PER_CALL_MAX)?;
        self.own.insert(key, value.map(<[u8]>::to_vec));
        Ok(())
    }
}

fn check(limit: &'static str, found: usize, max: usize) -> Result<(), StateError> {
    if found > max { Err(StateError::Limit { limit, found, max }) } else { Ok(()) }
}

fn storage(error: crate::store::StoreError) -> StateError {
    StateError::Storage(error.to_string())
}

impl Calls for CallState<'_> {
    fn state_get(&mut self, event: u32, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        let key = self.key(event, key)?;
        match self.written(&key) {
            Some(value) => Ok(value.clone()),
            None => self.snapshot.state(self.slot, &key).map_err(storage),
        }
    }

    fn state_put(&mut self, event: u32, key: &str, value: &[u8]) -> Result<(), StateError> {
        check("state-value-bytes", value.len(), limits::STATE_VALUE_BYTES_MAX)?;
        let key = self.key(event, key)?;
        self.write(key, Some(value))
    }

    fn state_delete(&mut self, event: u32, key: &str) -> Result<(), StateError> {
        let key = self.key(event, key)?;
        self.write(key, None)
    }

    fn state_scan(&mut self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        check("state-scan", limit as usize, limits::STATE_SCAN_MAX)?;
        let lane = self.lane(event)?;
        let prefix = format!("{lane}{prefix}");
        let after = after.map(|after| format!("{lane}{after}"));
        let wanted = |key: &str| key.starts_with(&prefix) && after.as_deref().is_none_or(|after| key > after);
        // What is written over the snapshot, newest last.
        let mut over: BTreeMap<&str, Option<&[u8]>> = BTreeMap::new();
        for writes in self.under.iter().copied().chain([&self.own]) {
            over.extend(
                writes
                    .range(prefix.clone()..)
                    .take_while(|(key, _)| key.starts_with(&prefix))
                    .filter(|(key, _)| wanted(key))
                    .map(|(key, value)| (key.as_str(), value.as_deref())),
            );
        }
        let mut found: BTreeMap<String, Vec<u8>> =
            over.iter().filter_map(|(key, value)| value.map(|value| ((*key).to_owned(), value.to_vec()))).collect();
        let mut stored = 0;
        self.snapshot
            .scan_state(self.slot, &prefix, after.as_deref(), |key, value| {
                if !over.contains_key(key) {
                    found.insert(key.to_owned(), value.to_vec());
                    stored += 1;
                }
                stored < limit as usize
            })
            .map_err(storage)?;
        Ok(found.into_iter().take(limit as usize).map(|(key, value)| (key[lane.len()..].to_owned(), value)).collect())
    }

    fn details(&mut self, position: Position) -> Option<Event> {
        first_at(self.events, position).map(EventRef::to_event)
    }

    fn log(&mut self, level: LogLevel, message: &str) {
        (self.log)(level, message);
    }
}

/// Writes as a plan carries them.
pub fn to_plan(writes: Writes) -> Vec<StateWrite> {
    writes.into_iter().map(|(key, value)| StateWrite { key, value }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, event, function};
    use super::*;

    /// State in the store: `s/1`, `s/2`, `s/3`; in flight: `s/2` is deleted, `s/4` is new.
    fn with_state(split: Option<u32>, run: impl FnOnce(&mut CallState<'_>)) {
        let mut world = World::new(&[function("counting", &["a"], &[])]);
        world.append(vec![event("1", "a", "x/1"), event("2", "a", "y/1")]);
        let lane = if split.is_some() { "x\u{1f}" } else { "" };
        world.put_state("counting", &[(&format!("{lane}s/1"), "1"), (&format!("{lane}s/2"), "2"), (&format!("{lane}s/3"), "3")]);
        let snapshot = world.snapshot();
        let in_flight = Writes::from([(format!("{lane}s/2"), None), (format!("{lane}s/4"), Some(b"4".to_vec()))]);
        let batch = snapshot.pick(&[Position(2), Position(3)]).expect("the log can be read");
        let events = batch.events();
        let slot = snapshot.function("counting").expect("it is deployed").slot;
        run(&mut CallState::new(&snapshot, slot, split, vec![&in_flight], &events, &mut |_, _| {}));
    }

    #[track_caller]
    fn check_scan(state: &mut CallState<'_>, prefix: &str, after: Option<&str>, limit: u32, expected: &[(&str, &str)]) {
        let found = state.state_scan(0, prefix, after, limit).expect("within limits");
        let found: Vec<(&str, &str)> = found.iter().map(|(key, value)| (key.as_str(), std::str::from_utf8(value).expect("text"))).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_call_reads_its_own_writes_over_those_in_flight_over_the_stored() {
        for split in [None, Some(1)] {
            with_state(split, |state| {
                assert_eq!(state.state_get(0, "s/1"), Ok(Some(b"1".to_vec())));
                assert_eq!(state.state_get(0, "s/2"), Ok(None));
                assert_eq!(state.state_get(0, "s/4"), Ok(Some(b"4".to_vec())));
                state.state_put(0, "s/2", b"two").expect("within limits");
                state.state_delete(0, "s/1").expect("within limits");
                assert_eq!(state.state_get(0, "s/2"), Ok(Some(b"two".to_vec())));
                assert_eq!(state.state_get(0, "s/1"), Ok(None));
                check_scan(state, "s/", None, 10, &[("s/2", "two"), ("s/3", "3"), ("s/4", "4")]);
            });
        }
    }

    #[test]
    fn a_scan_begins_after_a_key_and_ends_at_its_limit_whatever_is_written_over_the_stored() {
        with_state(None, |state| {
            check_scan(state, "s/", None, 10, &[("s/1", "1"), ("s/3", "3"), ("s/4", "4")]);
            check_scan(state, "s/", None, 2, &[("s/1", "1"), ("s/3", "3")]);
            check_scan(state, "s/", Some("s/1"), 1, &[("s/3", "3")]);
            check_scan(state, "s/", Some("s/4"), 10, &[]);
            check_scan(state, "s/", Some("a"), 10, &[("s/1", "1"), ("s/3", "3"), ("s/4", "4")]);
            check_scan(state, "t/", None, 10, &[]);
            check_scan(state, "", None, 0, &[]);
        });
    }

    #[test]
    fn one_unit_of_state_does_not_see_another() {
        with_state(Some(1), |state| {
            assert_eq!(state.state_get(1, "s/1"), Ok(None));
            state.state_put(1, "s/1", b"mine").expect("within limits");
            assert_eq!(state.state_get(0, "s/1"), Ok(Some(b"1".to_vec())));
            assert_eq!(state.state_scan(1, "", None, 10), Ok(vec![("s/1".to_owned(), b"mine".to_vec())]));
        });
    }

    #[test]
    fn a_limit_that_is_hit_is_named_and_an_index_outside_the_batch_is_refused() {
        with_state(None, |state| {
            let limit = |answer: Result<(), StateError>| match answer {
                Err(StateError::Limit { limit, .. }) => limit,
                other => panic!("{other:?}"),
            };
            assert_eq!(limit(state.state_put(0, &"k".repeat(limits::STATE_KEY_BYTES_MAX + 1), b"")), "state-key-bytes");
            assert_eq!(limit(state.state_put(0, "k", &vec![0; limits::STATE_VALUE_BYTES_MAX + 1])), "state-value-bytes");
            assert_eq!(limit(state.state_scan(0, "", None, limits::STATE_SCAN_MAX as u32 + 1).map(drop)), "state-scan");
            assert_eq!(state.state_get(2, "k"), Err(StateError::OutsideBatch { index: 2, batch: 2 }));
            for key in 0..limits::STATE_WRITES_PER_CALL_MAX {
                state.state_put(0, &key.to_string(), b"").expect("within limits");
            }
            assert_eq!(limit(state.state_delete(0, "one more")), "state-writes-per-call");
        });
    }
}
