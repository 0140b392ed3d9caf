//! Rows of a view while events are folded: what was touched lies over the stored rows, each read from
//! the file once and written once.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasherDefault;

use super::lane::lane_into;
use super::upcast::first_at;
use crate::model::{Calls, Event, EventRef, LogLevel, Position, StateError, limits};
use crate::store::{RowWrite, StoreError, ViewSnapshot};

/// Rows over those of a file. Calls can be taken back, one after the other.
#[derive(Default)]
pub struct Overlay {
    rows: HashMap<Vec<u8>, Row, BuildHasherDefault<DefaultHasher>>,
    /// What the call under way replaced, latest last; `None` was not there.
    undo: Vec<(Vec<u8>, Option<Row>)>,
    /// Keys in order, once somebody has scanned: some may be gone again.
    sorted: Option<BTreeSet<Vec<u8>>>,
    bytes: usize,
}

struct Row {
    value: Option<Vec<u8>>,
    written: bool,
}

impl Overlay {
    /// About what it takes of memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The call under way stands.
    pub fn keep(&mut self) {
        self.undo.clear();
    }

    /// The call under way leaves no trace.
    pub fn take_back(&mut self) {
        while let Some((key, row)) = self.undo.pop() {
            match row {
                Some(row) => drop(self.rows.insert(key, row)),
                None => drop(self.rows.remove(&key)),
            }
        }
    }

    /// What was written, in key order.
    pub fn into_writes(self) -> Vec<RowWrite> {
        let mut writes: Vec<RowWrite> = self.rows.into_iter().filter(|(_, row)| row.written).map(|(key, row)| (key, row.value)).collect();
        writes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        writes
    }

    fn get(&mut self, base: Option<&ViewSnapshot>, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(row) = self.rows.get(key.as_bytes()) {
            return Ok(row.value.clone());
        }
        let value = base.map_or(Ok(None), |base| base.get(key))?;
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len) + 64;
        self.rows.insert(key.as_bytes().to_vec(), Row { value: value.clone(), written: false });
        Ok(value)
    }

    fn write(&mut self, key: &str, value: Option<&[u8]>) {
        self.bytes += value.map_or(0, <[u8]>::len);
        let row = Row { value: value.map(<[u8]>::to_vec), written: true };
        if let Some(at) = self.rows.get_mut(key.as_bytes()) {
            let before = std::mem::replace(at, row);
            self.bytes -= before.value.as_ref().map_or(0, Vec::len).min(self.bytes);
            self.undo.push((key.as_bytes().to_vec(), Some(before)));
        } else {
            self.bytes += key.len() + 64;
            self.undo.push((key.as_bytes().to_vec(), None));
            self.rows.insert(key.as_bytes().to_vec(), row);
        }
        if let Some(sorted) = &mut self.sorted {
            sorted.insert(key.as_bytes().to_vec());
        }
    }

    fn scan(
        &mut self,
        base: Option<&ViewSnapshot>,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        if self.sorted.is_none() {
            #[expect(clippy::disallowed_methods, reason = "sorted at once")]
            let keys = self.rows.iter().filter(|(_, row)| row.written).map(|(key, _)| key.clone()).collect();
            self.sorted = Some(keys);
        }
        let keys = self.sorted.iter().flat_map(|sorted| sorted.range(prefix.as_bytes().to_vec()..));
        let wanted = keys
            .take_while(|key| key.starts_with(prefix.as_bytes()))
            .filter(|key| after.is_none_or(|after| key.as_slice() > after.as_bytes()));
        let over: BTreeMap<&str, Option<&Vec<u8>>> = wanted
            .filter_map(|key| {
                let row = self.rows.get(key).filter(|row| row.written)?;
                Some((std::str::from_utf8(key).ok()?, row.value.as_ref()))
            })
            .collect();
        let mut found: BTreeMap<String, Vec<u8>> =
            over.iter().filter_map(|(key, value)| value.map(|value| ((*key).to_owned(), value.clone()))).collect();
        let mut stored = 0;
        if let Some(base) = base.filter(|_| limit > 0) {
            base.visit(prefix, after, |key, value| {
                if !over.contains_key(key) {
                    found.insert(key.to_owned(), value.to_vec());
                    stored += 1;
                }
                stored < limit
            })?;
        }
        Ok(found)
    }
}

/// The host's side of a call that folds events into a view's rows.
pub struct RowCalls<'a> {
    base: Option<&'a ViewSnapshot>,
    overlay: &'a mut Overlay,
    split: Option<u32>,
    events: &'a [EventRef<'a>],
    log: &'a mut dyn FnMut(LogLevel, &str),
    /// The key under way, with its unit before it.
    key: String,
    writes: usize,
    bytes: usize,
}

impl<'a> RowCalls<'a> {
    pub fn new(
        base: Option<&'a ViewSnapshot>,
        overlay: &'a mut Overlay,
        split: Option<u32>,
        events: &'a [EventRef<'a>],
        log: &'a mut dyn FnMut(LogLevel, &str),
    ) -> Self {
        RowCalls { base, overlay, split, events, log, key: String::new(), writes: 0, bytes: 0 }
    }

    /// Makes the whole key; answers how much of it is the unit's.
    fn whole_key(&mut self, index: u32, key: &str) -> Result<usize, StateError> {
        check("state-key-bytes", key.len(), limits::STATE_KEY_BYTES_MAX)?;
        let event = self.events.get(index as usize).ok_or(StateError::OutsideBatch { index, batch: self.events.len() })?;
        self.key.clear();
        if let Some(parts) = self.split {
            lane_into(&mut self.key, event.subject, parts);
        }
        let lane = self.key.len();
        self.key.push_str(key);
        Ok(lane)
    }

    fn write(&mut self, index: u32, key: &str, value: Option<&[u8]>) -> Result<(), StateError> {
        self.whole_key(index, key)?;
        self.writes += 1;
        self.bytes += self.key.len() + value.map_or(0, <[u8]>::len);
        check("state-writes-per-call", self.writes, limits::STATE_WRITES_PER_CALL_MAX)?;
        check("state-bytes-per-call", self.bytes, limits::STATE_BYTES_PER_CALL_MAX)?;
        self.overlay.write(&self.key, value);
        Ok(())
    }
}

pub fn check(limit: &'static str, found: usize, max: usize) -> Result<(), StateError> {
    if found > max { Err(StateError::Limit { limit, found, max }) } else { Ok(()) }
}

pub fn storage(error: StoreError) -> StateError {
    StateError::Storage(error.to_string())
}

impl Calls for RowCalls<'_> {
    fn state_get(&mut self, event: u32, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.whole_key(event, key)?;
        self.overlay.get(self.base, &self.key).map_err(storage)
    }

    fn state_put(&mut self, event: u32, key: &str, value: &[u8]) -> Result<(), StateError> {
        check("state-value-bytes", value.len(), limits::STATE_VALUE_BYTES_MAX)?;
        self.write(event, key, Some(value))
    }

    fn state_delete(&mut self, event: u32, key: &str) -> Result<(), StateError> {
        self.write(event, key, None)
    }

    fn state_scan(&mut self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        check("state-scan", limit as usize, limits::STATE_SCAN_MAX)?;
        let lane = self.whole_key(event, prefix)?;
        let after = after.map(|after| format!("{}{after}", &self.key[..lane]));
        let found = self.overlay.scan(self.base, &self.key, after.as_deref(), limit as usize).map_err(storage)?;
        Ok(found.into_iter().take(limit as usize).map(|(key, value)| (key[lane..].to_owned(), value)).collect())
    }

    fn details(&mut self, position: Position) -> Option<Event> {
        first_at(self.events, position).map(EventRef::to_event)
    }

    fn log(&mut self, level: LogLevel, message: &str) {
        (self.log)(level, message);
    }
}
