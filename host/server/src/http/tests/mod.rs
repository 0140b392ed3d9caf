//! The routes on a running host, over real connections.

mod appending;
mod hostile;
mod limits;
mod metrics;
mod others;
mod permitted;
mod reading;
pub mod running;
mod schemas_hold;
mod sizes;
mod upgrading;
