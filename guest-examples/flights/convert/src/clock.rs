//! New York's clock.

use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};

pub const MINUTES_PER_DAY: i64 = 1_440;

/// The zone comes with this crate, so that the machine's own has no say.
pub fn new_york() -> TimeZone {
    TimeZoneDatabase::bundled().get("America/New_York").expect("the bundled time zones have New York's")
}

/// Minutes since 1970-01-01T00:00Z at which New York's clocks show `minute_of_day`.
///
/// An hour that is skipped in March counts on from before it; of one that comes twice in November
/// the first is meant. No flight of 2013 is scheduled in either.
pub fn utc_minutes(zone: &TimeZone, date: Date, minute_of_day: i64) -> i64 {
    let (hour, minute) = (minute_of_day / 60, minute_of_day % 60);
    let time = Time::constant(hour as i8, minute as i8, 0, 0);
    let moment = zone.to_timestamp(date.to_datetime(time)).expect("the year is within jiff's range");
    moment.as_second().div_euclid(60)
}

/// Minute of the day that a clock reading as HMM or HHMM stands for. 2400 is the day's last midnight
/// and reads as 0: which day it belongs to follows from the delay.
pub fn minute_of_day(reading: i64) -> Option<i64> {
    let (hour, minute) = (reading.div_euclid(100), reading.rem_euclid(100));
    let valid = (0..24).contains(&hour) && minute < 60 || reading == 2400;
    valid.then_some((hour * 60 + minute) % MINUTES_PER_DAY)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_clock_reading_is_hours_and_minutes_run_together() {
        for (reading, minute) in [(0, 0), (5, 5), (106, 66), (2359, 1439), (2400, 0)] {
            assert_eq!(minute_of_day(reading), Some(minute), "{reading}");
        }
        for reading in [-1, 60, 1260, 2401, 2460] {
            assert_eq!(minute_of_day(reading), None, "{reading}");
        }
    }

    #[test]
    fn new_york_is_five_hours_behind_in_winter_and_four_in_summer() {
        let zone = new_york();
        let noon = 12 * 60;
        for (day, offset) in
            [(date(2013, 1, 1), 5), (date(2013, 3, 9), 5), (date(2013, 3, 10), 4), (date(2013, 11, 2), 4), (date(2013, 11, 3), 5)]
        {
            let midnight_utc = utc_minutes(&TimeZone::UTC, day, 0);
            let shift = utc_minutes(&zone, day, noon) - midnight_utc - noon;
            assert_eq!(shift, offset * 60, "{day}");
        }
    }
}
