//! How slowly a stream may come. One that is almost silent holds a place and memory for nothing.

use std::time::Duration;

/// What has to come within the time that a stream may take for it.
const LEAST_BYTES: usize = 1 << 10;

/// What came of late, and how long it was waited for: the time that the host takes for itself doesn't count.
#[derive(Debug)]
pub struct Pace {
    time_max: Duration,
    waited: Duration,
    bytes: usize,
}

impl Pace {
    /// A stream that may take so long for each KiB.
    pub fn new(time_max: Duration) -> Pace {
        Pace { time_max, waited: Duration::ZERO, bytes: 0 }
    }

    /// How long more may be waited for; nothing: the stream is too slow.
    pub fn left(&self) -> Duration {
        self.time_max.saturating_sub(self.waited)
    }

    pub fn waited(&mut self, time: Duration) {
        self.waited += time;
    }

    pub fn came(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= LEAST_BYTES {
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_its_time_for_each_kib_however_it_is_cut_h2() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(60 * second);
        for _ in 0..1_000 {
            pace.waited(59 * second);
            pace.came(LEAST_BYTES);
            assert_eq!(pace.left(), 60 * second);
        }
        for _ in 0..30 {
            pace.waited(2 * second);
            pace.came(30);
        }
        assert_eq!(pace.left(), Duration::ZERO, "900 bytes in a minute");
    }
}
