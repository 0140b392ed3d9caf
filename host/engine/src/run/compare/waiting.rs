//! Entries of one log that wait for their like in the other. Those that are far behind are given up.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// How far behind an entry may be: in logs of nearly one order, its like is met long before.
pub const WINDOW: u64 = if cfg!(test) { 64 } else { 128 << 10 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub position: u64,
    pub content: u128,
    /// Whose it is, as the comparison counts them.
    pub owner: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Waiting {
    entries: HashMap<u128, Entry, BuildHasherDefault<NameHasher>>,
    /// By position; those that have met their like are still named here.
    order: VecDeque<(u64, u128)>,
}

impl Waiting {
    pub fn insert(&mut self, name: u128, entry: Entry) {
        self.order.push_back((entry.position, name));
        self.entries.insert(name, entry);
    }

    pub fn remove(&mut self, name: u128) -> Option<Entry> {
        self.entries.remove(&name)
    }

    /// The first that lies more than the window before `position`; it waits no longer.
    pub fn give_up(&mut self, position: u64) -> Option<Entry> {
        while let Some((at, name)) = self.order.front().copied().filter(|(at, _)| at + WINDOW < position) {
            self.order.pop_front();
            if self.entries.get(&name).is_some_and(|entry| entry.position == at) {
                return self.entries.remove(&name);
            }
        }
        None
    }

    /// Those that wait, by position.
    pub fn iter(&self) -> impl Iterator<Item = (u128, Entry)> + '_ {
        self.order.iter().filter_map(|(at, name)| self.entries.get(name).filter(|entry| entry.position == *at).map(|entry| (*name, *entry)))
    }
}

/// Passes on a key that is a good hash already.
#[derive(Clone, Copy, Debug, Default)]
pub struct NameHasher(u64);

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only names are hashed so")
    }
    fn write_u128(&mut self, name: u128) {
        self.0 = name as u64;
    }
}
