//! Retelling: a new log out of an old one. Its source events are told again, one after the other, and
//! everything that other code makes of each follows right behind it.

mod decider;
mod due;
#[cfg(test)]
mod failing_tests;
mod firing;
mod plan;
mod retelling;
#[cfg(test)]
mod retelling_tests;
mod rounds;
mod rules;
#[cfg(test)]
mod rules_tests;
mod teller;
mod telling;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod timing_tests;

pub use plan::{RetellPlan, RetoldModule};
pub use retelling::{Ending, Retelling, Retold, Told};
pub use rules::{Rule, SubjectPattern};
