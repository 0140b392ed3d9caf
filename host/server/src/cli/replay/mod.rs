//! Replays on the command line: watched while they run, and what they found as a person reads it.

mod differences;
mod following;
mod interrupt;
mod logs_report;
mod report;

pub use following::{Watch, follow};
pub use logs_report::logs_report;
pub use report::{is_same, report, short, verdict, warnings};
