//! Functions at work: a runner reads what its function subscribes to, calls the guest, and makes a
//! plan that the store may refuse. No thread, no clock: whoever drives says when and what time it is.

mod aggregate;
#[cfg(test)]
mod aggregate_tests;
mod audit;
mod calls;
mod check;
mod fold;
mod fold_part;
mod handler;
mod lane;
mod outputs;
mod overlay;
mod query;
mod read_on;
mod reading;
mod rebuild;
mod release;
mod rows;
mod runner;
#[cfg(test)]
mod runner_tests;
mod subscriptions;
#[cfg(test)]
mod testing;
mod upcast;
#[cfg(test)]
mod upcast_tests;
mod view;
#[cfg(test)]
mod view_tests;
mod waits;

pub use aggregate::{Decided, decide};
pub use audit::audit;
pub use check::{Checked, check_upcaster};
pub use fold::{AggregateFault, FoldedState, Hot, fold};
pub use fold_part::{FoldedPart, ViewPart};
pub use handler::Fault;
pub use query::{QueryRefused, query};
pub use reading::{Guests, Reading, Taken, Unreadable};
pub use runner::{Audit, Retrying, Runner, Settled, Step, Ticket};
pub use subscriptions::Subscriptions;
pub use view::{Prepared, Projector, ViewHalted, ViewStep};
pub use waits::{Outcome, WaitId, Waits, World};
