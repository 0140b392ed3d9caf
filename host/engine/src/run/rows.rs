//! Rows that code works on, and the host's side of a call that folds events into them.

use super::lane::Unit;
use super::overlay::Overlay;
use super::upcast::first_at;
use crate::model::{Calls, Event, EventRef, LogLevel, Position, StateError, limits};
use crate::store::{Snapshot, StoreError, ViewSnapshot};

/// Rows as they lie under what is written over them.
pub trait Rows {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Rows whose key begins with `prefix` and comes after `after`, in key order, as long as `visit` says so.
    fn visit(&self, prefix: &str, after: Option<&str>, visit: &mut dyn FnMut(&str, &[u8]) -> bool) -> Result<(), StoreError>;
}

impl Rows for ViewSnapshot {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        ViewSnapshot::get(self, key)
    }

    fn visit(&self, prefix: &str, after: Option<&str>, visit: &mut dyn FnMut(&str, &[u8]) -> bool) -> Result<(), StoreError> {
        ViewSnapshot::visit(self, prefix, after, visit)
    }
}

/// A function's state in the head.
pub struct SlotRows<'a> {
    pub snapshot: &'a Snapshot,
    pub slot: u32,
}

impl Rows for SlotRows<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.snapshot.state(self.slot, key)
    }

    fn visit(&self, prefix: &str, after: Option<&str>, visit: &mut dyn FnMut(&str, &[u8]) -> bool) -> Result<(), StoreError> {
        self.snapshot.scan_state(self.slot, prefix, after, visit)
    }
}

/// The host's side of a call that folds events into a view's rows.
pub struct RowCalls<'a> {
    base: Option<&'a dyn Rows>,
    overlay: &'a mut Overlay,
    unit_form: Unit,
    events: &'a [EventRef<'a>],
    log: &'a mut dyn FnMut(LogLevel, &str),
    /// The key under way, with its unit before it.
    key: String,
    /// Whose unit it is, and how long that is.
    unit: Option<(u32, usize)>,
    writes: usize,
    bytes: usize,
    /// What the call has used.
    pub fuel: u64,
}

impl<'a> RowCalls<'a> {
    pub fn new(
        base: Option<&'a dyn Rows>,
        overlay: &'a mut Overlay,
        unit_form: Unit,
        events: &'a [EventRef<'a>],
        log: &'a mut dyn FnMut(LogLevel, &str),
    ) -> Self {
        RowCalls { base, overlay, unit_form, events, log, key: String::new(), unit: None, writes: 0, bytes: 0, fuel: 0 }
    }

    /// Makes the whole key; answers how much of it is the unit's.
    fn whole_key(&mut self, index: u32, key: &str) -> Result<usize, StateError> {
        check("state-key-bytes", key.len(), limits::STATE_KEY_BYTES_MAX)?;
        let event = self.events.get(index as usize).ok_or(StateError::OutsideBatch { index, batch: self.events.len() })?;
        let lane = match self.unit {
            Some((of, lane)) if of == index => lane,
            _ => {
                self.key.clear();
                self.unit_form.write(&mut self.key, event.subject);
                self.key.len()
            }
        };
        self.unit = Some((index, lane));
        self.key.truncate(lane);
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
        Ok(self.overlay.get(self.base, &self.key).map_err(storage)?.map(<[u8]>::to_vec))
    }

    fn state_read(&mut self, event: u32, key: &str, out: &mut Vec<u8>) -> Result<bool, StateError> {
        self.whole_key(event, key)?;
        out.clear();
        let value = self.overlay.get(self.base, &self.key).map_err(storage)?;
        out.extend_from_slice(value.unwrap_or_default());
        Ok(value.is_some())
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

    fn used(&mut self, fuel: u64) {
        self.fuel += fuel;
    }
}
