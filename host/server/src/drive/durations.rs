//! How long things took: how many of them within which bound, as a histogram of Prometheus has it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in microseconds: what a commit takes on the fastest disks, up to what nobody waits for.
const BOUNDS_US: [u64; 14] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_500_000, 10_000_000];

#[derive(Debug, Default)]
pub struct Durations {
    /// Those within a bound and beyond the one before it; the last are beyond all.
    within: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// What was counted until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurationCounts {
    within: [u64; BOUNDS_US.len() + 1],
    pub sum_us: u64,
}

impl Durations {
    pub fn add(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.within[BOUNDS_US.partition_point(|bound| *bound < us)].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    pub fn counts(&self) -> DurationCounts {
        DurationCounts {
            within: std::array::from_fn(|index| self.within[index].load(Ordering::Relaxed)),
            sum_us: self.sum_us.load(Ordering::Relaxed),
        }
    }
}

impl DurationCounts {
    pub fn count(&self) -> u64 {
        self.within.iter().sum()
    }

    /// Bounds in microseconds, each with how many were no longer than it. All of them are [`DurationCounts::count`].
    pub fn upto(&self) -> impl Iterator<Item = (u64, u64)> {
        BOUNDS_US.into_iter().zip(self.within).scan(0, |upto, (bound, within)| {
            *upto += within;
            Some((bound, *upto))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_within_its_bound_and_all_longer_ones() {
        let durations = Durations::default();
        for us in [1, 100, 101, 1_000_000, 60_000_000] {
            durations.add(Duration::from_micros(us));
        }
        let counts = durations.counts();
        let upto = |wanted: u64| counts.upto().find(|(bound, _)| *bound == wanted).map(|(_, count)| count);
        assert_eq!((upto(100), upto(250), upto(250_000), upto(1_000_000), upto(10_000_000)), (Some(2), Some(3), Some(3), Some(4), Some(4)));
        assert_eq!((counts.count(), counts.sum_us), (5, 61_000_202));
    }
}
