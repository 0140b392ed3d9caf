//! What the tests of the binary share: the binary itself, a running host, HTTP, guests.

mod build;
mod host;
mod web;

pub use build::{guest, repository, retold, reworded};
pub use host::Host;
pub use web::{Answer, Web};
