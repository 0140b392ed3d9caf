//! The check of whether the customer pays: a score from 0 to 100.

use retold::prelude::*;

use crate::check::Check;

/// Who has less is not taken.
const SCORE_MIN: u32 = 50;

#[derive(Deserialize)]
struct Answer {
    score: u32,
}

pub const CHECK: Check = Check {
    name: "credit",
    since: Timestamp::UNIX_EPOCH,
    body: |customer| Json::from_iter([("name", customer.name.as_str())]),
    finding: |reply| {
        let Answer { score } = reply.json()?;
        Ok((score < SCORE_MIN).then_some("the credit score is too low"))
    },
};
