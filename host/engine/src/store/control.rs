//! The operator's word: pause, resume, rewind, release.

use super::error::StoreError;
use super::function::FunctionStatus;
use super::group::Group;
use super::proposal::{Accepted, Control, Refused};
use crate::model::{FunctionKind, Processing};

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
        if let (Control::Rewind(_) | Control::Release { .. }, Some(why)) = (&control, no_cursor(row.manifest.kind)) {
            return refuse(why.into());
        }
        let function = function.to_owned();
        let entry = match control {
            Control::Pause if row.status == FunctionStatus::Paused => return Ok(Ok(Accepted::Controlled { parked: row.parked })),
            Control::Pause => Processing::Paused { function },
            Control::Resume if row.is_active() => return Ok(Ok(Accepted::Controlled { parked: row.parked })),
            Control::Resume => Processing::Resumed { function },
            Control::Rewind(_) if row.rebuild.is_some() => return refuse("its state is being rebuilt: wait until that is done".into()),
            Control::Rewind(to) if to > row.cursor => {
                return refuse(format!("its cursor is {}, before {to}: a rewind goes back only", row.cursor));
            }
            Control::Rewind(to) if to < row.start => {
                return refuse(format!("it began to read after {}: rewind to that or later", row.start));
            }
            Control::Rewind(to) => Processing::Rewound { function, to, rebuild: row.stateful },
            Control::Release { subject } => Processing::Released { function, subject },
        };
        self.process(&entry);
        Ok(Ok(Accepted::Controlled { parked: row.parked }))
    }
}

/// Why a function of this kind can't be sent back in the log, nor parks anything.
fn no_cursor(kind: FunctionKind) -> Option<&'static str> {
    match kind {
        FunctionKind::Handler | FunctionKind::Aggregate => None,
        FunctionKind::View => Some("a view parks nothing and is folded anew as a whole: POST …/views/{name}/rebuild does that"),
        FunctionKind::Upcaster | FunctionKind::Ingress => Some("it has no place in the log to go back from, and parks nothing"),
    }
}
