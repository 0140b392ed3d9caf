//! Time and chance of the runs. A run says its seed, and draws the same pauses and places from it again.

use std::time::{Duration, Instant, SystemTime};

#[derive(Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "real processes run in real time")]
    pub fn after(time: Duration) -> Deadline {
        Deadline(Instant::now() + time)
    }

    #[expect(clippy::disallowed_methods, reason = "real processes run in real time")]
    pub fn is_over(self) -> bool {
        Instant::now() >= self.0
    }
}

#[expect(clippy::disallowed_methods, reason = "a run tells how long it took")]
pub fn started() -> Instant {
    Instant::now()
}

pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// xorshift64*: enough for moments and places.
pub struct Chance(u64);

impl Chance {
    pub fn of(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % most.max(1)
    }
}

/// A seed that no run had before.
#[expect(clippy::disallowed_methods, reason = "each run is another one unless it is told which")]
pub fn new_seed() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |time| time.as_micros() as u64)
}
