//! Before an endpoint is sent anything, it is asked whether it wants that: the validation handshake of the
//! CloudEvents specification "HTTP 1.1 Web Hooks for Event Delivery", section 4.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use retold_engine::model::Endpoint;

use super::super::outside::{OutgoingRequest, Response};
use super::super::sending::Sending;
use super::super::types::DriveError;

/// Whom the receiver is asked to allow.
const ORIGIN: &str = "retold";
const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const ALLOWED_ORIGIN: &str = "webhook-allowed-origin";
const ALLOWED_RATE: &str = "webhook-allowed-rate";

/// Looks whether events can be sent there, and asks the receiver for its leave. What rate it allows is
/// entered.
pub async fn agree(sending: &Arc<Sending>, endpoint: &mut Endpoint) -> Result<(), DriveError> {
    let url = endpoint.url.clone();
    let refuse = |reason: &'static str, what: String| DriveError::EndpointRefused { url: url.clone(), reason, what };
    sending.client.check(&endpoint.url).map_err(|error| refuse(error.kind.word(), error.message))?;
    if let Some(name) = &endpoint.secret {
        sending.client.outside().secrets.get(name).map_err(|error| refuse("secret", error.to_string()))?;
    }
    endpoint.per_minute_max = None;
    if !endpoint.asks_first {
        return Ok(());
    }
    let request = OutgoingRequest {
        method: Method::OPTIONS,
        url: endpoint.url.clone(),
        headers: HeaderMap::from_iter([(REQUEST_ORIGIN, HeaderValue::from_static(ORIGIN))]),
        body: Bytes::new(),
        timeout: Duration::from_millis(endpoint.timeout_ms),
    };
    let by = sending.clone();
    let answer = sending.run(async move { by.client.send(request).await }).await?;
    let answer = answer.map_err(|error| refuse(error.kind.word(), error.message))?;
    endpoint.per_minute_max = allowed(&answer).map_err(|what| refuse("handshake", what))?;
    Ok(())
}

/// The rate that the answer allows, a minute; `None` is any.
fn allowed(answer: &Response) -> Result<Option<u32>, String> {
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let advice = "it has to answer OPTIONS with WebHook-Allowed-Origin; or set the endpoint's `handshake` to false if it is yours";
    if !(200..300).contains(&answer.status) {
        return Err(format!("asked whether it wants events it answered {}: {advice}", answer.status));
    }
    match header(ALLOWED_ORIGIN) {
        Some("*" | ORIGIN) => {}
        Some(other) => return Err(format!("it wants events of {other:?} only, and these are of {ORIGIN:?}: {advice}")),
        None => return Err(format!("asked whether it wants events it did not say so: {advice}")),
    }
    match header(ALLOWED_RATE) {
        None | Some("*") => Ok(None),
        Some(text) => match text.parse::<u32>() {
            Ok(rate @ 1..) => Ok(Some(rate)),
            _ => Err(format!("it allows a rate of {text:?}: a number of requests a minute was expected, or *")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Response {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        Response { status, headers, body: Bytes::new(), truncated: false }
    }

    #[test]
    fn who_does_not_say_that_it_wants_events_gets_none() {
        assert_eq!(allowed(&answer(200, &[(ALLOWED_ORIGIN, "*")])), Ok(None));
        assert_eq!(allowed(&answer(204, &[(ALLOWED_ORIGIN, "retold"), (ALLOWED_RATE, "120")])), Ok(Some(120)));
        assert_eq!(allowed(&answer(200, &[(ALLOWED_ORIGIN, "*"), (ALLOWED_RATE, "*")])), Ok(None));
        for refused in [
            answer(405, &[(ALLOWED_ORIGIN, "*")]),
            answer(200, &[]),
            answer(200, &[(ALLOWED_ORIGIN, "eventemitter.example.com")]),
            answer(200, &[(ALLOWED_ORIGIN, "*"), (ALLOWED_RATE, "0")]),
            answer(200, &[(ALLOWED_ORIGIN, "*"), (ALLOWED_RATE, "fast")]),
        ] {
            assert!(allowed(&refused).is_err(), "{refused:?}");
        }
    }
}
