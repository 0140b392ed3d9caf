//! What an endpoint's answer means for what was sent.

use std::time::Duration;

use jiff::Timestamp;

use super::super::outside::{NOT_ALLOWED_PAUSE, Response, SendError, SendErrorKind, retry_after};

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
        429 | 503 => match retry_after(&answer.headers, now) {
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
}
