//! The operator's word: pause, resume, rewind, release, skip.

use redb::ReadableDatabase;

use super::error::StoreError;
use super::function::{FunctionRow, FunctionStatus};
use super::group::{Group, json_text};
use super::proposal::{Accepted, Control, Refused};
use super::snapshot::decode_parked;
use super::tables;
use crate::model::{FunctionKind, Position, Processing, WhichParked};

/// What the log says of parked events that were skipped; the subject is the function.
pub const PARKED_SKIPPED: &str = "retold.parked.skipped";

impl Group<'_> {
    pub(super) fn control(&mut self, function: &str, control: Control) -> Result<Result<Accepted, Refused>, StoreError> {
        let Some(row) = self.mirror.function(function).cloned() else { return Ok(Err(Refused::UnknownFunction(function.to_owned()))) };
        let refuse = |why: String| Ok(Err(Refused::Control { function: function.to_owned(), why }));
        if row.status == FunctionStatus::Retired {
            return refuse("it is retired: deploy a module version that has it".into());
        }
        if row.manifest.kind == FunctionKind::Upcaster {
            return refuse("an upcaster works whenever an old event is read: remove its module to end that".into());
        }
        let goes_back = matches!(control, Control::Rewind(_) | Control::Release(_) | Control::Skip { .. });
        if let (true, Some(why)) = (goes_back, no_cursor(row.manifest.kind)) {
            return refuse(why.into());
        }
        let unchanged = Ok(Ok(Accepted::Controlled { parked: row.parked }));
        let function = function.to_owned();
        let entry = match control {
            Control::Pause if row.status == FunctionStatus::Paused => return unchanged,
            Control::Pause => Processing::Paused { function },
            Control::Resume if row.is_active() => return unchanged,
            Control::Resume => Processing::Resumed { function },
            Control::Rewind(_) if row.rebuild.is_some() => return refuse("its state is being rebuilt: wait until that is done".into()),
            Control::Rewind(to) if to > row.cursor => {
                return refuse(format!("its cursor is {}, before {to}: a rewind goes back only", row.cursor));
            }
            Control::Rewind(to) if to < row.start => {
                return refuse(format!("it began to read after {}: rewind to that or later", row.start));
            }
            Control::Rewind(to) => Processing::Rewound { function, to, rebuild: row.stateful },
            Control::Release(which) => {
                if let WhichParked::One(position) = which {
                    match self.parked_before(&row, position)? {
                        None => return Ok(Err(Refused::NotParked { function, position })),
                        Some(first) if first < position => return Ok(Err(Refused::NotFirstParked { function, position, first })),
                        Some(_) => {}
                    }
                }
                Processing::Released { function, which }
            }
            Control::Skip { which, reason } => {
                if let WhichParked::One(position) = which
                    && self.parked_before(&row, position)?.is_none()
                {
                    return Ok(Err(Refused::NotParked { function, position }));
                }
                self.add_record(PARKED_SKIPPED, &function, &skipped_json(&function, &which, &reason));
                Processing::Skipped { function, which }
            }
        };
        self.process(&entry);
        Ok(Ok(Accepted::Controlled { parked: row.parked }))
    }

    /// The first parked event of the subject of the one that is parked at `position`: that one itself, if none
    /// is before it. `None`: none is parked there.
    fn parked_before(&self, row: &FunctionRow, position: Position) -> Result<Option<Position>, StoreError> {
        let durable = self.shared.head.begin_read()?;
        let Some(parked) = durable.open_table(tables::PARKED)?.get((row.ordinal, position.0))? else { return Ok(None) };
        let subject = decode_parked(parked.value())?.event.subject;
        if subject.is_empty() {
            return Ok(Some(position));
        }
        let subjects = durable.open_table(tables::PARKED_SUBJECTS)?;
        let first = subjects.range((row.ordinal, subject.as_str(), 0)..=(row.ordinal, subject.as_str(), position.0))?.next().transpose()?;
        Ok(Some(first.map_or(position, |(key, _)| Position(key.value().2))))
    }
}

fn skipped_json(function: &str, which: &WhichParked, reason: &str) -> String {
    let which = match which {
        WhichParked::All => String::new(),
        WhichParked::Subject(subject) => format!(",\"subject\":{}", json_text(subject)),
        WhichParked::One(position) => format!(",\"position\":\"{position}\""),
    };
    format!("{{\"function\":{}{which},\"reason\":{}}}", json_text(function), json_text(reason))
}

/// Why a function of this kind can't be sent back in the log, nor parks anything.
fn no_cursor(kind: FunctionKind) -> Option<&'static str> {
    match kind {
        FunctionKind::Handler | FunctionKind::Aggregate => None,
        FunctionKind::View => Some("a view parks nothing and is folded anew as a whole: POST …/views/{name}/rebuild does that"),
        FunctionKind::Upcaster | FunctionKind::Ingress => Some("it has no place in the log to go back from, and parks nothing"),
    }
}
