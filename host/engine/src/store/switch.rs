//! The switch: functions that run other code from here on get the state that belongs to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::function::{FunctionRow, FunctionStatus, Rebuild};
use super::kept::Kept;
use super::mirror::{Mirror, VersionsKept};
use super::slots::{NO_SLOT, Slots};
use super::upcasting::Upcasting;
use crate::model::{Digest, FunctionKind};

impl Mirror {
    /// Takes modules that came or went in this commit into account: which upcasters there are, and what
    /// every function reads and runs by now. `before` are the functions as they were.
    ///
    /// A retired function keeps what it has, as it may return.
    pub(super) fn switch(&mut self, before: &BTreeMap<String, Arc<FunctionRow>>, commit: u64) {
        let upcasting = Upcasting::of(self.functions.values());
        if upcasting != *self.upcasting {
            self.upcasting = Arc::new(upcasting);
        }
        let changed: Vec<(String, Digest)> = self
            .functions
            .values()
            .filter(|row| row.status != FunctionStatus::Retired)
            .map(|row| (row.name.clone(), self.upcasting.identity(row, &self.modules)))
            .filter(|(name, identity)| self.functions[name].identity != *identity)
            .collect();
        for (name, identity) in changed {
            let row = Arc::make_mut(Arc::make_mut(&mut self.functions).get_mut(&name).expect("it was just listed"));
            match before.get(&name) {
                None => begin(row, identity, &mut self.slots),
                Some(before) => switch(row, before, (identity, commit), self.versions_kept, &mut self.slots),
            }
            self.dirty.functions.insert(name.clone());
            self.dirty.cursors.insert(name);
        }
    }
}

fn begin(row: &mut FunctionRow, identity: Digest, slots: &mut Slots) {
    row.identity = identity;
    row.slot = fresh(row.manifest.kind, slots);
}

fn fresh(kind: FunctionKind, slots: &mut Slots) -> u32 {
    if kind == FunctionKind::Handler { slots.fresh() } else { NO_SLOT }
}

/// State that is level with the commit before this one goes on; where there is none, the new code makes
/// its own out of the log before it goes on. It never meets that of other code.
fn switch(row: &mut FunctionRow, before: &FunctionRow, (identity, commit): (Digest, u64), kept: VersionsKept, slots: &mut Slots) {
    // A plan of the code before is stale, also where only an upcaster changed.
    row.epoch = before.epoch + 1;
    row.identity = identity;
    let through_commit = commit - 1;
    // Before another one is kept, which might drop it as the oldest.
    let ready = row.take_kept(identity);
    match before.manifest.kind {
        // It is no state of any moment.
        FunctionKind::Handler if before.rebuild.is_some() => slots.abandon(before.slot),
        FunctionKind::Handler | FunctionKind::View => {
            let former = Kept { identity: before.identity, module: before.module, slot: before.slot, through_commit, whole: true };
            row.keep(former, kept.0, slots);
        }
        FunctionKind::Aggregate | FunctionKind::Upcaster | FunctionKind::Ingress => {}
    }
    let level = ready.as_ref().is_some_and(|ready| ready.whole && ready.through_commit == through_commit);
    match ready {
        Some(ready) if level && row.manifest.kind == FunctionKind::Handler => (row.slot, row.rebuild) = (ready.slot, None),
        ready => {
            if let Some(ready) = ready {
                slots.abandon(ready.slot);
            }
            row.slot = fresh(row.manifest.kind, slots);
            let until = before.rebuild.map_or(row.cursor, |rebuild| rebuild.until);
            let makes_state = row.stateful && row.manifest.kind == FunctionKind::Handler;
            row.rebuild = makes_state.then_some(Rebuild { until, through_commit: 0 });
        }
    }
}
