//! The one place where the command line reads the clock: for rates, progress and benches.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "a person is told how long it took; nothing is decided by it")]
pub fn now() -> Instant {
    Instant::now()
}
