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
    rows: Vec<Row>,
    places: HashMap<Box<str>, u32, BuildHasherDefault<DefaultHasher>>,
    /// What the call under way replaced, latest last.
    undo: Vec<(u32, State)>,
    /// Keys in order, once somebody has scanned.
    sorted: Option<BTreeSet<Box<str>>>,
    /// The row that was used last: what is read is mostly written next.
    last: Option<(String, u32)>,
    bytes: usize,
}

#[derive(Default)]
struct Row {
    state: State,
    /// The call that wrote it last, counted from 1.
    call: u32,
}

#[derive(Default)]
enum State {
    /// Not asked for yet.
    #[default]
    Unknown,
    Stored(Option<Vec<u8>>),
    Written(Option<Vec<u8>>),
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
        while let Some((place, state)) = self.undo.pop() {
            self.rows[place as usize].state = state;
        }
    }

    /// What was written, in key order.
    pub fn into_writes(mut self) -> Vec<RowWrite> {
        let mut writes: Vec<RowWrite> = Vec::with_capacity(self.places.len());
        for (key, place) in self.places {
            if let State::Written(value) = std::mem::take(&mut self.rows[place as usize].state) {
                writes.push((key.into_string().into_bytes(), value));
            }
        }
        writes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        writes
    }

    fn place(&mut self, key: &str) -> u32 {
        if let Some((last, place)) = &self.last
            && last == key
        {
            return *place;
        }
        let place = match self.places.get(key) {
            Some(place) => *place,
            None => {
                let place = self.rows.len() as u32;
                self.rows.push(Row::default());
                self.places.insert(key.into(), place);
                self.bytes += key.len() + size_of::<Row>() + 32;
                if let Some(sorted) = &mut self.sorted {
                    sorted.insert(key.into());
                }
                place
            }
        };
        let (last, at) = self.last.get_or_insert_default();
        last.clear();
        last.push_str(key);
        *at = place;
        place
    }

    fn get(&mut self, base: Option<&ViewSnapshot>, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let place = self.place(key) as usize;
        if matches!(self.rows[place].state, State::Unknown) {
            let value = base.map_or(Ok(None), |base| base.get(key))?;
            self.bytes += value.as_ref().map_or(0, Vec::len);
            self.rows[place].state = State::Stored(value);
        }
        Ok(match &self.rows[place].state {
            State::Stored(value) | State::Written(value) => value.clone(),
            State::Unknown => None,
        })
    }

    fn write(&mut self, call: u32, key: &str, value: Option<&[u8]>) {
        let place = self.place(key);
        self.bytes += value.map_or(0, <[u8]>::len);
        let row = &mut self.rows[place as usize];
        // What this call itself wrote is not gone back to.
        if row.call == call
            && let (State::Written(Some(before)), Some(value)) = (&mut row.state, value)
        {
            self.bytes = self.bytes.saturating_sub(before.len());
            before.clear();
            before.extend_from_slice(value);
            return;
        }
        let before = std::mem::replace(&mut row.state, State::Written(value.map(<[u8]>::to_vec)));
        if let State::Stored(Some(value)) | State::Written(Some(value)) = &before {
            self.bytes = self.bytes.saturating_sub(value.len());
        }
        if row.call != call {
            row.call = call;
            self.undo.push((place, before));
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
            let keys = self.places.keys().cloned().collect();
            self.sorted = Some(keys);
        }
        let keys = self.sorted.iter().flat_map(|sorted| sorted.range(Box::<str>::from(prefix)..));
        let over: BTreeMap<&str, Option<&Vec<u8>>> = keys
            .take_while(|key| key.starts_with(prefix))
            .filter(|key| after.is_none_or(|after| &***key > after))
            .filter_map(|key| match &self.rows[*self.places.get(key)? as usize].state {
                State::Written(value) => Some((&**key, value.as_ref())),
                _ => None,
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
    call: u32,
    writes: usize,
    bytes: usize,
}

impl<'a> RowCalls<'a> {
    /// `call` numbers the calls on this overlay, from 1 on.
    pub fn new(
        call: u32,
        base: Option<&'a ViewSnapshot>,
        overlay: &'a mut Overlay,
        split: Option<u32>,
        events: &'a [EventRef<'a>],
        log: &'a mut dyn FnMut(LogLevel, &str),
    ) -> Self {
        RowCalls { base, overlay, split, events, log, key: String::new(), call, writes: 0, bytes: 0 }
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
        self.overlay.write(self.call, &self.key, value);
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
