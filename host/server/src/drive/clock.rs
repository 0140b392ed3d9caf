//! The one reading of the clock, and time as a namespace has it: it never goes back and never stands still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use retold_engine::model::Timestamp;

/// How much later this host lives than its machine, in microseconds.
static AHEAD_US: AtomicU64 = AtomicU64::new(0);

/// From now on it is so much later than the machine says.
pub fn go_ahead(by: Duration) {
    AHEAD_US.store(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Microseconds since 1970, as this machine has it. It may go back; recorded time doesn't.
#[expect(clippy::disallowed_methods, reason = "the one reading of the clock")]
pub fn now() -> Timestamp {
    let machine = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
    Timestamp(machine.saturating_add(AHEAD_US.load(Ordering::Relaxed)))
}

/// Nanoseconds since 1970, as this machine has it, however much later the host lives: what others are told by.
#[expect(clippy::disallowed_methods, reason = "the one reading of the clock")]
pub fn wall_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Milliseconds that have passed since the host began, by a clock that nobody sets: leases end by it.
pub fn passed_ms() -> u64 {
    passed_us() / 1_000
}

/// The same in microseconds.
pub fn passed_us() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(started).elapsed().as_micros() as u64
}

/// Processor time that this thread has had, in microseconds.
pub fn thread_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

/// A moment to measure from.
#[expect(clippy::disallowed_methods, reason = "the one reading of the monotonic clock")]
pub fn started() -> Instant {
    Instant::now()
}

/// The time of one namespace. Where the machine's clock is set back, it goes on from where it was, a little
/// slower than the machine's until that has caught up: what is to come comes, and nothing comes twice.
#[derive(Debug)]
pub struct Steady(Mutex<(Timestamp, Instant)>);

impl Steady {
    /// It doesn't begin before `last`, which was recorded.
    pub fn new(last: Timestamp) -> Steady {
        Steady(Mutex::new((last, started())))
    }

    pub fn now(&self) -> Timestamp {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = started();
        *last = (steady(last.0, at.duration_since(last.1), now()), at);
        last.0
    }
}

fn steady(last: Timestamp, passed: Duration, machine: Timestamp) -> Timestamp {
    let slower_us = passed.as_nanos() * 15 / 16 / 1_000;
    machine.max(Timestamp(last.0.saturating_add(slower_us as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const DAY: u64 = 86_400 * SECOND;

    /// The time of a namespace where the machine's is `machine(second)`, asked once a second.
    fn lived(seconds: u64, machine: impl Fn(u64) -> u64) -> Vec<u64> {
        let mut last = Timestamp(machine(0));
        (1..=seconds)
            .map(|second| {
                last = steady(last, Duration::from_secs(1), Timestamp(machine(second)));
                last.0
            })
            .collect()
    }

    #[test]
    fn a_clock_that_is_set_back_a_day_neither_goes_back_nor_stands_still_and_is_caught_up_with() {
        let times = lived(17 * 86_400, |second| 2 * DAY + second * SECOND - if second > 100 { DAY } else { 0 });
        assert!(times.windows(2).all(|two| two[1] > two[0] && two[1] - two[0] <= SECOND), "it goes on, no faster than time does");
        assert_eq!(times[99], 2 * DAY + 100 * SECOND);
        assert!(times[200] > 2 * DAY + 190 * SECOND, "{}", times[200]);
        assert_eq!(times.last(), Some(&(18 * DAY)), "in the end it is the machine's again");
    }

    #[test]
    fn a_clock_that_is_set_forward_a_day_and_back_again_goes_on_from_where_it_was() {
        let times = lived(300, |second| DAY + second * SECOND + if (100..200).contains(&second) { DAY } else { 0 });
        assert_eq!(times[99], 2 * DAY + 100 * SECOND);
        assert!(times.windows(2).all(|two| two[1] > two[0]), "it never goes back");
        assert!(times[299] < 2 * DAY + 300 * SECOND);
    }

    #[test]
    fn time_does_not_begin_before_what_is_recorded() {
        let recorded = Timestamp(now().0 + DAY);
        let clock = Steady::new(recorded);
        let first = clock.now();
        assert!(first >= recorded && first.0 < recorded.0 + DAY);
        assert!(Steady::new(Timestamp(0)).now() >= Timestamp(recorded.0 - DAY));
    }
}
