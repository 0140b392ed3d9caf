//! `GET …/events` as lines: everything up to the head that was there at the beginning, as fast as the
//! client takes it.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::super::body::{Body, StreamBroken, answer};
use super::pages::{Framing, Most, read_portion, read_upcast};
use super::selection::Selection;
use crate::drive::Namespace;

/// What is read under one snapshot and sent at once.
const PORTION_BYTES: usize = 512 << 10;

pub fn read_lines(namespace: &Namespace, selection: Selection) -> Response<Body> {
    let (sender, body) = Body::stream();
    let namespace = namespace.clone();
    let reader = namespace.reader().clone();
    let Selection { mut after, filter, limit, upcast, .. } = selection;
    let filter = std::sync::Arc::new(filter);
    let upto = reader.head();
    let mut left = limit.unwrap_or(u64::MAX);
    tokio::spawn(async move {
        while after < upto && left > 0 {
            let (namespace, reader, filter) = (namespace.clone(), reader.clone(), filter.clone());
            let most = Most { upto, events: left, bytes: PORTION_BYTES };
            let read = move || {
                if upcast {
                    return read_upcast(&namespace, after, &filter, most, Framing::Lines);
                }
                let buffer = Vec::with_capacity(PORTION_BYTES + (8 << 10));
                Ok(read_portion(&reader, after, &filter, most, Framing::Lines, buffer)?)
            };
            let portion = match tokio::task::spawn_blocking(read).await {
                Ok(Ok(portion)) => portion,
                Ok(Err(error)) => return drop(sender.send(Err(StreamBroken(error.to_string()))).await),
                Err(error) => return drop(sender.send(Err(StreamBroken(error.to_string()))).await),
            };
            after = portion.seen;
            left -= portion.events;
            if !portion.bytes.is_empty() && sender.send(Ok(Bytes::from(portion.bytes))).await.is_err() {
                return;
            }
        }
    });
    answer(StatusCode::OK, "application/x-ndjson", body)
}
