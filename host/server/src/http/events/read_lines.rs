//! `GET …/events` as lines: everything up to the head that was there at the beginning, as fast as the
//! client takes it.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::super::body::{Body, StreamBroken, answer};
use super::super::cursor::Place;
use super::pages::{Framing, Most, read_on};
use super::selection::Selection;
use crate::drive::Namespace;

/// What is read under one snapshot and sent at once.
const PORTION_BYTES: usize = 512 << 10;

pub fn read_lines(namespace: &Namespace, selection: Selection) -> Response<Body> {
    let (sender, body) = Body::stream();
    let namespace = namespace.clone();
    let wanted = selection.wanted(Framing::Lines);
    let mut place = selection.after;
    let upto = namespace.reader().head();
    let mut left = selection.limit.unwrap_or(u64::MAX);
    tokio::spawn(async move {
        let is_at_the_end = |place| matches!(place, Place::Here(after) if after >= upto);
        while !is_at_the_end(place) && left > 0 {
            let (namespace, wanted) = (namespace.clone(), wanted.clone());
            let most = Most { upto, events: left, bytes: PORTION_BYTES };
            let read = move || read_on(&namespace, &namespace, place, &wanted, most, Vec::with_capacity(PORTION_BYTES + (8 << 10)));
            let portion = match tokio::task::spawn_blocking(read).await {
                Ok(Ok(portion)) => portion,
                Ok(Err(error)) => return drop(sender.send(Err(StreamBroken(error.to_string()))).await),
                Err(error) => return drop(sender.send(Err(StreamBroken(error.to_string()))).await),
            };
            place = portion.place;
            left -= portion.events.min(left);
            if !portion.bytes.is_empty() && sender.send(Ok(Bytes::from(portion.bytes))).await.is_err() {
                return;
            }
        }
    });
    answer(StatusCode::OK, "application/x-ndjson", body)
}
