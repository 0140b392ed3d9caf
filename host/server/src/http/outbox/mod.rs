//! What leaves the host: requests that wait for an answer, and outputs that are held back.

mod held;
mod requests;

pub use held::{discard_outputs, list_held, release_outputs};
#[cfg(test)]
pub use requests::sample;
pub use requests::{discard, list_requests, release, retry};
