//! Segments: sealed stretches of the log, each a redb file of its own that is never written again,
//! with a sorted index of its own and a filter over its ids.

mod build;
mod cap;
mod merge;
mod postings;
mod read;
mod stream;

pub use build::build;
pub use cap::Cap;
pub use merge::merge;
pub use read::Segment;
