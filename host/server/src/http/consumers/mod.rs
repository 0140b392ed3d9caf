//! Consumers: named places in a log for readers outside, that share their work, acknowledge it, and are sent
//! it if they like.

mod answer;
mod durations;
mod fetching;
mod leases;
mod making;
mod parked;

pub use fetching::fetch;
pub use leases::{acknowledge, extend, give_back};
pub use making::{drop_consumer, list_consumers, one_consumer, set_consumer};
pub use parked::{list_parked, release};
