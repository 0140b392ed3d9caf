//! Late flights, and what they do to the next flight of the same aircraft.
//!
//! `delays` has no state; `knock-on` remembers the last arrival of each aircraft; `delays-by-month` and
//! `delays-by-carrier` count, by carrier and month.

pub mod delays;
pub mod events;
pub mod knock_on;
pub mod late;
pub mod month;

retold::module!(delays::delays, knock_on::knock_on, month::delays_by_month, month::delays_by_carrier, month::of_carrier);
