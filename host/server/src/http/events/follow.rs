//! `GET …/events` as server-sent events: what is there, then what comes, until the client goes, the host
//! stops, or another generation takes the log's place: the client comes back to that one by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};
use retold_engine::model::Position;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::super::body::{Body, StreamBroken, answer};
use super::super::cursor::{Place, write_place};
use super::super::json::write_number;
use super::super::race::{First, is_true, race};
use super::super::site::Site;
use super::pages::{Framing, Most, portion};
use super::selection::Selection;
use crate::drive::Namespace;

/// What is sent at once; a client that doesn't read keeps no more than a few of these here.
const PORTION_BYTES: usize = 128 << 10;

pub fn follow(site: &Arc<Site>, namespace: &Namespace, selection: Selection) -> Response<Body> {
    let (sender, body) = Body::stream();
    let (site, namespace) = (site.clone(), namespace.clone());
    tokio::spawn(async move {
        if let Err(error) = send_all(&site, &namespace, selection, &sender).await {
            let _ = sender.send(Err(error)).await;
        }
    });
    let mut response = answer(StatusCode::OK, "text/event-stream", body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Ends with `Ok` when the limit is reached, the client is gone, the host stops or the log is superseded.
async fn send_all(
    site: &Site,
    namespace: &Namespace,
    selection: Selection,
    sender: &Sender<Result<Bytes, StreamBroken>>,
) -> Result<(), StreamBroken> {
    let mut heads = namespace.head_changes();
    let mut stopping = site.host.stopping();
    let mut superseded = namespace.superseded();
    let wanted = selection.wanted(Framing::Messages);
    let mut place = selection.after;
    let mut left = selection.limit.unwrap_or(u64::MAX);
    // The first sign of life tells at once that the stream stands.
    let mut heartbeat = Duration::ZERO;
    while left > 0 && !*stopping.borrow() && !*superseded.borrow() {
        heads.mark_unchanged();
        let upto = namespace.reader().head();
        let most = Most { upto, events: left, bytes: PORTION_BYTES };
        let portion = portion(namespace, place, &wanted, most).await.map_err(|error| StreamBroken(error.to_string()))?;
        place = portion.place;
        left -= portion.events;
        if portion.events > 0 {
            if sender.send(Ok(Bytes::from(portion.bytes))).await.is_err() {
                return Ok(());
            }
            continue;
        }
        let news = race(heads.changed(), race(stopping.changed(), is_true(&mut superseded)));
        match timeout(heartbeat, race(news, sender.closed())).await {
            Ok(First::One(_)) => {}
            Ok(First::Other(())) => return Ok(()),
            Err(_) => {
                if sender.send(Ok(head_message(upto, namespace.generation(), place))).await.is_err() {
                    return Ok(());
                }
            }
        }
        heartbeat = site.options.heartbeat;
    }
    Ok(())
}

/// A sign of life that tells how far the log goes, and how far it was read for this client. It has no
/// id: a browser would take it for the last event's.
fn head_message(head: Position, generation: u64, place: Place) -> Bytes {
    let mut out = b"event: head\ndata: {\"head\":\"".to_vec();
    write_number(&mut out, head.0);
    out.extend_from_slice(b"\",\"cursor\":\"");
    write_place(&mut out, generation, place);
    out.extend_from_slice(b"\"}\n\n");
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_carries_the_head_and_no_id() {
        assert_eq!(
            head_message(Position(57), 1, Place::Here(Position(42))),
            "event: head\ndata: {\"head\":\"57\",\"cursor\":\"1.42\"}\n\n"
        );
    }
}
