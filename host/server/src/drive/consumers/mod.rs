//! Consumers of a namespace's log: opened with it, carried over to the log that takes its place, asked by
//! their members. What they are given and when the engine decides; here is who waits, and for what.

mod info;
mod opening;
mod settings;
mod slot;
mod table;
mod verbs;

pub use info::{ConsumerInfo, Delivery, FetchAsk, NewConsumer, ParkedAside, StartAt};
pub use opening::{close_consumers, open_consumers};
pub use slot::{Slot, moment};
pub use table::Consumers;
