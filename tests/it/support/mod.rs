//! What the tests of the binary share: the binary itself, a running host, HTTP, guests.

mod build;
mod host;
mod replays;
mod web;

pub use build::{guest, repository, retold, reworded};
pub use host::Host;
pub use replays::{amount, findings, host_with_ledger, ledger, of_function, outputs, pay, wait_until};
pub use web::{Answer, Web};
