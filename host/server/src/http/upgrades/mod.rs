//! Upgrades over HTTP: modules are deployed, rehearsed and rolled back; replays looked at, stopped and
//! resumed; namespaces forked, retold, compared, promoted and dropped.

mod deploying;
mod difference_answer;
mod making;
mod options;
mod promoting;
mod replay_answer;
mod replays;
mod rules;
mod shown;
mod verifying;

pub use deploying::{deploy, rollback, under_way};
pub use making::create_namespace;
pub use options::options;
pub use promoting::{diff, drop_namespace, promote};
pub use replay_answer::{ReplayAnswer, kind_of_function};
pub use replays::{drop_replay, list_replays, one_replay, resume_replay, stop_replay};
pub use verifying::verify;

/// Answers of each shape, to be held against what OpenAPI says of them.
#[cfg(test)]
pub fn samples() -> Vec<(&'static str, serde_json::Value)> {
    replays::tests::samples().into_iter().chain(promoting::tests::samples()).chain(making::tests::samples()).collect()
}
