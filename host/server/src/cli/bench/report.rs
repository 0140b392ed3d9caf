//! The figures as a table for a person, or as JSON for a program.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::goals::{FDATASYNC, Figure, Goal, ROWS, goals};
use super::session::Measured;
use crate::cli::words::{table, thousands};

/// Medians of everything that was measured.
pub struct Report {
    figures: BTreeMap<Measured, BTreeMap<Figure, f64>>,
    /// This machine's own: what ratios are made with.
    fdatasync_us: Option<f64>,
}

/// A goal beside what was reached.
struct Verdict {
    figure: Figure,
    goal: Goal,
    is_met: Option<bool>,
    /// How much of it was missed: 0.1 is ten percent.
    missed_by: f64,
}

impl Report {
    pub fn new(figures: BTreeMap<Measured, BTreeMap<Figure, f64>>) -> Self {
        let own = figures.iter().find(|(measured, _)| measured.row == FDATASYNC);
        let fdatasync_us = own.and_then(|(_, figures)| figures.get(&Figure::P50Us).copied());
        Report { figures, fdatasync_us }
    }

    /// In the order of `goals::ROWS`.
    fn rows(&self) -> impl Iterator<Item = (&Measured, &BTreeMap<Figure, f64>)> {
        ROWS.iter().flat_map(|(row, _)| self.figures.iter().filter(move |(measured, _)| measured.row == *row))
    }

    fn verdicts(&self, measured: &Measured, figures: &BTreeMap<Figure, f64>) -> Vec<Verdict> {
        let verdict = |&(figure, goal): &(Figure, Goal)| {
            let reached = *figures.get(&figure)?;
            let target = match goal {
                Goal::AtMost(target) | Goal::AtLeast(target) => target,
                Goal::FdatasyncsAtMost(times) => times * self.fdatasync_us.unwrap_or(f64::NAN),
            };
            Some(Verdict { figure, goal, is_met: goal.is_met(reached, self.fdatasync_us), missed_by: (reached / target - 1.0).abs() })
        };
        goals(measured.row, measured.clients).iter().filter_map(verdict).collect()
    }

    fn fdatasyncs(&self, figures: &BTreeMap<Figure, f64>) -> Option<f64> {
        Some(figures.get(&Figure::P50Us)? / self.fdatasync_us?)
    }

    pub fn as_text(&self) -> String {
        let mut rows = Vec::new();
        for (measured, figures) in self.rows() {
            let shown = |figure: Figure| figures.get(&figure).map_or_else(String::new, |&value| number(value));
            let mut name = measured.row.to_owned();
            if measured.log > 0 {
                name.push_str(&format!(" {}", thousands(measured.log)));
            }
            let clients = if measured.clients > 0 { measured.clients.to_string() } else { String::new() };
            let fdatasyncs = self.fdatasyncs(figures).map_or_else(String::new, |times| format!("{times:.1}"));
            let verdicts: Vec<String> = self.verdicts(measured, figures).iter().map(Verdict::as_text).collect();
            rows.push(vec![
                name,
                clients,
                shown(Figure::P50Us),
                shown(Figure::P99Us),
                fdatasyncs,
                shown(Figure::EventsPerSecond),
                shown(Figure::FlushesPerSecond),
                shown(Figure::CpuUsPerEvent),
                [others(figures), verdicts.join("; ")].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; "),
            ]);
        }
        let heading = ["row", "clients", "p50 µs", "p99 µs", "× fdatasync", "events/s", "flushes/s", "cpu µs", "goals"];
        table(&heading, &rows)
    }

    pub fn as_value(&self) -> Value {
        let rows = self.rows().map(|(measured, figures)| {
            let figures_by_key: Map<String, Value> =
                figures.iter().map(|(figure, value)| (figure.key().to_owned(), json!(value))).collect();
            json!({
                "row": measured.row,
                "clients": measured.clients,
                "log": measured.log,
                "figures": figures_by_key,
                "fdatasyncs": self.fdatasyncs(figures),
                "goals": self.verdicts(measured, figures).iter().map(Verdict::as_value).collect::<Vec<_>>(),
            })
        });
        json!({ "fdatasync_us": self.fdatasync_us, "rows": rows.collect::<Vec<_>>() })
    }
}

/// Figures that have no column.
fn others(figures: &BTreeMap<Figure, f64>) -> String {
    let told = |(figure, value): (&Figure, &f64)| match figure {
        Figure::P50ToShort => Some(format!("p50 {value:.2} × that on a short log")),
        Figure::RateToShort => Some(format!("rate {value:.2} × that on a short log")),
        Figure::DiskToEvents => Some(format!("{value:.2} × the events' own bytes")),
        Figure::IdleMebibytes => Some(format!("idle {value:.0} MiB")),
        Figure::MostMebibytes => Some(format!("at most {value:.0} MiB")),
        Figure::ReadyMs => Some(format!("ready after {value:.0} ms")),
        Figure::P50ToAlone => Some(format!("p50 {value:.2} × that alone")),
        Figure::P99ToAlone => Some(format!("p99 {value:.2} × that alone")),
        Figure::RateToDecoding => Some(format!("{value:.2} × decoding")),
        Figure::PauseMs => Some(format!("the longest append {value:.1} ms")),
        Figure::ToldPauseMs => Some(format!("the pause itself {value:.1} ms")),
        Figure::TookMs => Some(format!("{value:.1} ms")),
        Figure::TookToCopy => Some(format!("{value:.3} × a copy")),
        _ => None,
    };
    figures.iter().filter_map(told).collect::<Vec<_>>().join(", ")
}

impl Verdict {
    fn as_text(&self) -> String {
        let what = match self.figure {
            Figure::P50Us => "p50 ",
            Figure::P99Us => "p99 ",
            Figure::EventsPerSecond => "",
            Figure::CpuUsPerEvent => "cpu ",
            Figure::IdleMebibytes => "idle ",
            Figure::MostMebibytes => "most ",
            Figure::P99ToAlone => "p99 to alone ",
            Figure::PauseMs => "longest ",
            _ => "",
        };
        let goal = match self.goal {
            Goal::AtMost(most) => format!("≤ {}", number(most)),
            Goal::AtLeast(least) => format!("≥ {}", number(least)),
            Goal::FdatasyncsAtMost(times) => format!("≤ {times} fdatasyncs"),
        };
        match self.is_met {
            Some(true) => format!("{what}{goal} met"),
            Some(false) => format!("{what}{goal} MISSED by {:.0} %", self.missed_by * 100.0),
            None => format!("{what}{goal} unknown"),
        }
    }

    fn as_value(&self) -> Value {
        let (kind, target) = match self.goal {
            Goal::AtMost(most) => ("at_most", most),
            Goal::AtLeast(least) => ("at_least", least),
            Goal::FdatasyncsAtMost(times) => ("fdatasyncs_at_most", times),
        };
        json!({ "figure": self.figure.key(), kind: target, "met": self.is_met })
    }
}

/// Large ones whole and grouped, small ones with a digit behind the point.
fn number(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 { thousands(value.round() as u64) } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let measured = |row, clients| Measured { row, clients, log: 0 };
        let figures = [
            (measured(FDATASYNC, 1), BTreeMap::from([(Figure::P50Us, 45.0)])),
            (measured("append", 1), BTreeMap::from([(Figure::P50Us, 121.0), (Figure::EventsPerSecond, 8_000.0)])),
            (measured("disk", 0), BTreeMap::from([(Figure::DiskToEvents, 1.25)])),
        ];
        Report::new(BTreeMap::from(figures))
    }

    #[test]
    fn every_figure_stands_beside_what_it_has_to_reach() {
        let text = report().as_text();
        assert!(text.contains("p50 ≤ 3 fdatasyncs met; p50 ≤ 110 MISSED by 10 %"), "{text}");
        assert!(text.contains("1.25 × the events' own bytes; ≤ 1.3 met"), "{text}");
        assert!(text.contains("2.7"), "{text}");
    }

    #[test]
    fn a_program_reads_the_same() {
        let value = report().as_value();
        assert_eq!(value["rows"][1]["row"], "append");
        assert_eq!(value["rows"][1]["goals"][0], json!({ "figure": "p50_us", "fdatasyncs_at_most": 3.0, "met": true }));
    }
}
