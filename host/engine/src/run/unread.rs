//! How far a function is behind: the first entry that it has still to deal with.

use super::deciding::commands;
use super::upcast::Wanted;
use crate::model::{FunctionKind, Position};
use crate::store::{Filter, FunctionRow, Passed, Portion, Snapshot, StoreError, Take};

/// The first event after its cursor that a handler reads, or the first command that an aggregate has to decide.
/// What it doesn't read never moves its cursor, so that alone says nothing.
pub fn first_unread(snapshot: &Snapshot, row: &FunctionRow) -> Result<Option<Position>, StoreError> {
    let (batch, _) = match row.manifest.kind {
        FunctionKind::Handler => {
            let wanted = Wanted::by(&row.manifest, snapshot.upcasting());
            let portion = Portion { events: 1, bytes: usize::MAX };
            snapshot.collect_marked(
                row.cursor,
                snapshot.head(),
                &Filter::types(wanted.stored()),
                portion,
                &mut Passed::default(),
                &mut |_, event| {
                    if wanted.is_for_reader(event) { Take::Marked(0) } else { Take::Not }
                },
            )?
        }
        FunctionKind::Aggregate => commands(snapshot, row, row.cursor, 1)?,
        FunctionKind::View | FunctionKind::Upcaster | FunctionKind::Ingress => return Ok(None),
    };
    Ok(batch.events().first().map(|event| event.position))
}
