//! `Ahead`: rows that are asked for before their events come. `Guess`: which, and for how many events.

use std::ops::Range;

use super::known::KeyHash;
use crate::texts::is_same;

/// Events that are read ahead for at first: each time that at least half of it was of use twice as many.
const AHEAD_MIN: usize = 4;
const AHEAD_MAX: usize = 1_024;

/// The rows that some events will read if the guess is right.
#[derive(Default)]
pub(super) struct Ahead {
    pub events: Range<usize>,
    /// The place of each one's row.
    pub places: Vec<u32>,
    /// The key of all, where it isn't each one's subject.
    pub key: Option<String>,
    pub used: usize,
}

/// What is read, as far as it shows.
pub(super) struct Guess {
    /// Of the last row that the host was asked for.
    pattern: Option<Pattern>,
    /// Events to read ahead for next.
    next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Subject,
    /// The same key in each unit, whose hash this is.
    Same(KeyHash),
}

impl Ahead {
    pub fn key<'k>(&'k self, subject: &'k str) -> &'k str {
        self.key.as_deref().unwrap_or(subject)
    }

    /// Where the row of this event is, if it was read ahead and is of this key.
    #[inline(always)]
    pub fn place(&self, event: usize, key: &str, subject: &str) -> Option<u32> {
        if self.events.contains(&event) && is_same(key.as_bytes(), self.key(subject).as_bytes()) {
            Some(self.places[event - self.events.start])
        } else {
            None
        }
    }
}

impl Default for Guess {
    fn default() -> Guess {
        Guess { pattern: None, next: AHEAD_MIN }
    }
}

impl Guess {
    /// A row is read under this key, which may be its event's subject, and what was read ahead was of so much use. What to
    /// read with it, and for how many of the events that are `left`.
    pub fn ahead(&mut self, key: &str, subject: &str, is_split: bool, before: &Ahead, left: usize) -> Option<(Ahead, usize)> {
        let pattern = if key == subject { Pattern::Subject } else { Pattern::Same(KeyHash::of(key)) };
        let is_seen = self.pattern.replace(pattern) == Some(pattern);
        let is_likely = pattern == Pattern::Subject || is_seen && is_split;
        self.learn(before);
        let count = self.next.min(left);
        if !is_likely || self.next < AHEAD_MIN || count < 2 {
            return None;
        }
        Some((Ahead { key: (pattern != Pattern::Subject).then(|| key.to_owned()), ..Ahead::default() }, count))
    }

    /// From what came of the last one.
    fn learn(&mut self, ahead: &Ahead) {
        if !ahead.events.is_empty() {
            let is_of_use = 2 * ahead.used >= ahead.events.len();
            self.next = if is_of_use { (2 * self.next).min(AHEAD_MAX) } else { self.next / 4 };
        }
    }
}
