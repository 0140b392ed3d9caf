//! Until when a token is to be good, as it is written: a time from now, or a moment.

use retold_engine::model::Timestamp;

use crate::cloudevents::timestamps::parse_timestamp;

const YEARS_MAX: u64 = 100;
const SECOND_US: u64 = 1_000_000;
const DAY_US: u64 = 86_400 * SECOND_US;

/// `90d`, `12h`, `30m`, `60s`, or a moment such as `2027-01-31T00:00:00Z`: absolute from here on.
pub fn parse_expiry(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let moment = match after(text) {
        Some(us) => now.0.saturating_add(us),
        None => {
            parse_timestamp(text)
                .map_err(|_| format!("is {text:?}: write a time from now such as 90d or 12h, or a moment such as 2027-01-31T00:00:00Z"))?
                .0
        }
    };
    if moment <= now.0 {
        return Err(format!("is {text:?}, which is over already: name a later time"));
    }
    if moment - now.0 > YEARS_MAX * 366 * DAY_US {
        return Err(format!("is {text:?}, which is more than {YEARS_MAX} years away: leave it out for a token without an end"));
    }
    Ok(Timestamp(moment))
}

/// Microseconds.
fn after(text: &str) -> Option<u64> {
    let unit = match text.as_bytes().last()? {
        b's' => SECOND_US,
        b'm' => 60 * SECOND_US,
        b'h' => 3_600 * SECOND_US,
        b'd' => DAY_US,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some(if digits { number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(unit) } else { return None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_from_now_or_a_moment_and_never_past() {
        let now = Timestamp(1_795_238_316_000_000);
        assert_eq!(parse_expiry("90d", now), Ok(Timestamp(now.0 + 90 * DAY_US)));
        assert_eq!(parse_expiry("60s", now), Ok(Timestamp(now.0 + 60 * SECOND_US)));
        assert_eq!(parse_expiry("2027-01-31T00:00:00Z", now), Ok(Timestamp(1_801_353_600_000_000)));
        for text in [
            "",
            "d",
            "90",
            "-1d",
            "+1d",
            "1.5d",
            "90 d",
            "soon",
            "2020-01-01T00:00:00Z",
            "0s",
            "40000d",
            "99999999999999999999d",
            "é",
            "1é",
        ] {
            assert!(parse_expiry(text, now).is_err(), "{text}");
        }
    }
}
