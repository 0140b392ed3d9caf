//! RFC 3339 in and out, to the microsecond. Both ways are on the path of every event, so both are
//! written out here; the tests hold them against jiff.

use retold_engine::model::Timestamp;

const US_PER_DAY: u64 = 86_400_000_000;
const DIGITS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// 10000-01-01T00:00:00Z: RFC 3339 has four digits for a year.
const YEAR_10000_SECONDS: u64 = 253_402_300_800;

/// Writes `2026-11-21T05:18:36.123456Z`; without the fraction where it is zero.
pub fn write_timestamp(out: &mut Vec<u8>, time: Timestamp) {
    let (days, of_day) = (time.0 / US_PER_DAY, time.0 % US_PER_DAY);
    let (year, month, day) = date(days);
    let (seconds, fraction) = ((of_day / 1_000_000) as u32, (of_day % 1_000_000) as u32);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    two(&mut text, 0, (year / 100 % 100) as u32);
    two(&mut text, 2, (year % 100) as u32);
    two(&mut text, 5, month);
    two(&mut text, 8, day);
    two(&mut text, 11, seconds / 3_600);
    two(&mut text, 14, seconds / 60 % 60);
    two(&mut text, 17, seconds % 60);
    // Beyond RFC 3339's years: nothing that came in by this door.
    if year > 9_999 {
        out.extend_from_slice((year / 10_000).to_string().as_bytes());
    }
    if fraction == 0 {
        text[19] = b'Z';
        out.extend_from_slice(&text[..20]);
    } else {
        two(&mut text, 20, fraction / 10_000);
        two(&mut text, 22, fraction / 100 % 100);
        two(&mut text, 24, fraction % 100);
        out.extend_from_slice(&text);
    }
}

/// As a string of its own.
pub fn timestamp_text(time: Timestamp) -> String {
    let mut out = Vec::with_capacity(27);
    write_timestamp(&mut out, time);
    String::from_utf8(out).unwrap_or_default()
}

#[inline]
fn two(text: &mut [u8; 27], at: usize, value: u32) {
    let digits = 2 * value as usize;
    text[at] = DIGITS[digits];
    text[at + 1] = DIGITS[digits + 1];
}

/// Year, month and day of a day since 1970. After Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`; years begin in March so that the leap day comes last.
fn date(days: u64) -> (u64, u32, u32) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Days since 1970 of a date; negative before. The other way of [`date`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + of_era - 719_468
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

const SHAPE: &str = "is not a time: write it as RFC 3339 says, such as 2026-11-21T05:18:36.5Z";

/// Reads a time. Digits beyond the microsecond are dropped; a leap second counts as the one before it.
/// The error says what is wrong and what to do.
pub fn parse_timestamp(text: &str) -> Result<Timestamp, &'static str> {
    let bytes = text.as_bytes();
    let number = |at: usize, length: usize| -> Option<i64> {
        let digits = bytes.get(at..at + length)?;
        digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let is = |at: usize, wanted: u8| bytes.get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(&wanted));
    let read = || -> Option<(i64, i64)> {
        let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
        let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
        let shaped = is(4, b'-') && is(7, b'-') && (is(10, b'T') || is(10, b' ')) && is(13, b':') && is(16, b':');
        let real = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day) && hour < 24 && minute < 60 && second <= 60;
        if !shaped || !real {
            return None;
        }
        let mut at = 19;
        let mut fraction_us = 0;
        if is(at, b'.') {
            let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            fraction_us = number(at + 1, digits.min(6))? * 10i64.pow(6 - digits.min(6) as u32);
            at += 1 + digits;
        }
        let offset_minutes = if is(at, b'Z') && bytes.len() == at + 1 {
            0
        } else {
            let (hours, minutes) = (number(at + 1, 2)?, number(at + 4, 2)?);
            if bytes.len() != at + 6 || !is(at + 3, b':') || hours > 23 || minutes > 59 {
                return None;
            }
            match bytes[at] {
                b'+' => hours * 60 + minutes,
                b'-' => -(hours * 60 + minutes),
                _ => return None,
            }
        };
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second.min(59) - offset_minutes * 60;
        Some((seconds, fraction_us))
    };
    let (seconds, fraction_us) = read().ok_or(SHAPE)?;
    match u64::try_from(seconds) {
        Ok(seconds) if seconds >= YEAR_10000_SECONDS => Err("is after the year 9999, which can't be written back: put it into `data`"),
        Ok(seconds) => Ok(Timestamp(seconds * 1_000_000 + fraction_us as u64)),
        Err(_) => Err("is before 1970, which can't be recorded: put it into `data` and leave `time` out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_comes_back_as_it_was_and_is_what_jiff_says() {
        // A step that is no multiple of anything walks through all months, leap years and fractions.
        for time in (0..253_402_300_800_000_000u64).step_by(1_234_567_890_123) {
            for time in [Timestamp(time), Timestamp(time / 1_000_000 * 1_000_000)] {
                let text = timestamp_text(time);
                assert_eq!(parse_timestamp(&text), Ok(time), "{text}");
                let jiff: jiff::Timestamp = text.parse().expect("RFC 3339");
                assert_eq!(jiff.as_microsecond(), time.0 as i64, "{text}");
            }
        }
    }

    #[track_caller]
    fn check(text: &str, us: Option<u64>) {
        assert_eq!(parse_timestamp(text).ok().map(|time| time.0), us, "{text}");
    }

    #[test]
    fn every_form_of_rfc_3339_is_read() {
        check("1970-01-01T00:00:00Z", Some(0));
        check("1970-01-01t00:00:01z", Some(1_000_000));
        check("1970-01-01 00:00:01Z", Some(1_000_000));
        check("1970-01-01T00:00:00.5Z", Some(500_000));
        check("1970-01-01T00:00:00.000001Z", Some(1));
        check("1970-01-01T00:00:00.0000019999Z", Some(1));
        check("1970-01-01T02:00:00+02:00", Some(0));
        check("1969-12-31T19:00:00-05:00", Some(0));
        check("1969-12-31T23:30:00.25-00:30", Some(250_000));
        check("2016-12-31T23:59:60Z", Some(1_483_228_799_000_000));
        check("2024-02-29T00:00:00Z", Some(1_709_164_800_000_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "1",
            "2026",
            "2026-11-21",
            "2026-11-21T05:18:36",
            "2026-11-21T05:18Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T05:60:00Z",
            "2026-11-21T05:18:61Z",
            "2026-11-21T05:18:36.Z",
            "2026-11-21T05:18:36.5",
            "2026-11-21T05:18:36Zz",
            "2026-11-21T05:18:36+2:00",
            "2026-11-21T05:18:36+24:00",
            "2026-11-21T05:18:36+02:60",
            "2026-11-21T05:18:36*02:00",
            "-026-11-21T05:18:36Z",
            "+2026-11-21T05:18:36Z",
            "２026-11-21T05:18:36Z",
            "10000-01-01T00:00:00Z",
            "2026-11-21T05:18:36Ä",
        ] {
            check(text, None);
        }
        assert!(parse_timestamp("1969-12-31T23:59:59Z").is_err_and(|what| what.contains("1970")));
    }
}
