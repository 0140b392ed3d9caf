//! `POST …/verify`: what runs, over recorded history once more, held against what is there.

use std::time::Duration;

use http::StatusCode;

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::parameters::{DEPLOY_SECONDS_DEFAULT, WAIT_SECONDS_MAX};
use super::deploying::under_way;
use super::replay_answer::ReplayAnswer;
use crate::drive::ReplayStatus;

pub async fn verify(call: Box<Call>) -> Answer {
    let (namespace, query) = (call.namespace()?, call.query()?);
    let function = query.text("function")?.map(|name| name.into_owned());
    let budget = query.number("budget", 100)?.map(|percent| percent as u8);
    let wait = query.duration("timeout", Duration::from_secs(WAIT_SECONDS_MAX))?;
    let wait = wait.unwrap_or(Duration::from_secs(DEPLOY_SECONDS_DEFAULT));
    let replay = Box::pin(namespace.verify(function, budget, wait)).await?;
    match replay.status {
        ReplayStatus::Done => Ok(json(StatusCode::OK, &ReplayAnswer::from(replay))),
        _ => Ok(under_way(namespace.name(), replay)),
    }
}
