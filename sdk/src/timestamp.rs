//! `Timestamp`: the only time that a function knows, the event's.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

const MICROS_PER_SECOND: u64 = 1_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// A moment in UTC, to the microsecond, from 1970 on.
///
/// Written and read in data as RFC 3339 (`2013-01-01T10:17:00Z`). Arithmetic that leaves the range
/// panics, in release builds too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    micros: u64,
}

impl Timestamp {
    pub const UNIX_EPOCH: Timestamp = Timestamp { micros: 0 };

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn from_micros(micros: u64) -> Timestamp {
        Timestamp { micros }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> u64 {
        self.micros
    }

    /// Time passed since `earlier`; zero if `earlier` is the later one.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.micros.saturating_sub(earlier.micros))
    }

    /// Midnight (UTC) of the same day.
    pub fn start_of_day(self) -> Timestamp {
        let day_micros = SECONDS_PER_DAY * MICROS_PER_SECOND;
        Timestamp::from_micros(self.micros - self.micros % day_micros)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        let micros = micros_of(duration).and_then(|micros| self.micros.checked_add(micros));
        Timestamp::from_micros(micros.expect("a timestamp that far ahead can't be written"))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, duration: Duration) -> Timestamp {
        let micros = micros_of(duration).and_then(|micros| self.micros.checked_sub(micros));
        Timestamp::from_micros(micros.expect("a timestamp before 1970 can't be written"))
    }
}

fn micros_of(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_micros()).ok()
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with as many decimals as the moment has: none, three or six.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.micros / MICROS_PER_SECOND;
        let (year, month, day) = civil_from_days(seconds / SECONDS_PER_DAY);
        let second_of_day = seconds % SECONDS_PER_DAY;
        let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match self.micros % MICROS_PER_SECOND {
            0 => {}
            micros if micros % 1_000 == 0 => write!(f, ".{:03}", micros / 1_000)?,
            micros => write!(f, ".{micros:06}")?,
        }
        f.write_str("Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an RFC 3339 moment from 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampError;

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time as 2013-01-01T10:17:00Z, between 1970 and 9999")
    }
}

impl std::error::Error for TimestampError {}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads RFC 3339 with any offset. Digits beyond the microsecond are dropped.
    fn from_str(text: &str) -> Result<Timestamp, TimestampError> {
        parse(text.as_bytes()).ok_or(TimestampError)
    }
}

/// RFC 3339 section 5.6, without leap seconds.
fn parse(text: &[u8]) -> Option<Timestamp> {
    let (date_time, mut rest) = text.split_at_checked(19)?;
    for (at, separator) in [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')] {
        if date_time[at] != separator {
            return None;
        }
    }
    if !matches!(date_time[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = number(&date_time[0..4])?;
    let month = number(&date_time[5..7])?;
    let day = number(&date_time[8..10])?;
    let (hour, minute, second) = (number(&date_time[11..13])?, number(&date_time[14..16])?, number(&date_time[17..19])?);
    if year < 1970 || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = 0;
    if let Some(decimals) = rest.strip_prefix(b".") {
        let digits = decimals.iter().take_while(|c| c.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        for place in 0..6 {
            micros = micros * 10 + decimals[..digits].get(place).map_or(0, |c| u64::from(c - b'0'));
        }
        rest = &decimals[digits..];
    }
    let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
    let utc = i64::try_from(seconds).ok()? - offset_seconds(rest)?;
    let micros = u64::try_from(utc).ok()? * MICROS_PER_SECOND + micros;
    Some(Timestamp::from_micros(micros))
}

fn offset_seconds(text: &[u8]) -> Option<i64> {
    let sign = match text {
        b"Z" | b"z" => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(&text[1..3])?, number(&text[4..6])?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some(sign * i64::try_from(hours * 3_600 + minutes * 60).ok()?)
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))
}

fn days_in_month(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of a day counted from 1970-01-01. After Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>), for days from 1970 on.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The reverse of [`civil_from_days`].
fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        struct Rfc3339;

        impl Visitor<'_> for Rfc3339 {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time as 2013-01-01T10:17:00Z, between 1970 and 9999")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Rfc3339)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, micros: u64, written: &str) {
        let timestamp: Timestamp = text.parse().unwrap();
        assert_eq!(timestamp.as_micros(), micros, "{text} read");
        assert_eq!(timestamp.to_string(), written, "{text} written");
    }

    #[test]
    fn a_time_is_read_and_written_as_rfc_3339() {
        check("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z");
        check("2013-01-01T10:17:00Z", 1_357_035_420_000_000, "2013-01-01T10:17:00Z");
        check("2013-01-01T05:17:00-05:00", 1_357_035_420_000_000, "2013-01-01T10:17:00Z");
        check("2000-02-29t23:59:59.5z", 951_868_799_500_000, "2000-02-29T23:59:59.500Z");
        check("2024-12-31T23:59:59.123456789Z", 1_735_689_599_123_456, "2024-12-31T23:59:59.123456Z");
        check("9999-12-31T23:59:59Z", 253_402_300_799_000_000, "9999-12-31T23:59:59Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2013",
            "2013-01-01",
            "2013-01-01T10:17:00",
            "2013-13-01T10:17:00Z",
            "2013-02-29T10:17:00Z",
            "2013-01-01T24:00:00Z",
            "2013-01-01T10:17:00.Z",
            "2013-01-01T10:17:00+1:00",
            "2013-01-01T10:17:00ZZ",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2013-01-01T10:17:0\u{e9}Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_written_and_read_back() {
        for day in 0..146_097 {
            let timestamp = Timestamp::from_micros(day * SECONDS_PER_DAY * MICROS_PER_SECOND);
            assert_eq!(timestamp.to_string().parse(), Ok(timestamp));
        }
    }

    #[test]
    fn time_between_events_never_goes_below_zero() {
        let start = Timestamp::from_micros(1_000_000);
        let end = start + Duration::from_secs(90);
        assert_eq!(end.since(start), Duration::from_secs(90));
        assert_eq!(start.since(end), Duration::ZERO);
        assert_eq!(end - Duration::from_secs(90), start);
        assert_eq!(end.start_of_day(), Timestamp::UNIX_EPOCH);
    }
}
