//! How long answers take, and what a process uses meanwhile.

use std::path::PathBuf;
use std::time::Duration;

use crate::time::started;

/// How long requests took, in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<u64>);

impl Times {
    /// Does `ask`, and notes how long it took.
    pub fn time<R>(&mut self, ask: impl FnOnce() -> R) -> R {
        let began = started();
        let answer = ask();
        self.0.push(began.elapsed().as_micros() as u64);
        answer
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn add(&mut self, other: Times) {
        self.0.extend(other.0);
    }

    /// So many of a thousand took no longer.
    pub fn at(&self, of_a_thousand: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * of_a_thousand / 1_000).min(sorted.len().saturating_sub(1));
        Duration::from_micros(sorted.get(place).copied().unwrap_or_default())
    }

    /// `p50 1.2 ms, p99 3.4 ms of 500`.
    pub fn words(&self) -> String {
        let ms = |of_a_thousand| self.at(of_a_thousand).as_secs_f64() * 1_000.0;
        format!("p50 {:.1} ms, p99 {:.1} ms of {}", ms(500), ms(990), self.len())
    }
}

/// What a process uses at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Use {
    pub memory_kib: u64,
    pub threads: u64,
    pub descriptors: u64,
}

impl Use {
    pub fn of(process: u32) -> Use {
        let folder = PathBuf::from(format!("/proc/{process}"));
        let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            value.trim_start_matches(':').split_whitespace().next()?.parse().ok()
        };
        Use {
            memory_kib: field("VmRSS").unwrap_or_default(),
            threads: field("Threads").unwrap_or_default(),
            descriptors: std::fs::read_dir(folder.join("fd")).map_or(0, |entries| entries.count() as u64),
        }
    }
}

/// The mean of a figure in each quarter of a run.
pub fn quarters(of: &[Use], figure: impl Fn(&Use) -> u64) -> [u64; 4] {
    let mean = |uses: &[Use]| uses.iter().map(&figure).sum::<u64>() / uses.len().max(1) as u64;
    [0, 1, 2, 3].map(|quarter| mean(&of[quarter * of.len() / 4..(quarter + 1) * of.len() / 4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_times_the_slowest_is_beyond_the_ninety_ninth() {
        let times = Times((1..=100).rev().map(|ms| ms * 1_000).collect());
        assert_eq!(
            (times.at(500), times.at(980), times.at(1_000)),
            (Duration::from_millis(51), Duration::from_millis(99), Duration::from_millis(100))
        );
        assert_eq!(Times::default().at(990), Duration::ZERO);
    }

    #[test]
    fn what_grows_shows_between_the_quarters() {
        let uses: Vec<Use> = (0..8).map(|number| Use { memory_kib: number * 10, ..Use::default() }).collect();
        assert_eq!(quarters(&uses, |used| used.memory_kib), [5, 25, 45, 65]);
        assert_eq!(quarters(&[], |used| used.memory_kib), [0; 4]);
    }
}
