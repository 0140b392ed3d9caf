//! What the answer to a request means: a reply, another attempt, or none for a while.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::super::outside::{Response, SendError, SendErrorKind};

/// The longest that a host may ask to wait.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// Before it is looked again whether the operator allows it by now: a restart is looked at at once.
const NOT_ALLOWED_PAUSE: Duration = Duration::from_secs(10);
/// First pause before a request is sent again; it doubles with each attempt.
const RETRY_FIRST_MS: u64 = 500;
const RETRY_MAX_MS: u64 = 10 * 60_000;

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

/// Seconds, or a date as HTTP writes it.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.replace("GMT", "+0000")).ok()?;
            u64::try_from(date.as_second() - now.as_second()).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds).min(PAUSE_MAX))
}

/// How long after a failed attempt the next one comes: from three quarters of what it doubles to, up to
/// five quarters, so that what failed together doesn't come together. `chance` is drawn by lot.
pub fn retry_pause(attempts: u32, chance: u8) -> Duration {
    let base = RETRY_FIRST_MS.checked_shl(attempts.saturating_sub(1).min(24)).unwrap_or(u64::MAX).min(RETRY_MAX_MS);
    Duration::from_millis(base * 3 / 4 + base / 2 * u64::from(chance) / 255)
}

/// No pause between attempts is longer.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_millis(RETRY_MAX_MS / 4 * 5);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

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
    fn a_host_may_ask_to_wait_but_not_for_ever() {
        let pause = |status, text| match answered(status, Some(text)) {
            Outcome::Again { pause, .. } => pause.map(|pause| pause.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(pause(429, "7"), Some(7));
        assert_eq!(pause(503, "Wed, 21 Oct 2015 07:28:00 GMT"), Some(30));
        assert_eq!(pause(503, "Wed, 21 Oct 2015 07:00:00 GMT"), Some(0));
        assert_eq!(pause(503, "99999999999"), Some(3_600));
        assert_eq!(pause(503, "soon"), None);
    }

    #[test]
    fn pauses_between_attempts_double_up_to_an_end_and_are_never_quite_the_same() {
        let ms = |attempts, chance| retry_pause(attempts, chance).as_millis();
        assert_eq!((ms(1, 0), ms(1, 255)), (375, 625));
        assert_eq!((ms(2, 0), ms(2, 255)), (750, 1_250));
        assert_eq!((ms(100, 0), ms(100, 255)), (450_000, RETRY_PAUSE_MAX.as_millis()));
    }
}
