//! Late flights, and what they do to the next flight of the same aircraft.
//!
//! `delays` has no state; `knock-on` remembers the last arrival of each aircraft.

mod delays;
mod events;
mod knock_on;

pub use delays::delays;
pub use events::{Delayed, KnockOn, LATE_MINUTES};
pub use knock_on::knock_on;

retold::module!(delays, knock_on);
