//! `Pace`: whether a function is expected to take long.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use retold_engine::model::Timestamp;

use super::clock;

/// Processor time of one answer from which on it is a long one. Who asks has to wait for it anyhow, so it is more than that of
/// a step.
const LONG_ANSWER_US: u64 = 100_000;
/// After it took long a function runs on the threads for that, for so long; after each further one for twice as long as
/// before, at most for so long.
const LONG_MS: u64 = 60_000;
const LONG_MS_MAX: u64 = 60 * 60_000;

/// What is known of how long a function takes each time, which decides on which threads it runs.
#[derive(Default)]
pub struct Pace {
    /// It has come to something quickly, since it last took long.
    is_quick: bool,
    /// Until then it is expected to take long again.
    long_until: Timestamp,
    long_ms: u64,
}

impl Pace {
    pub fn takes_long(&self, now: Timestamp) -> bool {
        !self.is_quick || now < self.long_until
    }

    pub fn note(&mut self, long: bool, is_done: bool, now: Timestamp) {
        if long {
            self.long_ms = (2 * self.long_ms).clamp(LONG_MS, LONG_MS_MAX);
            (self.is_quick, self.long_until) = (false, now.plus_ms(self.long_ms));
        } else if is_done {
            self.is_quick = true;
        }
    }
}

/// Of functions that somebody asks and waits for: quick until one is known to take long.
#[derive(Default)]
pub struct Paces {
    /// Whether any ever took long.
    any: AtomicBool,
    of: Mutex<BTreeMap<String, Pace>>,
}

impl Paces {
    pub fn takes_long(&self, function: &str) -> bool {
        self.any.load(Ordering::Relaxed) && self.lock().get(function).is_some_and(|pace| pace.takes_long(clock::now()))
    }

    /// An answer took so much processor time.
    pub fn note(&self, function: &str, took_us: u64) {
        if took_us >= LONG_ANSWER_US {
            self.any.store(true, Ordering::Relaxed);
            self.lock().entry(function.to_owned()).or_default().note(true, false, clock::now());
        } else if self.any.load(Ordering::Relaxed)
            && let Some(pace) = self.lock().get_mut(function)
        {
            pace.note(false, true, clock::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Pace>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_slowly_once_is_known_for_it_and_nothing_else_is_e6() {
        let paces = Paces::default();
        paces.note("quick", LONG_ANSWER_US - 1);
        paces.note("slow", LONG_ANSWER_US);
        assert!(!paces.takes_long("quick") && paces.takes_long("slow"));
        paces.note("slow", 1);
        assert!(paces.takes_long("slow"), "its time isn't over");
    }

    #[test]
    fn who_takes_long_again_and_again_is_trusted_later_each_time_w32() {
        let (mut pace, mut now) = (Pace::default(), Timestamp(1));
        assert!(pace.takes_long(now), "nobody knows yet");
        pace.note(false, false, now);
        assert!(pace.takes_long(now), "an attempt that came to nothing shows nothing");
        pace.note(false, true, now);
        assert!(!pace.takes_long(now));
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            pace.note(true, true, now);
            pace.note(false, true, now);
            assert!(pace.takes_long(now.plus_ms(minutes * 60_000 - 1)), "{minutes}");
            now = now.plus_ms(minutes * 60_000);
            assert!(!pace.takes_long(now), "{minutes}");
        }
        pace.note(true, false, now);
        assert!(pace.takes_long(now.plus_ms(2 * LONG_MS_MAX)), "it has not been quick since");
    }
}
