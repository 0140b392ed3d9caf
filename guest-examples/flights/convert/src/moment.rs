//! `Moment`: one thing that happened to a flight, and the order of all of them.

use crate::flight::Flight;

/// How long before its departure a flight is put on the timetable: a day.
const SCHEDULED_AHEAD_MINUTES: i64 = 1_440;

/// What happened to a flight. Sorts by time, then by kind, then by flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Minutes since 1970-01-01T00:00Z.
    pub time: i64,
    pub kind: Kind,
    /// Index of the flight among all, which are sorted.
    pub flight: u32,
}

/// In the order in which they stand when they fall on one minute: an aircraft that arrives in the
/// minute of its next departure has arrived first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Arrived,
    Departed,
    Cancelled,
    Scheduled,
}

impl Kind {
    /// As it stands in the event's type and id.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Arrived => "arrived",
            Kind::Departed => "departed",
            Kind::Cancelled => "cancelled",
            Kind::Scheduled => "scheduled",
        }
    }
}

/// Everything that happened to the flights, in the order in which it did.
pub fn moments(flights: &[Flight]) -> Vec<Moment> {
    let mut moments = Vec::with_capacity(flights.len() * 3);
    for (flight, index) in flights.iter().zip(0..) {
        let mut push = |kind, time| {
            moments.push(Moment { time, kind, flight: index });
        };
        push(Kind::Scheduled, flight.scheduled - SCHEDULED_AHEAD_MINUTES);
        match &flight.departure {
            None => push(Kind::Cancelled, flight.scheduled),
            Some(departure) => {
                push(Kind::Departed, departure.time);
                if let Some(arrival) = &departure.arrival {
                    push(Kind::Arrived, arrival.time);
                }
            }
        }
    }
    moments.sort_unstable();
    moments
}
