//! Checking upcasters before they are deployed: over every stored event of their types.

use std::sync::Arc;

use super::reading::{Reading, Unreadable};
use super::upcast::Wanted;
use crate::model::{FunctionKind, Guest, Manifest, Position, TypePattern};
use crate::store::{Filter, Portion, StoreError};

/// How far a check has come.
#[derive(Debug, Default)]
pub struct Checked {
    /// Everything up to here is good; up to before the failed event if there is one.
    pub seen: Position,
    /// Events that the upcasters had to do with.
    pub events: u64,
    /// The first event that can't be turned, by which upcaster and why.
    pub failed: Option<Unreadable>,
    /// The host could not run an upcaster: go on after `seen` later.
    pub unavailable: Option<String>,
}

/// Runs the upcasters of a module that isn't deployed yet over one portion of the stored events in
/// `(after, upto]`, together with the deployed ones: from the form that is stored to the newest. The
/// same module's active version is left out. Until `seen` is `upto`, there is more to check.
pub fn check_upcaster(
    reading: &Reading<'_>,
    manifest: &Manifest,
    guest: Arc<dyn Guest>,
    after: Position,
    upto: Position,
    portion: Portion,
) -> Result<Checked, StoreError> {
    let upto = upto.min(reading.snapshot.head());
    let through = Reading::with_candidate(reading.snapshot, reading.guests, manifest, guest);
    let taken: Vec<TypePattern> = manifest
        .functions
        .iter()
        .filter(|function| function.kind == FunctionKind::Upcaster)
        .flat_map(|function| function.subscribes.iter().cloned().map(TypePattern::Exact))
        .collect();
    if taken.is_empty() {
        return Ok(Checked { seen: upto, ..Checked::default() });
    }
    // Stored as one of the types, or turned into one on the way.
    let stored = Wanted::newest(taken, through.upcasting()).stored();
    let taken = through.newest_of_stored(after, upto, &Filter::types(stored), portion)?;
    let mut events: Vec<Position> = taken.batch.events().iter().map(|event| event.position).collect();
    events.dedup();
    Ok(Checked {
        seen: taken.seen.max(after),
        events: (events.len() + taken.batch.nothing().len()) as u64,
        failed: taken.unreadable,
        unavailable: taken.unavailable,
    })
}
