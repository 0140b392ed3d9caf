//! The answer to a request as an event's data.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use retold_engine::store::PendingRequest;
use serde_json::{Map, Value, json};

use super::super::outside::Response;
use super::filling::Used;

/// Of an answer's headers: what says something of its body, or of what comes next.
const HEADERS_KEPT: &[&str] = &[
    "content-language",
    "content-type",
    "date",
    "deprecation",
    "etag",
    "expires",
    "last-modified",
    "link",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "request-id",
    "retry-after",
    "sunset",
    "x-correlation-id",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
];
/// Of one of them.
const HEADER_BYTES_MAX: usize = 1 << 10;

/// Of `retold.request.replied`. A secret that the host sends back is not shown.
pub fn replied(request: &PendingRequest, response: &Response, used: &Used) -> Vec<u8> {
    let mut data = json!({ "request": told(request), "status": response.status, "headers": headers(&response.headers, used) });
    match String::from_utf8(used.hidden(&response.body)) {
        Ok(text) => data["body"] = text.into(),
        Err(bytes) => data["bodybase64"] = STANDARD.encode(bytes.as_bytes()).into(),
    }
    if response.truncated {
        data["truncated"] = true.into();
    }
    data.to_string().into_bytes()
}

/// Of `retold.request.failed`.
pub fn failed(request: &PendingRequest, reason: &str, message: &str, attempts: u32) -> Vec<u8> {
    json!({ "request": told(request), "reason": reason, "message": message, "attempts": attempts }).to_string().into_bytes()
}

fn told(request: &PendingRequest) -> Value {
    let mut told = json!({ "id": request.id, "method": request.method, "url": request.url });
    if let Some(key) = &request.key {
        told["key"] = key.as_str().into();
    }
    told
}

fn headers(all: &HeaderMap, used: &Used) -> Value {
    let mut kept = Map::new();
    for name in HEADERS_KEPT {
        let values: Vec<String> =
            all.get_all(*name).iter().map(|value| String::from_utf8_lossy(&used.hidden(value.as_bytes())).into_owned()).collect();
        let value = values.join(", ");
        if !value.is_empty() && value.len() <= HEADER_BYTES_MAX {
            kept.insert((*name).to_owned(), value.into());
        }
    }
    Value::Object(kept)
}

#[cfg(test)]
pub mod tests {
    use bytes::Bytes;
    use http::HeaderValue;
    use retold_engine::model::{Position, Timestamp};
    use retold_engine::store::{OutboxRow, OutboxState};

    use super::*;

    pub fn request() -> PendingRequest {
        PendingRequest {
            position: Position(7),
            id: "r1".into(),
            function: "f".into(),
            key: Some("credit".into()),
            method: "POST".into(),
            url: "https://example.com/?key={{secret:KEY}}".into(),
            headers: vec![("authorization".into(), "Bearer {{secret:KEY}}".into())],
            content_type: "text/plain".into(),
            body: b"hello".into(),
            subject: "s".into(),
            time: Timestamp(1),
            recorded: Timestamp(2),
            correlation_id: "c".into(),
            row: OutboxRow {
                ordinal: 1,
                state: OutboxState::Waiting,
                attempts: 0,
                not_before: Timestamp(0),
                host: "example.com".into(),
                error: String::new(),
            },
        }
    }

    fn of(body: &'static [u8], truncated: bool) -> Value {
        let kept = [("content-type", "text/plain"), ("set-cookie", "a=b"), ("retry-after", "3")];
        let headers = kept.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        let response = Response { status: 404, headers, body: Bytes::from_static(body), truncated };
        serde_json::from_slice(&replied(&request(), &response, &Used::default())).expect("JSON")
    }

    #[test]
    fn a_reply_tells_status_headers_and_body_and_the_url_without_its_secret() {
        let told = json!({ "id": "r1", "key": "credit", "method": "POST", "url": "https://example.com/?key={{secret:KEY}}" });
        let headers = json!({ "content-type": "text/plain", "retry-after": "3" });
        assert_eq!(of(b"no", false), json!({ "request": told, "status": 404, "headers": headers, "body": "no" }));
        assert_eq!(of(b"\xff", true)["bodybase64"], "/w==");
        assert_eq!(of(b"\xff", true)["truncated"], true);
        let failed: Value = serde_json::from_slice(&failed(&request(), "timeout", "m", 12)).expect("JSON");
        assert_eq!(failed, json!({ "request": told, "reason": "timeout", "message": "m", "attempts": 12 }));
    }
}
