//! A moment as a CloudEvents 1.0 event in JSON, on one line.

use serde::Serialize;

use crate::flight::{Arrival, Flight};
use crate::moment::{Kind, Moment};

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    event_type: &'static str,
    subject: String,
    time: String,
    data: Data<'a>,
}

/// The names are the CSV's own.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Scheduled {
        carrier: &'a str,
        flight: u32,
        origin: &'a str,
        dest: &'a str,
        distance: u32,
        sched_dep_time: String,
    },
    Departed {
        carrier: &'a str,
        flight: u32,
        tailnum: Option<&'a str>,
        origin: &'a str,
        dest: &'a str,
        sched_dep_time: String,
        dep_delay: i64,
    },
    Arrived {
        carrier: &'a str,
        flight: u32,
        tailnum: Option<&'a str>,
        origin: &'a str,
        dest: &'a str,
        arr_delay: Option<i64>,
        air_time: Option<i64>,
    },
    Cancelled {
        carrier: &'a str,
        flight: u32,
        tailnum: Option<&'a str>,
        origin: &'a str,
        dest: &'a str,
        sched_dep_time: String,
    },
}

/// Appends the event to `line`, without a line end.
pub fn write(flight: &Flight, moment: Moment, line: &mut Vec<u8>) {
    let subject = flight.subject();
    let Flight { origin, scheduled_clock, .. } = flight;
    let name = moment.kind.name();
    let event = CloudEvent {
        specversion: "1.0",
        id: format!("{subject}/{origin}-{scheduled_clock:04}/{name}"),
        source: format!("/airports/{}", reported_by(flight, moment.kind)),
        event_type: event_type(moment.kind),
        subject,
        time: rfc3339(moment.time),
        data: data(flight, moment.kind),
    };
    serde_json::to_writer(line, &event).expect("strings and numbers are always JSON");
}

/// The airport where it happened.
fn reported_by(flight: &Flight, kind: Kind) -> &str {
    match kind {
        Kind::Arrived => &flight.destination,
        Kind::Departed | Kind::Cancelled | Kind::Scheduled => &flight.origin,
    }
}

fn event_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Arrived => "flight.arrived",
        Kind::Departed => "flight.departed",
        Kind::Cancelled => "flight.cancelled",
        Kind::Scheduled => "flight.scheduled",
    }
}

fn data(of: &Flight, kind: Kind) -> Data<'_> {
    let (carrier, flight) = (of.carrier.as_str(), of.number);
    let (origin, dest) = (of.origin.as_str(), of.destination.as_str());
    let tailnum = of.tail_number.as_deref();
    let departure = of.departure.as_ref();
    match kind {
        Kind::Scheduled => {
            Data::Scheduled { carrier, flight, origin, dest, distance: of.distance_miles, sched_dep_time: rfc3339(of.scheduled) }
        }
        Kind::Departed => Data::Departed {
            carrier,
            flight,
            tailnum,
            origin,
            dest,
            sched_dep_time: rfc3339(of.scheduled),
            dep_delay: departure.expect("a departed flight has a departure").delay,
        },
        Kind::Arrived => {
            let arrival = departure.and_then(|departure| departure.arrival.as_ref());
            let Arrival { delay, air_minutes, .. } = arrival.expect("an arrived flight has an arrival");
            Data::Arrived { carrier, flight, tailnum, origin, dest, arr_delay: *delay, air_time: *air_minutes }
        }
        Kind::Cancelled => Data::Cancelled { carrier, flight, tailnum, origin, dest, sched_dep_time: rfc3339(of.scheduled) },
    }
}

fn rfc3339(minutes: i64) -> String {
    let moment = jiff::Timestamp::from_second(minutes * 60);
    moment.expect("a flight's time is within jiff's range").to_string()
}
