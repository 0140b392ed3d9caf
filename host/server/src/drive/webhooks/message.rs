//! Events as a request.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use retold_engine::model::{Endpoint, EndpointForm, EventRef, Timestamp};
use retold_engine::run::Given;
use sha2::{Digest as _, Sha256};

use super::super::outside::{OutgoingRequest, Secrets};
use super::sign::signature;
use crate::cloudevents::{EventWriter, headers_of};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The same events have the same id, however often they are sent: the receiver can tell a repeat by it.
fn id_of<'a>(events: impl Iterator<Item = EventRef<'a>>) -> String {
    let mut hash = Sha256::new();
    for event in events {
        for part in [event.source, event.id] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    format!("msg_{}", URL_SAFE_NO_PAD.encode(&hash.finalize()[..18]))
}

/// A request with these events: one, unless the endpoint takes batches.
pub fn message(
    endpoint: &Endpoint,
    events: &[Given],
    writer: &mut EventWriter,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<OutgoingRequest, String> {
    let mut headers = HeaderMap::new();
    let mut body = Vec::new();
    match (endpoint.form, events) {
        (EndpointForm::Binary, [given, ..]) => {
            let event = given.event();
            headers = headers_of(&event);
            body.extend_from_slice(event.data);
        }
        (EndpointForm::Structured, [given, ..]) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json; charset=utf-8"));
            writer.write(&mut body, &given.event());
        }
        (_, events) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents-batch+json; charset=utf-8"));
            for (index, given) in events.iter().enumerate() {
                body.push(if index == 0 { b'[' } else { b',' });
                writer.write(&mut body, &given.event());
            }
            body.push(b']');
        }
    }
    let id = id_of(events.iter().map(Given::event));
    let seconds = now.0 / 1_000_000;
    if let Some(name) = &endpoint.secret {
        let secret = secrets.get(name).map_err(|error| error.to_string())?;
        let signed = signature(secret.bytes(), &id, seconds, &body).map_err(|what| format!("secret {name:?} can't sign: {what}"))?;
        headers.insert(WEBHOOK_SIGNATURE, HeaderValue::try_from(signed).map_err(|error| error.to_string())?);
    }
    headers.insert(WEBHOOK_ID, HeaderValue::try_from(id).map_err(|error| error.to_string())?);
    headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(seconds));
    Ok(OutgoingRequest {
        method: Method::POST,
        url: endpoint.url.clone(),
        headers,
        body: Bytes::from(body),
        timeout: Duration::from_millis(endpoint.timeout_ms),
    })
}
