//! `Held`: the rows that a view has written in the call at hand. They go to the host once, when the call
//! ends: a batch often writes the same row many times, and a row that is changed again need not become
//! JSON in between.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::batched::Writing;
use crate::host::Host;
use crate::{Error, Result};

/// Rows held at once; more of them go to the host early.
const ROWS_MAX: usize = 4_096;

/// By lane, then by key.
pub struct Held<T> {
    rows: RefCell<BTreeMap<String, BTreeMap<String, Slot<T>>>>,
    count: RefCell<usize>,
}

struct Slot<T> {
    /// Index in the batch of the last event that wrote it.
    event: u32,
    value: Value<T>,
}

/// What was written last.
pub enum Value<T> {
    /// Not JSON yet, and how it becomes it.
    Row(T, fn(&T) -> Result<Vec<u8>>),
    Json(Vec<u8>),
    Removed,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Held { rows: RefCell::default(), count: RefCell::default() }
    }
}

impl<T> Held<T> {
    /// Shows `look` what was written under a key, if anything was.
    pub fn look<R>(&self, lane: &str, key: &str, look: impl FnOnce(&Value<T>) -> R) -> Option<R> {
        self.rows.borrow().get(lane)?.get(key).map(|slot| look(&slot.value))
    }

    /// Has `change` change a row where it is held; answers `change` back if there is none.
    pub fn change<F: FnOnce(&mut T)>(&self, lane: &str, key: &str, event: u32, change: F) -> Option<F> {
        let mut rows = self.rows.borrow_mut();
        match rows.get_mut(lane).and_then(|lane| lane.get_mut(key)) {
            Some(Slot { event: last, value: Value::Row(row, _) }) => {
                change(row);
                *last = event;
                None
            }
            _ => Some(change),
        }
    }

    pub fn write(&self, host: &dyn Host, lane: &str, key: &str, event: u32, value: Value<T>) -> Result<()> {
        if *self.count.borrow() >= ROWS_MAX {
            self.flush(host).map_err(|(_, error)| error)?;
        }
        let mut rows = self.rows.borrow_mut();
        let lane = match rows.get_mut(lane) {
            Some(lane) => lane,
            None => rows.entry(lane.to_owned()).or_default(),
        };
        let slot = Slot { event, value };
        match lane.get_mut(key) {
            Some(held) => *held = slot,
            None => {
                lane.insert(key.to_owned(), slot);
                *self.count.borrow_mut() += 1;
            }
        }
        Ok(())
    }

    /// Hands all rows to the host. An error tells at which event of the batch the row was written.
    pub fn flush(&self, host: &dyn Host) -> Result<(), (u32, Error)> {
        *self.count.borrow_mut() = 0;
        let mut writing = Writing::to(host);
        for (key, Slot { event, value }) in self.rows.take().into_values().flatten() {
            let json = match value {
                Value::Row(row, write) => Some(write(&row).map_err(|error| (event, error))?),
                Value::Json(json) => Some(json),
                Value::Removed => None,
            };
            writing.write(event, &key, json.as_deref());
        }
        writing.finish();
        Ok(())
    }
}

/// The unit of state that an event belongs to, as the host tells them apart: the first so many parts of
/// its subject; parts that it lacks count as empty ones.
pub fn lane(subject: &str, split: Option<u32>) -> Cow<'_, str> {
    let Some(parts) = split else { return Cow::Borrowed("") };
    let parts = parts as usize;
    let mut slashes = subject.match_indices('/').map(|(at, _)| at);
    if let Some(end) = slashes.nth(parts.saturating_sub(1)) {
        return Cow::Borrowed(&subject[..end]);
    }
    let there = subject.matches('/').count() + 1;
    match parts - there.min(parts) {
        0 => Cow::Borrowed(subject),
        missing => Cow::Owned(subject.to_owned() + &"/".repeat(missing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_of_state_has_exactly_its_parts() {
        for (subject, split, expected) in [
            ("UA/1545/2013-01-01", None, ""),
            ("UA/1545/2013-01-01", Some(1), "UA"),
            ("UA/1545/2013-01-01", Some(2), "UA/1545"),
            ("UA/1545/2013-01-01", Some(3), "UA/1545/2013-01-01"),
            ("UA", Some(1), "UA"),
            ("UA", Some(3), "UA//"),
            ("UA/", Some(3), "UA//"),
            ("", Some(2), "/"),
        ] {
            assert_eq!(lane(subject, split), expected, "{subject:?} {split:?}");
        }
    }
}
