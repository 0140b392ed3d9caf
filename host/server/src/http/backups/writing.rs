//! `GET …/backup`: a stretch of the log, as it was when the request came, a snapshot for each portion.

use bytes::Bytes;
use http::StatusCode;
use retold_engine::model::Digest;

use super::super::body::{Body, StreamBroken, answer};
use super::super::call::{Answer, Call};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use crate::drive::DriveError;

/// What is read under one snapshot and sent at once.
const PORTION_BYTES: usize = 512 << 10;

pub async fn back_up(call: Box<Call>) -> Answer {
    let query = call.query()?;
    let namespace = call.namespace()?;
    let chain = match query.text("chain")? {
        Some(text) => Some(Digest::from_hex(&text).ok_or_else(|| Problem::parameter("chain", "is no SHA-256: use 64 hexadecimal digits"))?),
        None => None,
    };
    let from = match (query.number("after-commit", i64::MAX as u64)?, chain) {
        (Some(commit), Some(chain)) => Some((commit, chain)),
        (None, None) => None,
        (Some(_), None) => return Err(Problem::parameter("after-commit", "stands alone: give `chain` with it")),
        (None, Some(_)) => return Err(Problem::parameter("chain", "stands alone: give `after-commit` with it")),
    };
    let mut stream = blocking(move || namespace.backup(from)).await?;
    let (sender, body) = Body::stream();
    tokio::spawn(async move {
        loop {
            let read = tokio::task::spawn_blocking(move || (stream.next(PORTION_BYTES), stream)).await;
            let portion = match read {
                Ok((Ok(Some(portion)), rest)) => {
                    stream = rest;
                    portion
                }
                Ok((Ok(None), _)) => return,
                Ok((Err(error), _)) => return drop(sender.send(Err(StreamBroken(error.to_string()))).await),
                Err(error) => return drop(sender.send(Err(StreamBroken(error.to_string()))).await),
            };
            if sender.send(Ok(Bytes::from(portion))).await.is_err() {
                return;
            }
        }
    });
    Ok(answer(StatusCode::OK, "application/octet-stream", body))
}

pub async fn module(call: Box<Call>) -> Answer {
    call.query()?;
    let namespace = call.namespace()?;
    let text = call.parameter("digest");
    let unknown = || {
        let detail = format!("no module version with the digest {text:?} is kept here: a backup's end names those that are");
        Problem::new(&kinds::UNKNOWN_MODULE, detail).with("module", text)
    };
    let digest = Digest::from_hex(text).ok_or_else(unknown)?;
    let component = blocking(move || namespace.component(digest)).await?.ok_or_else(unknown)?;
    Ok(answer(StatusCode::OK, "application/wasm", Body::full(component)))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, DriveError> + Send + 'static) -> Result<T, Problem> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| DriveError::Stopping)??)
}
