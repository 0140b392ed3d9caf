//! `Flight`: what one row says, checked. Everything that is odd about a row ends here.

use csv::StringRecord;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::ConvertError;
use crate::clock::{MINUTES_PER_DAY, minute_of_day, utc_minutes};

/// One row. Times are minutes since 1970-01-01T00:00Z. Flights sort by carrier, number, date,
/// origin and scheduled time, which together are their identity.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flight {
    pub carrier: String,
    pub number: u32,
    /// The scheduled day of departure, in New York.
    pub date: Date,
    pub origin: String,
    /// When it should depart.
    pub scheduled: i64,
    /// The same as New York's clocks show it: HHMM.
    pub scheduled_clock: i64,
    pub destination: String,
    pub tail_number: Option<String>,
    pub distance_miles: u32,
    /// Absent: the flight was cancelled.
    pub departure: Option<Departure>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Departure {
    pub time: i64,
    /// Minutes; negative is early.
    pub delay: i64,
    /// Absent: it never arrived anywhere that the data knows.
    pub arrival: Option<Arrival>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    pub time: i64,
    /// Minutes; negative is early. Absent where the flight was diverted.
    pub delay: Option<i64>,
    /// Minutes. Absent where the flight was diverted.
    pub air_minutes: Option<i64>,
}

impl Flight {
    /// What it is known by: `UA/1545/2013-01-01`. 24 numbers of the year are used twice on a day;
    /// the two flights share it.
    pub fn subject(&self) -> String {
        format!("{}/{}/{}", self.carrier, self.number, self.date)
    }
}

/// Where the columns stand in this file.
pub struct Columns([usize; COLUMNS.len()]);

const COLUMNS: [&str; 15] = [
    "year",
    "month",
    "day",
    "dep_time",
    "sched_dep_time",
    "dep_delay",
    "arr_time",
    "arr_delay",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "air_time",
    "distance",
];

impl Columns {
    pub fn of(header: &StringRecord) -> Result<Columns, ConvertError> {
        let mut places = [0; COLUMNS.len()];
        for (place, column) in places.iter_mut().zip(COLUMNS) {
            let found = header.iter().position(|name| name == column);
            *place = found.ok_or(ConvertError::ColumnMissing(column))?;
        }
        Ok(Columns(places))
    }

    /// Reads a row. `zone` is New York's.
    pub fn read(&self, record: &StringRecord, zone: &TimeZone) -> Result<Flight, ConvertError> {
        let row = Row { columns: self, record };
        let date = row.date()?;
        let scheduled_clock = row.required("sched_dep_time")?;
        let scheduled = utc_minutes(zone, date, row.clock("sched_dep_time", scheduled_clock)?);
        let departure = match row.number("dep_time")? {
            Some(clock) => Some(row.departure(scheduled_clock, scheduled, clock)?),
            None => None,
        };
        Ok(Flight {
            carrier: row.text("carrier")?.to_owned(),
            number: row.count("flight")?,
            date,
            origin: row.text("origin")?.to_owned(),
            scheduled,
            scheduled_clock,
            destination: row.text("dest")?.to_owned(),
            tail_number: row.optional("tailnum").map(str::to_owned),
            distance_miles: row.count("distance")?,
            departure,
        })
    }
}

struct Row<'a> {
    columns: &'a Columns,
    record: &'a StringRecord,
}

impl Row<'_> {
    /// The departure is the scheduled time plus the delay: the clock alone doesn't tell the day. It
    /// must agree with the clock, though.
    fn departure(&self, scheduled_clock: i64, scheduled: i64, clock: i64) -> Result<Departure, ConvertError> {
        let delay = self.required("dep_delay")?;
        let clock = self.clock("dep_time", clock)?;
        let by_delay = self.clock("sched_dep_time", scheduled_clock)? + delay;
        if by_delay.rem_euclid(MINUTES_PER_DAY) != clock {
            return Err(self.wrong("dep_time", "is not the scheduled time plus the delay"));
        }
        let time = scheduled + delay;
        let arrival = match self.number("arr_time")? {
            Some(arrival_clock) => Some(self.arrival(time, clock, arrival_clock)?),
            None => None,
        };
        Ok(Departure { time, delay, arrival })
    }

    /// The arrival is the departure plus the time in the air. The clock at the destination is of no
    /// use, as the data doesn't tell its zone; only a diverted flight, which has no air time, takes
    /// it, read as New York's: the first time it shows that after the departure.
    fn arrival(&self, departed: i64, departure_clock: i64, arrival_clock: i64) -> Result<Arrival, ConvertError> {
        let arrival_clock = self.clock("arr_time", arrival_clock)?;
        let air_minutes = self.number("air_time")?;
        let minutes = match air_minutes {
            Some(minutes) if minutes > 0 => minutes,
            Some(_) => return Err(self.wrong("air_time", "is no time to fly")),
            None => (arrival_clock - departure_clock - 1).rem_euclid(MINUTES_PER_DAY) + 1,
        };
        Ok(Arrival { time: departed + minutes, delay: self.number("arr_delay")?, air_minutes })
    }

    fn date(&self) -> Result<Date, ConvertError> {
        let (year, month) = (self.required("year")?, self.required("month")?);
        let day = self.required("day")?;
        let date = i16::try_from(year)
            .ok()
            .zip(i8::try_from(month).ok())
            .zip(i8::try_from(day).ok())
            .and_then(|((year, month), day)| Date::new(year, month, day).ok());
        let date = date.filter(|date| (1990..=9900).contains(&date.year()));
        date.ok_or_else(|| self.wrong("day", "makes no date from 1990 on with its year and month"))
    }

    fn clock(&self, column: &'static str, reading: i64) -> Result<i64, ConvertError> {
        minute_of_day(reading).ok_or_else(|| self.wrong(column, "is no time of day as HHMM"))
    }

    fn count(&self, column: &'static str) -> Result<u32, ConvertError> {
        u32::try_from(self.required(column)?).map_err(|_| self.wrong(column, "is negative"))
    }

    fn required(&self, column: &'static str) -> Result<i64, ConvertError> {
        let number = self.number(column)?;
        number.ok_or_else(|| self.wrong(column, "should be a number"))
    }

    /// A number of at most six digits, so that no delay leads out of the calendar; absent where the
    /// data says `NA`.
    fn number(&self, column: &'static str) -> Result<Option<i64>, ConvertError> {
        let Some(text) = self.optional(column) else {
            return Ok(None);
        };
        let number = text.parse().ok();
        let number = number.filter(|number: &i64| number.abs() < 1_000_000);
        number.map(Some).ok_or_else(|| self.wrong(column, "is not a number"))
    }

    /// Carriers and airports: a `/` in one would make a subject of another shape.
    fn text(&self, column: &'static str) -> Result<&str, ConvertError> {
        let text = self.optional(column).unwrap_or("");
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(self.wrong(column, "is no code of letters and digits"));
        }
        Ok(text)
    }

    fn optional(&self, column: &'static str) -> Option<&str> {
        Some(self.raw(column)).filter(|text| !text.is_empty() && *text != "NA")
    }

    fn raw(&self, column: &'static str) -> &str {
        let index = COLUMNS.iter().position(|name| *name == column);
        let place = self.columns.0[index.expect("the column is in COLUMNS")];
        self.record.get(place).unwrap_or("")
    }

    fn wrong(&self, column: &'static str, problem: &'static str) -> ConvertError {
        ConvertError::Field {
            line: self.record.position().map_or(0, csv::Position::line),
            column,
            value: self.raw(column).to_owned(),
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::new_york;

    const HEADER: &str = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour";

    fn read(row: &str) -> Result<Flight, ConvertError> {
        let header = StringRecord::from(HEADER.split(',').collect::<Vec<_>>());
        let record = StringRecord::from(row.split(',').collect::<Vec<_>>());
        Columns::of(&header)?.read(&record, &new_york())
    }

    /// Minutes since 1970 of an RFC 3339 moment.
    fn minutes(time: &str) -> i64 {
        time.parse::<jiff::Timestamp>().unwrap().as_second() / 60
    }

    #[track_caller]
    fn check(row: &str, scheduled: &str, departed: Option<&str>, arrived: Option<&str>) {
        let flight = read(row).unwrap();
        assert_eq!(flight.scheduled, minutes(scheduled), "scheduled");
        let departure = flight.departure.as_ref();
        assert_eq!(departure.map(|it| it.time), departed.map(minutes), "departed");
        let arrival = departure.and_then(|it| it.arrival.as_ref());
        assert_eq!(arrival.map(|it| it.time), arrived.map(minutes), "arrived");
    }

    #[test]
    fn a_flight_departs_by_its_delay_and_arrives_by_its_time_in_the_air() {
        check(
            "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,x",
            "2013-01-01T10:15:00Z",
            Some("2013-01-01T10:17:00Z"),
            Some("2013-01-01T14:04:00Z"),
        );
    }

    #[test]
    fn a_delay_may_carry_a_flight_over_midnight_and_over_days() {
        check(
            "2013,1,1,2400,2359,1,400,400,0,B6,739,N1,JFK,PSE,194,1617,23,59,x",
            "2013-01-02T04:59:00Z",
            Some("2013-01-02T05:00:00Z"),
            Some("2013-01-02T08:14:00Z"),
        );
        check(
            "2013,1,9,641,900,1301,1242,1530,1272,HA,51,N384HA,JFK,HNL,640,4983,9,0,x",
            "2013-01-09T14:00:00Z",
            Some("2013-01-10T11:41:00Z"),
            Some("2013-01-10T22:21:00Z"),
        );
    }

    #[test]
    fn an_early_flight_may_leave_the_day_before() {
        check(
            "2013,6,2,2355,5,-10,300,310,-10,B6,1,N1,JFK,BQN,190,1576,0,5,x",
            "2013-06-02T04:05:00Z",
            Some("2013-06-02T03:55:00Z"),
            Some("2013-06-02T07:05:00Z"),
        );
    }

    #[test]
    fn a_diverted_flight_arrives_when_its_clock_shows_it_next() {
        check(
            "2013,1,1,1939,1840,59,29,2151,NA,9E,3,N9,JFK,DFW,NA,1391,18,40,x",
            "2013-01-01T23:40:00Z",
            Some("2013-01-02T00:39:00Z"),
            Some("2013-01-02T05:29:00Z"),
        );
    }

    #[test]
    fn a_cancelled_flight_only_has_a_schedule() {
        check("2013,1,1,NA,1630,NA,NA,1815,NA,EV,4308,N18120,EWR,RDU,NA,416,16,30,x", "2013-01-01T21:30:00Z", None, None);
    }

    #[test]
    fn a_flight_that_never_arrived_only_departs() {
        check(
            "2013,1,1,2016,1930,46,NA,2220,NA,EV,4204,N14168,EWR,OKC,NA,1325,19,30,x",
            "2013-01-02T00:30:00Z",
            Some("2013-01-02T01:16:00Z"),
            None,
        );
    }

    #[test]
    fn a_row_that_contradicts_itself_is_refused_by_column() {
        #[track_caller]
        fn refused(row: &str, expected: &str) {
            assert_eq!(read(row).unwrap_err().to_string(), expected);
        }
        refused(
            "2013,1,1,530,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,x",
            "line 0, column `dep_time`: \"530\" is not the scheduled time plus the delay",
        );
        refused(
            "2013,1,1,517,575,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,x",
            "line 0, column `sched_dep_time`: \"575\" is no time of day as HHMM",
        );
        refused(
            "2013,2,30,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,x",
            "line 0, column `day`: \"30\" makes no date from 1990 on with its year and month",
        );
        refused(
            "2013,1,1,517,515,2,830,819,11,U/A,1545,N14228,EWR,IAH,227,1400,5,15,x",
            "line 0, column `carrier`: \"U/A\" is no code of letters and digits",
        );
        refused(
            "2013,1,1,517,515,NA,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,x",
            "line 0, column `dep_delay`: \"NA\" should be a number",
        );
    }
}
