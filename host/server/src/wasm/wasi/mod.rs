//! WASI 0.2 without a world around it: the clock stands at the event's time, chance is seeded from
//! the event's id (a command's where one is decided), what is printed goes to the function's log, and there are no arguments,
//! environment, files or network.

mod clock;
mod context;
mod linker;
mod output;
mod random;

pub(super) use context::{Cause, Moment, Wasi, enter};
pub(super) use linker::add_to_linker;
