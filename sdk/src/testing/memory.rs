//! `Memory`: a host whose state is a map.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::bindings::wire::EventDetails;
use crate::host::Host;

#[derive(Default)]
pub struct Memory {
    entries: RefCell<BTreeMap<String, Vec<u8>>>,
    /// What the call at hand overwrote, oldest first.
    overwritten: RefCell<Vec<(String, Option<Vec<u8>>)>>,
    /// Of the event at hand.
    details: Option<EventDetails>,
    /// Stands before all keys while a view with `split` projects; else empty.
    pub lane: String,
}

impl Memory {
    /// A call begins: what it may ask about its event.
    pub fn begin(&mut self, details: EventDetails) {
        self.details = Some(details);
        self.overwritten.get_mut().clear();
    }

    /// The call failed: what it wrote is undone.
    pub fn undo(&mut self) {
        let entries = self.entries.get_mut();
        for (key, before) in self.overwritten.get_mut().drain(..).rev() {
            match before {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
    }

    fn whole(&self, key: &str) -> String {
        format!("{}{key}", self.lane)
    }

    fn write(&self, key: &str, value: Option<Vec<u8>>) {
        let key = self.whole(key);
        let mut entries = self.entries.borrow_mut();
        let before = match value {
            Some(value) => entries.insert(key.clone(), value),
            None => entries.remove(&key),
        };
        let mut overwritten = self.overwritten.borrow_mut();
        overwritten.push((key, before));
    }
}

impl Host for Memory {
    fn details(&self, _position: u64) -> EventDetails {
        self.details.clone().expect("no event is being handled")
    }

    fn get(&self, _event: u32, key: &str) -> Option<Vec<u8>> {
        self.entries.borrow().get(&self.whole(key)).cloned()
    }

    fn put(&self, _event: u32, key: &str, value: Vec<u8>) {
        self.write(key, Some(value));
    }

    fn delete(&self, _event: u32, key: &str) {
        self.write(key, None);
    }

    fn scan(&self, _event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Vec<(String, Vec<u8>)> {
        let (prefix, after) = (&self.whole(prefix), after.map(|after| self.whole(after)));
        let from = match &after {
            Some(after) if after >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix.as_str()),
        };
        let entries = self.entries.borrow();
        entries
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix.as_str()))
            .take(limit as usize)
            .map(|(key, value)| (key[self.lane.len()..].to_owned(), value.clone()))
            .collect()
    }
}
