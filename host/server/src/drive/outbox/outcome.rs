//! What the answer to a request means: a reply, another attempt, or none for a while.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;

use super::super::outside::{NOT_ALLOWED_PAUSE, Response, SendError, SendErrorKind, retry_after};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer is the function's to judge.
    Replied,
    /// Tried, and to be tried again if there is an attempt left. `pause`: the host asks not to be asked
    /// anything for so long.
    Again { reason: &'static str, message: String, pause: Option<Duration> },
    /// It would fail each time.
    Failed { reason: &'static str, message: String },
    /// Not an attempt.
    NotNow { pause: Duration, message: String },
}

pub fn outcome(answer: &Result<Response, SendError>, now: Timestamp) -> Outcome {
    match answer {
        Ok(answer) if is_worth_another(answer.status) => Outcome::Again {
            reason: "status",
            message: match StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason()) {
                Some(words) => format!("the answer was {} ({words})", answer.status),
                None => format!("the answer was {}", answer.status),
            },
            pause: retry_after(&answer.headers, now),
        },
        Ok(_) => Outcome::Replied,
        Err(SendError { kind: SendErrorKind::Off | SendErrorKind::Host, message }) => {
            Outcome::NotNow { pause: NOT_ALLOWED_PAUSE, message: message.clone() }
        }
        Err(SendError { kind: kind @ (SendErrorKind::Url | SendErrorKind::Address), message }) => {
            Outcome::Failed { reason: kind.word(), message: message.clone() }
        }
        Err(SendError { kind, message }) => Outcome::Again { reason: kind.word(), message: message.clone(), pause: None },
    }
}

/// It may pass with time: the host is busy, out of order, or too early.
fn is_worth_another(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::header::RETRY_AFTER;
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn answered(status: u16, retry_after: Option<&'static str>) -> Outcome {
        let headers: HeaderMap = retry_after.map(|text| (RETRY_AFTER, HeaderValue::from_static(text))).into_iter().collect();
        let now = "2015-10-21T07:27:30Z".parse().expect("a time");
        outcome(&Ok(Response { status, headers, body: Bytes::new(), truncated: false }), now)
    }

    fn error(kind: SendErrorKind) -> Outcome {
        outcome(&Err(SendError { kind, message: "m".into() }), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_reply_is_what_would_not_change_and_the_rest_is_tried_again() {
        for status in [200, 204, 301, 304, 400, 404, 410, 422] {
            assert_eq!(answered(status, None), Outcome::Replied, "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 599] {
            assert!(matches!(answered(status, None), Outcome::Again { reason: "status", pause: None, .. }), "{status}");
        }
        for kind in [SendErrorKind::Timeout, SendErrorKind::Refused, SendErrorKind::Protocol, SendErrorKind::Name, SendErrorKind::Tls] {
            assert!(matches!(error(kind), Outcome::Again { .. }), "{kind:?}");
        }
        for kind in [SendErrorKind::Address, SendErrorKind::Url] {
            assert!(matches!(error(kind), Outcome::Failed { .. }), "{kind:?}");
        }
        assert!(matches!(error(SendErrorKind::Host), Outcome::NotNow { .. }));
    }

    #[test]
    fn a_host_may_ask_to_wait() {
        let pause = |text| match answered(429, Some(text)) {
            Outcome::Again { pause, .. } => pause,
            other => panic!("{other:?}"),
        };
        assert_eq!((pause("7"), pause("soon")), (Some(Duration::from_secs(7)), None));
    }
}
