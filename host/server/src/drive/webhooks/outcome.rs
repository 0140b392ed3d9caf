//! What an endpoint's answer means for what was sent.

use std::time::Duration;

use http::header::RETRY_AFTER;
use jiff::Timestamp;

use super::super::outside::{Response, SendError, SendErrorKind};

/// The longest that an endpoint may ask to wait.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// Before it is looked again whether the operator allows it by now.
const NOT_ALLOWED_PAUSE: Duration = Duration::from_secs(10);
/// First pause before an event is sent again; it doubles with each attempt.
const RETRY_FIRST_MS: u64 = 500;
const RETRY_MAX_MS: u64 = 10 * 60_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    /// Tried, and to be tried again.
    Failed(String),
    /// Not an attempt: nothing is sent for so long.
    Pause(Duration, String),
    /// Nothing is ever to be sent there again.
    Gone(String),
}

pub fn outcome(answer: &Result<Response, SendError>, now: Timestamp) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if matches!(error.kind, SendErrorKind::Off | SendErrorKind::Host) => {
            return Outcome::Pause(NOT_ALLOWED_PAUSE, error.message.clone());
        }
        Err(error) => return Outcome::Failed(format!("{}: {}", error.kind.word(), error.message)),
    };
    let told = match said(answer) {
        words if words.is_empty() => format!("the endpoint answered {}", answer.status),
        words => format!("the endpoint answered {} ({words})", answer.status),
    };
    match answer.status {
        200..300 => Outcome::Delivered,
        410 => Outcome::Gone(format!("{told}: it is gone and wants nothing more")),
        429 | 503 => match answer.headers.get(RETRY_AFTER).and_then(|value| pause(value.to_str().ok()?, now)) {
            Some(pause) => Outcome::Pause(pause, format!("{told} and asked to wait for {} s", pause.as_secs())),
            None => Outcome::Failed(told),
        },
        300..400 => Outcome::Failed(format!("{told}: redirects are not followed")),
        _ => Outcome::Failed(told),
    }
}

/// The beginning of what it said of it, as text.
fn said(answer: &Response) -> String {
    const BYTES: usize = 200;
    let body = &answer.body[..answer.body.len().min(BYTES)];
    let text = String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" ");
    let cut = if answer.truncated || answer.body.len() > BYTES { "…" } else { "" };
    text.chars().filter(|letter| !letter.is_control()).chain(cut.chars()).collect()
}

/// Seconds, or a date as HTTP writes it.
fn pause(text: &str, now: Timestamp) -> Option<Duration> {
    let seconds = match text.trim().parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim().replace("GMT", "+0000")).ok()?;
            u64::try_from(date.as_second() - now.as_second()).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds).min(PAUSE_MAX))
}

/// How long after a failed attempt the next one comes: from three quarters of what it doubles to, up to
/// five quarters, so that what failed together doesn't come together. `chance` is drawn by lot.
pub fn retry_ms(attempt: u32, chance: u8) -> u64 {
    let base = RETRY_FIRST_MS.checked_shl(attempt.saturating_sub(1).min(24)).unwrap_or(u64::MAX).min(RETRY_MAX_MS);
    base * 3 / 4 + base / 2 * u64::from(chance) / 255
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn answered(status: u16, retry_after: Option<&'static str>) -> Outcome {
        let headers: HeaderMap = retry_after.map(|text| (RETRY_AFTER, HeaderValue::from_static(text))).into_iter().collect();
        let now = "2015-10-21T07:27:30Z".parse().expect("a time");
        outcome(&Ok(Response { status, headers, body: Bytes::new(), truncated: false }), now)
    }

    #[test]
    fn an_answer_says_what_comes_next() {
        for status in [200, 201, 202, 204] {
            assert_eq!(answered(status, None), Outcome::Delivered);
        }
        for status in [301, 400, 404, 429, 500, 503] {
            assert!(matches!(answered(status, None), Outcome::Failed(_)), "{status}");
        }
        assert!(matches!(answered(410, None), Outcome::Gone(_)));
        let paused = |status, text| match answered(status, Some(text)) {
            Outcome::Pause(pause, _) => pause.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(paused(429, "7"), 7);
        assert_eq!(paused(503, "Wed, 21 Oct 2015 07:28:00 GMT"), 30);
        assert_eq!(paused(503, "Wed, 21 Oct 2015 07:00:00 GMT"), 0);
        assert_eq!(paused(429, "99999999999"), 3_600);
        assert!(matches!(answered(503, Some("soon")), Outcome::Failed(_)));
        assert!(matches!(answered(500, Some("7")), Outcome::Failed(_)));
        let body = format!("<h1>no\n\u{7}way</h1>{}", "x".repeat(300));
        let said =
            outcome(&Ok(Response { status: 500, headers: HeaderMap::new(), body: body.into(), truncated: false }), Timestamp::UNIX_EPOCH);
        assert!(matches!(said, Outcome::Failed(why) if why.contains("500 (<h1>no way</h1>xxx") && why.ends_with("x…)")));
        let error = |kind| outcome(&Err(SendError { kind, message: "m".into() }), Timestamp::UNIX_EPOCH);
        assert!(matches!(error(SendErrorKind::Host), Outcome::Pause(..)));
        assert!(matches!(error(SendErrorKind::Address), Outcome::Failed(_)));
    }

    #[test]
    fn pauses_between_attempts_double_up_to_an_end_and_are_never_quite_the_same() {
        assert_eq!((retry_ms(1, 0), retry_ms(1, 255)), (375, 625));
        assert_eq!((retry_ms(2, 0), retry_ms(2, 255)), (750, 1_250));
        assert_eq!((retry_ms(100, 0), retry_ms(100, 255)), (450_000, 750_000));
    }
}
