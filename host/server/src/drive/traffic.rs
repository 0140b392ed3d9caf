//! `Traffic`: whether somebody outside is being answered just now. Replays and what takes long then leave a core to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::clock;

/// Nobody was answered for so long: there is no traffic.
const QUIET_AFTER: Duration = Duration::from_millis(100);

/// One for the whole host: its namespaces share the cores.
pub struct Traffic {
    began: Instant,
    /// When somebody was answered last, in microseconds since it began, counted from 1; 0 if nobody was.
    last: AtomicU64,
}

impl Default for Traffic {
    fn default() -> Self {
        Traffic { began: clock::started(), last: AtomicU64::new(0) }
    }
}

impl Traffic {
    /// Somebody is answered.
    pub fn note(&self) {
        self.last.store(self.began.elapsed().as_micros() as u64 + 1, Ordering::Relaxed);
    }

    /// How many of so many threads a replay, or what takes long, may run at once. Where all cores are busy, whoever wakes
    /// to answer waits for one, whatever the threads' priorities.
    pub fn threads_left(&self, threads: usize) -> usize {
        if self.is_quiet() { threads } else { threads.saturating_sub(1).max(1) }
    }

    pub fn is_quiet(&self) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last == 0 || self.began.elapsed().as_micros() as u64 > last + QUIET_AFTER.as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_takes_a_thread_from_replays_and_never_the_last() {
        let traffic = Traffic::default();
        assert_eq!([1, 2, 8].map(|threads| traffic.threads_left(threads)), [1, 2, 8]);
        traffic.note();
        assert_eq!([1, 2, 8].map(|threads| traffic.threads_left(threads)), [1, 1, 7]);
        let long_ago = Traffic { began: clock::started() - 2 * QUIET_AFTER, last: AtomicU64::new(1) };
        assert_eq!(long_ago.threads_left(2), 2);
    }
}
