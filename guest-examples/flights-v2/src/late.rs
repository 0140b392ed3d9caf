//! When a flight is late.

/// From one minute more than this. Version 1 said 15.
pub const LATE_MINUTES: i32 = 30;
