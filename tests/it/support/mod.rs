//! What the tests of the binary share: the binary itself, a running host, HTTP, guests.

mod build;
mod host;
mod receiver;
mod web;

pub use build::{guest, repository, retold, reworded};
pub use host::Host;
pub use receiver::{Answering, Received, Receiver};
pub use web::{Answer, Web};
