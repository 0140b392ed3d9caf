//! What the tests of the binary share: the binary itself, a running host, HTTP, guests.

mod build;
mod flight_log;
mod follower;
mod host;
mod machine;
mod receiver;
mod replays;
mod search;
mod service;
mod traffic;
mod web;

pub use build::{guest, guest_file, repository, retold, reworded};
pub use flight_log::{FlightLog, Months, Rule};
pub use follower::{Ends, follow};
pub use host::Host;
pub use machine::{Injected, SmallDisk};
pub use receiver::{Answering, Received, Receiver};
pub use replays::{amount, findings, host_with_ledger, ledger, of_function, outputs, pay, wait_until};
pub use search::files_with;
pub use service::{Asked, Service, of_type, say};
pub use traffic::Traffic;
pub use web::{Answer, Web};
