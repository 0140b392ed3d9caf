//! Backups over HTTP: out as a stream of frames, and back in.

mod restoring;
mod writing;

pub use restoring::restore;
#[cfg(test)]
pub use restoring::tests::samples;
pub use writing::{back_up, module};
