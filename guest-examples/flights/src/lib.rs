//! Late flights, and what they do to the next flight of the same aircraft.
//!
//! `delays` has no state; `knock-on` remembers the last arrival of each aircraft.

pub mod delays;
pub mod events;
pub mod knock_on;

retold::module!(delays::delays, knock_on::knock_on);
