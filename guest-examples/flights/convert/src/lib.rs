//! Turns the flights that left New York in 2013 into CloudEvents 1.0, as the airports would have
//! sent them: in the order in which things happened, so that flights interleave.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let timetable = flights_convert::Timetable::open("flights.csv.gz".as_ref())?;
//! for line in timetable.lines() {
//!     println!("{line}");
//! }
//! # Ok(()) }
//! ```
//!
//! How each wart of the data is treated stands in `guest-examples/flights/README.md`, and in one
//! place in the code: `flight.rs` for what a row says, `moment.rs` for the order.

mod clock;
mod cloud_event;
mod error;
mod flight;
mod moment;
mod timetable;

pub use error::ConvertError;
pub use timetable::{Counts, Timetable};
