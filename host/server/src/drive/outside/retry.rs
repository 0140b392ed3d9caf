//! How long to wait before something is sent again: as the other side asks, or by how often it failed.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;

/// The longest that the other side may ask to wait.
const ASKED_PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// Before it is looked again whether the operator allows it by now.
pub const NOT_ALLOWED_PAUSE: Duration = Duration::from_secs(10);
/// The first pause; it doubles with each attempt.
const RETRY_FIRST_MS: u64 = 500;
const RETRY_MAX_MS: u64 = 10 * 60_000;
/// No pause between attempts is longer.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_millis(RETRY_MAX_MS / 4 * 5);

/// What an answer asks for: seconds, or a date as HTTP writes it.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.replace("GMT", "+0000")).ok()?;
            u64::try_from(date.as_second() - now.as_second()).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds).min(ASKED_PAUSE_MAX))
}

/// How long after a failed attempt the next one comes, drawn by lot around what it doubles to.
pub fn retry_pause(attempts: u32) -> Duration {
    let mut chance = [0];
    // Without chance all come at the middle.
    getrandom::fill(&mut chance).unwrap_or_else(|_| chance = [128]);
    pause_of(attempts, chance[0])
}

/// From three quarters of what it doubles to, up to five quarters, so that what failed together doesn't come together.
fn pause_of(attempts: u32, chance: u8) -> Duration {
    let base = RETRY_FIRST_MS.checked_shl(attempts.saturating_sub(1).min(24)).unwrap_or(u64::MAX).min(RETRY_MAX_MS);
    Duration::from_millis(base * 3 / 4 + base / 2 * u64::from(chance) / 255)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_other_side_may_ask_to_wait_but_not_for_ever() {
        let pause = |text: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            retry_after(&headers, "2015-10-21T07:27:30Z".parse().expect("a time")).map(|pause| pause.as_secs())
        };
        assert_eq!(pause("7"), Some(7));
        assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT"), Some(30));
        assert_eq!(pause("Wed, 21 Oct 2015 07:00:00 GMT"), Some(0));
        assert_eq!(pause("99999999999"), Some(3_600));
        assert_eq!(pause("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn pauses_between_attempts_double_up_to_an_end_and_are_never_quite_the_same() {
        let ms = |attempts, chance| pause_of(attempts, chance).as_millis();
        assert_eq!((ms(1, 0), ms(1, 255)), (375, 625));
        assert_eq!((ms(2, 0), ms(2, 255)), (750, 1_250));
        assert_eq!((ms(100, 0), ms(100, 255)), (450_000, RETRY_PAUSE_MAX.as_millis()));
    }
}
