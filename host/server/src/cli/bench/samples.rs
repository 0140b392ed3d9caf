//! Figures from many measurements.

use std::time::Duration;

/// How long each of many requests took.
#[derive(Debug, Default)]
pub struct Latencies {
    nanoseconds: Vec<u64>,
}

impl Latencies {
    pub fn add(&mut self, latency: Duration) {
        self.nanoseconds.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn append(&mut self, mut others: Latencies) {
        self.nanoseconds.append(&mut others.nanoseconds);
    }

    pub fn count(&self) -> usize {
        self.nanoseconds.len()
    }

    /// In microseconds: so many in a hundred took at most this. 0 of none.
    pub fn percentile_us(&mut self, percent: usize) -> f64 {
        self.nanoseconds.sort_unstable();
        let last = self.nanoseconds.len().saturating_sub(1);
        let index = (self.nanoseconds.len() * percent / 100).min(last);
        self.nanoseconds.get(index).map_or(0.0, |&nanoseconds| nanoseconds as f64 / 1e3)
    }
}

/// The middle one; of an even number, the mean of the middle two.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + upper) / 2.0 } else { upper })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_not_moved_by_one_slow_slice() {
        assert_eq!(median(&[52.0, 50.0, 900.0]), Some(52.0));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile_us(50), 0.0);
        (1..=100).rev().for_each(|us| latencies.add(Duration::from_micros(us)));
        assert_eq!(latencies.percentile_us(50), 51.0);
        assert_eq!(latencies.percentile_us(99), 100.0);
    }
}
