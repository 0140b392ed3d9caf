//! The one reading of the clock.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use retold_engine::model::Timestamp;

/// Microseconds since 1970, as this machine has it. It may go back; recorded time doesn't.
#[expect(clippy::disallowed_methods, reason = "the one reading of the clock")]
pub fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64))
}

/// Milliseconds that have passed since the host began, by a clock that nobody sets: leases end by it.
pub fn passed_ms() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(started).elapsed().as_millis() as u64
}

/// A moment to measure from.
#[expect(clippy::disallowed_methods, reason = "the one reading of the monotonic clock")]
pub fn started() -> Instant {
    Instant::now()
}
