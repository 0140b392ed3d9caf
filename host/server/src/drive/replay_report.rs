//! The engine's report of a replay, as the rooms above show it.

use retold_engine::model::{ByteWriter, FunctionKind};
use retold_engine::run::{Content, Example, FailedEvent, Finding, FunctionReport};

use super::replay_info::{DifferenceKind, FunctionReplay, OutputCounts, OutputDifference, ReplayFailure, Shown};

/// `costs`: fuel and microseconds an event, of the candidate and of the running version.
pub fn shown_report(report: &FunctionReport, new: bool, costs: [Option<f64>; 4], note: Option<String>) -> FunctionReplay {
    let mut encoded = ByteWriter::default();
    report.encode(&mut encoded);
    FunctionReplay {
        function: report.function.clone(),
        kind: report.kind,
        new,
        retired: false,
        events: report.events,
        passes_now: report.passes_now,
        fails_still: report.fails_still,
        outputs: OutputCounts { equal: report.equal, new: report.new, missing: report.missing, different: report.different },
        differences: report.examples.iter().map(difference).collect(),
        failures: report.failures,
        first_failures: report.failed.iter().map(failure).collect(),
        state_rows: report.state_rows,
        state_bytes: report.state_bytes,
        state: None,
        fuel_per_event: costs[0],
        microseconds_per_event: costs[1],
        running_fuel_per_event: costs[2],
        running_microseconds_per_event: costs[3],
        note,
        former: None,
        encoded: encoded.bytes,
    }
}

fn difference(example: &Example) -> OutputDifference {
    OutputDifference {
        kind: match example.finding {
            Finding::New => DifferenceKind::New,
            Finding::Missing => DifferenceKind::Missing,
            Finding::Different => DifferenceKind::Different,
        },
        id: example.id.clone(),
        cause: example.cause,
        recorded: example.recorded.as_ref().map(content),
        made: example.made.as_ref().map(content),
    }
}

fn content(content: &Content) -> Shown {
    Shown {
        position: None,
        r#type: content.r#type.clone(),
        subject: content.subject.clone(),
        content_type: content.content_type.clone(),
        data: content.data.clone(),
        cut: content.data.len() as u64 != content.data_bytes,
    }
}

fn failure(failed: &FailedEvent) -> ReplayFailure {
    let FailedEvent { position, r#type, subject, reason, message } = failed.clone();
    ReplayFailure { position, r#type, subject, reason, message }
}

impl FunctionReplay {
    /// A function that the running version has and the candidate has not.
    pub fn retired(function: &str, kind: FunctionKind) -> FunctionReplay {
        let note = Some("it retires, and is kept for a return".to_owned());
        FunctionReplay { retired: true, ..shown_report(&FunctionReport::new(function, kind), false, [None; 4], note) }
    }

    pub(super) fn costs(&self) -> [Option<f64>; 4] {
        [self.fuel_per_event, self.microseconds_per_event, self.running_fuel_per_event, self.running_microseconds_per_event]
    }
}
