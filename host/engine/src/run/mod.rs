//! Functions at work: a runner reads what its function subscribes to, calls the guest, and makes a
//! plan that the store may refuse. No thread, no clock: whoever drives says when and what time it is.

mod aggregate;
#[cfg(test)]
mod aggregate_tests;
mod audit;
mod bring;
mod calls;
mod check;
mod compare;
mod consumers;
mod deciding;
#[cfg(test)]
mod deciding_tests;
#[cfg(test)]
mod desk_testing;
mod emitted_command;
mod fold;
#[cfg(test)]
mod fork_tests;
mod gather;
mod guess;
#[cfg(test)]
mod guess_tests;
mod handler;
mod judge;
mod lane;
mod outputs;
mod overlay;
mod part;
mod progress;
mod query;
mod read_on;
mod reading;
mod rebuild;
mod recorded;
mod release;
mod replay;
#[cfg(test)]
mod replay_kinds_tests;
mod replay_next;
#[cfg(test)]
mod replay_tests;
mod report;
mod retell;
mod rows;
mod runner;
#[cfg(test)]
mod runner_tests;
mod subscriptions;
#[cfg(test)]
mod switch_tests;
#[cfg(test)]
mod testing;
mod unread;
mod upcast;
#[cfg(test)]
mod upcast_tests;
mod view;
#[cfg(test)]
mod view_tests;
mod waits;
mod warm;
mod waves;
#[cfg(test)]
mod waves_tests;

pub use aggregate::{Decided, decide};
pub use audit::audit;
pub use bring::{BroughtIn, bring_in};
pub use check::{Checked, check_upcaster};
pub use compare::{
    Comparison, ComparisonStep, DerivedCompared, Example as LogExample, LogsCompared, RowDifference, RowsCompared, Shown as LogShown,
    SourcesCompared, compare_rows, compare_state,
};
pub use consumers::{
    Ask, Consumer, ConsumerRefused, ConsumerStatus, Earlier, Fetched, GiveBack, Given, Member, Moment, Release, Unseen, Which, carry_over,
};
pub use fold::{AggregateFault, FoldedState, Hot, fold};
pub use handler::Fault;
pub use part::{Folded, Part};
pub use query::{QueryRefused, query};
pub use reading::{Guests, Reading, Taken, Unreadable};
pub use rebuild::{Brought, CatchUp, Measured, State, Stop, measure};
pub use replay::{Replay, ReplayOptions, ReplayStep, Replayed};
pub use replay_next::Ahead;
pub use report::{Content, Example, FailedEvent, Finding, FunctionReport};
pub use retell::{Ending, RetellPlan, Retelling, Retold, RetoldModule, Rule, SubjectPattern, Told};
pub use runner::{Audit, Retrying, Runner, Settled, Step, Ticket};
pub use subscriptions::Subscriptions;
pub use unread::first_unread;
pub use view::{Prepared, Projector, ViewHalted, ViewStep};
pub use waits::{Outcome, WaitId, Waits, Whom, World};
pub use waves::{Calendar, Clock, first_occurrence, next_wave, wave};
