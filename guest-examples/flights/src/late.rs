//! When a flight is late.

/// From one minute more than this.
pub const LATE_MINUTES: i32 = 15;
