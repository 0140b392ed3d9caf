//! What happened on the day, read back from the log.

use std::collections::BTreeMap;
use std::io::BufRead;

use anyhow::Result;
use serde_json::{Value, json};

/// Events of a kind that are kept to be shown.
const SAMPLES: usize = 3;

/// Counts of all types, and some events that functions made.
#[derive(Debug, Default)]
pub struct Figures {
    counts: BTreeMap<String, u64>,
    pub delayed: Vec<Value>,
    pub knock_ons: Vec<Value>,
}

impl Figures {
    /// From the log, an event a line.
    pub fn read(log: impl BufRead) -> Result<Self> {
        let mut figures = Figures::default();
        for line in log.lines() {
            figures.add(serde_json::from_str(&line?)?);
        }
        Ok(figures)
    }

    fn add(&mut self, event: Value) {
        let name = event["type"].as_str().unwrap_or_default().to_owned();
        let samples = match name.as_str() {
            "flight.delayed" => Some(&mut self.delayed),
            "aircraft.knock-on" => Some(&mut self.knock_ons),
            _ => None,
        };
        *self.counts.entry(name).or_default() += 1;
        if let Some(samples) = samples.filter(|samples| samples.len() < SAMPLES) {
            samples.push(event);
        }
    }

    pub fn of(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Every event in the log.
    pub fn all(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Of the same shape as what `check/figures.py` prints.
    pub fn as_value(&self) -> Value {
        json!({
            "flights": self.of("flight.scheduled"),
            "scheduled": self.of("flight.scheduled"),
            "departed": self.of("flight.departed"),
            "arrived": self.of("flight.arrived"),
            "cancelled": self.of("flight.cancelled"),
            "delayed": self.of("flight.delayed"),
            "knock_ons": self.of("aircraft.knock-on"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_the_log() {
        let log = "{\"type\":\"flight.scheduled\"}\n{\"type\":\"flight.delayed\"}\n{\"type\":\"flight.scheduled\"}\n{\"type\":\"retold.module.deployed\"}\n";
        let figures = Figures::read(log.as_bytes()).unwrap();
        assert_eq!(figures.as_value()["scheduled"], 2);
        assert_eq!((figures.delayed.len(), figures.knock_ons.len(), figures.all()), (1, 0, 4));
    }
}
