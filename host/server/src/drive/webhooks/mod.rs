//! Webhooks out: a consumer with an endpoint is read by the host itself, which sends what comes as
//! CloudEvents over HTTP, signed as Standard Webhooks say, in the order of each subject.

mod agree;
mod message;
mod outcome;
mod sender;
mod sign;

pub use agree::agree;
pub use sender::{MEMBER, start};
