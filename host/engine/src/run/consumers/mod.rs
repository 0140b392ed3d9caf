//! Consumers: what an outside reader is given, to whom of its members, and what becomes of what it says of
//! it. Time is an argument twice: `now_ms` only ever grows, and ends leases; the time of day is only told.

mod carry;
mod consumer;
mod fetch;
mod lease;
mod park;
mod refused;
mod status;
#[cfg(test)]
mod tests;

pub use carry::carry_over;
pub use consumer::{Consumer, Earlier, Moment, Unseen};
pub use fetch::{Ask, Fetched, Given};
pub use lease::{GiveBack, Which};
pub use park::Release;
pub use refused::ConsumerRefused;
pub use status::{ConsumerStatus, Member};
