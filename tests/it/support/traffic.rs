//! Flights that go on: the events of a file again and again, each time a year later.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::Value;

use super::flight_log::LATE;
use super::{Host, Web};

/// Events in one append.
const TOGETHER: u64 = 10;

/// A client that appends as long as it is let, each time when the last append was answered.
pub struct Traffic<'a> {
    lines: &'a [String],
    /// Events that were answered for.
    sent: AtomicU64,
    /// Of these, departures of which two versions of a function think otherwise: of `delays`, and of `knock-on`.
    contested: [AtomicU64; 2],
    /// How late each aircraft came in last.
    arrivals: Mutex<HashMap<String, i64>>,
}

impl<'a> Traffic<'a> {
    pub fn of(lines: &'a [String]) -> Traffic<'a> {
        Traffic { lines, sent: AtomicU64::new(0), contested: Default::default(), arrivals: Mutex::default() }
    }

    /// Appends until it is `over`. What got no answer is sent again; every answer must be a good one.
    pub fn run(&self, web: &Web, over: &AtomicBool) {
        while !over.load(Ordering::Acquire) {
            let from = self.sent.load(Ordering::Acquire);
            let lines: Vec<String> = (from..from + TOGETHER).map(|index| self.line(index)).collect();
            let body = format!("[{}]", lines.join(","));
            // By turns: on disk, or handled by everybody.
            let path = if (from / TOGETHER).is_multiple_of(2) { "events" } else { "events?wait=handled" };
            let headers = [("content-type", "application/cloudevents-batch+json")];
            let answer = loop {
                match web.try_send("POST", path, &headers, body.as_bytes()) {
                    Ok(answer) => break answer,
                    Err(error) => assert!(!over.load(Ordering::Acquire), "no answer: {error}"),
                }
            };
            assert!(matches!(answer.status, 200..=202), "{}", answer.text());
            self.sent.fetch_add(TOGETHER, Ordering::AcqRel);
            lines.iter().for_each(|line| self.count(line));
        }
    }

    /// The event of this number, from 0.
    fn line(&self, index: u64) -> String {
        let (round, index) = (index / self.lines.len() as u64, index % self.lines.len() as u64);
        let line = self.lines[index as usize].replace("2013-", &format!("{}-", 2014 + round));
        line.replacen(",\"data\":", ",\"tags\":\"live\",\"data\":", 1)
    }

    /// All events that were answered for.
    pub fn sent(&self) -> impl Iterator<Item = String> {
        (0..self.sent.load(Ordering::Acquire)).map(|index| self.line(index))
    }

    /// Waits until more was taken that two versions think otherwise of, and then some.
    #[track_caller]
    pub fn wait_for_more(&self, host: &Host) {
        const MORE: u64 = 5;
        let counts = || self.contested.each_ref().map(|count| count.load(Ordering::Acquire));
        let before = counts();
        host.wait_for("delays", |_| counts().iter().zip(before).all(|(now, before)| *now >= before + MORE));
    }

    fn count(&self, line: &str) {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let (aircraft, data) = (event["data"]["tailnum"].as_str(), &event["data"]);
        let mut arrivals = self.arrivals.lock().expect("nobody panicked");
        if event["type"] == "flight.arrived" {
            let delay = data["arr_delay"].as_i64().unwrap_or(i64::MIN);
            arrivals.extend(aircraft.map(|aircraft| (aircraft.to_owned(), delay)));
            return;
        }
        let delay = data["dep_delay"].as_i64().unwrap_or(i64::MIN);
        // A knock-on is as late as the less late of the two.
        let both = aircraft.and_then(|aircraft| arrivals.get(aircraft)).map_or(i64::MIN, |arrived| delay.min(*arrived));
        for (count, delay) in self.contested.iter().zip([delay, both]) {
            count.fetch_add(u64::from(delay > LATE[0] && delay <= LATE[1]), Ordering::AcqRel);
        }
    }
}
