//! What is still to come, and what is still to leave: timers, schedules, the outbox, and outputs that are
//! held. Caches of the log, looked up by when something is due.

mod durable;
mod fire;
mod hold;
mod in_group;
mod pages;
mod reply;
mod rows;
mod schedule;
#[cfg(test)]
mod tests;
mod timers;
mod writing;

pub use durable::open as open_if_there;
pub use fire::{Due, Fate, Fired};
pub use hold::{Held, Unheld};
pub use in_group::InGroup;
pub use pages::{HeldOutput, HeldPage, OutboxFilter, OutboxPage, PendingRequest, WaitingPage};
pub use reply::{Attempt, Replied, Reply};
pub use rows::{OutboxRow, OutboxState, OutsideCounts, RowChange};
pub use schedule::{Occurrence, ScheduleRow};
pub use timers::{PendingTimer, TimerPage};
pub use writing::{EFFECTS, OutsideTables, read_counts, read_effects, write_processing, write_row_changes};
