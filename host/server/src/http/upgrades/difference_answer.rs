//! Two logs side by side, as JSON.

use serde::Serialize;

use super::replay_answer::{Failed, status};
use super::shown::{CountsAnswer, DataAnswer, ShownAnswer, kind_word};
use crate::drive::{LogDifference, LogEntryDifference, OutputCounts, RowDifference, ViewDifference};

#[derive(Serialize)]
pub struct DifferenceAnswer {
    base: String,
    other: String,
    status: &'static str,
    failed: Option<Failed>,
    position: String,
    head: String,
    source: CountsAnswer,
    derived: CountsAnswer,
    /// Derived events by the function that made them.
    functions: Vec<FunctionAnswer>,
    first: Vec<EntryAnswer>,
    views: Vec<ViewAnswer>,
}

#[derive(Serialize)]
struct FunctionAnswer {
    function: String,
    outputs: CountsAnswer,
}

#[derive(Serialize)]
struct EntryAnswer {
    kind: &'static str,
    derived: bool,
    source: String,
    id: String,
    base: Option<ShownAnswer>,
    other: Option<ShownAnswer>,
}

#[derive(Serialize)]
struct ViewAnswer {
    view: String,
    rows: CountsAnswer,
    first: Vec<RowAnswer>,
    note: Option<String>,
}

#[derive(Serialize)]
struct RowAnswer {
    key: String,
    base: Option<DataAnswer>,
    other: Option<DataAnswer>,
}

impl From<LogDifference> for DifferenceAnswer {
    fn from(difference: LogDifference) -> DifferenceAnswer {
        let (status, failed) = status(difference.status);
        let function = |(function, outputs): (String, OutputCounts)| FunctionAnswer { function, outputs: outputs.into() };
        DifferenceAnswer {
            base: difference.base,
            other: difference.other,
            status,
            failed,
            position: difference.position.to_string(),
            head: difference.head.to_string(),
            source: difference.source.into(),
            derived: difference.derived.into(),
            functions: difference.functions.into_iter().map(function).collect(),
            first: difference.first.into_iter().map(EntryAnswer::from).collect(),
            views: difference.views.into_iter().map(ViewAnswer::from).collect(),
        }
    }
}

impl From<LogEntryDifference> for EntryAnswer {
    fn from(LogEntryDifference { kind, derived, source, id, base, other }: LogEntryDifference) -> EntryAnswer {
        EntryAnswer { kind: kind_word(kind), derived, source, id, base: base.map(ShownAnswer::from), other: other.map(ShownAnswer::from) }
    }
}

impl From<ViewDifference> for ViewAnswer {
    fn from(ViewDifference { view, rows, first, note }: ViewDifference) -> ViewAnswer {
        let data = |bytes: Vec<u8>| DataAnswer::of(&bytes, false);
        let row = |(key, base, other): RowDifference| RowAnswer { key, base: base.map(data), other: other.map(data) };
        ViewAnswer { view, rows: rows.into(), first: first.into_iter().map(row).collect(), note }
    }
}
