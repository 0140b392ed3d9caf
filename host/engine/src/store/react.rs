//! Plans of functions: still true or stale, and which of their outputs the log has already.

use super::error::StoreError;
use super::function::{FunctionRow, FunctionStatus};
use super::group::Group;
use super::proposal::{Different, Made, Reacted, Refused};
use crate::model::{ADDRESSEE, FunctionKind, Plan, PlanMode, Processing, aggregate_source, function_source};

impl Group<'_> {
    pub(super) fn react(&mut self, plan: Plan) -> Result<Result<Reacted, Refused>, StoreError> {
        let stale = |why| Ok(Err(Refused::Stale { function: plan.function.clone(), why }));
        let Some(row) = self.mirror.function(&plan.function) else { return Ok(Err(Refused::UnknownFunction(plan.function))) };
        let row = row.clone();
        let backfill = plan.mode == PlanMode::Backfill;
        if row.status != FunctionStatus::Active && !backfill {
            return stale("it is not active");
        }
        if row.module != plan.module {
            return stale("another module version runs it now");
        }
        if row.epoch != plan.epoch {
            return stale("it was changed by an operator");
        }
        if backfill {
            return Ok(Ok(self.emit(plan, &row)?.0));
        }
        if row.rebuild.is_some() != matches!(plan.mode, PlanMode::Rebuild { .. }) {
            return stale("its state is being made again, or is again whole");
        }
        if row.cursor != plan.from {
            return stale("its cursor is elsewhere");
        }
        // Another plan may have led to the same cursor with other state.
        if plan.stands_on.is_some() && plan.stands_on != row.standing {
            return stale("the plan it stands on was not committed");
        }
        for folded in &plan.folded {
            if self.evolved_since(&row, &folded.subject, folded.upto)?.is_some() {
                return stale("an event came since of a subject that it decided for");
            }
        }
        let (mut reacted, mut plan) = match plan.mode {
            PlanMode::Rebuild { .. } => (Reacted { function: plan.function.clone(), ..Reacted::default() }, plan),
            PlanMode::Live | PlanMode::Release | PlanMode::Backfill => self.emit(plan, &row)?,
        };
        for snapshot in plan.folded.drain(..).filter_map(|folded| folded.snapshot) {
            // A cache: one that can't be kept is no reason to refuse the plan.
            let _ = self.keep_snapshot(snapshot);
        }
        reacted.parked = plan.parked.iter().map(|parked| parked.position).collect();
        reacted.handled = plan.handled;
        self.process(&Processing::Reaction {
            function: plan.function.clone(),
            module: plan.module,
            from: plan.from,
            to: plan.to,
            rebuild: match plan.mode {
                PlanMode::Rebuild { through_commit } => Some(through_commit),
                PlanMode::Live | PlanMode::Release | PlanMode::Backfill => None,
            },
            state: plan.state_digest,
            parked: plan.parked,
            unparked: plan.unparked,
            halted: plan.halted,
        });
        if !plan.state.is_empty() {
            self.state.writes.push((plan.function, plan.state));
        }
        Ok(Ok(reacted))
    }

    /// Appends the outputs that the log doesn't have, and takes them out of the plan.
    fn emit(&mut self, mut plan: Plan, row: &FunctionRow) -> Result<(Reacted, Plan), StoreError> {
        let mut reacted = Reacted { function: plan.function.clone(), ..Reacted::default() };
        let source = match row.manifest.kind {
            FunctionKind::Aggregate => aggregate_source(&plan.function),
            _ => function_source(&plan.function),
        };
        for output in std::mem::take(&mut plan.emitted) {
            let hash = self.shared.hasher.id(&source, &output.id);
            let suspect = self.suspects(&[hash])[0];
            let mut found = None;
            for position in self.positions(hash, suspect)? {
                let same = self.with_event(position, |stored| {
                    (stored.source == source && stored.id == output.id).then(|| output.says_the_same_as(stored))
                })?;
                if let Some(same) = same {
                    found = Some(position);
                    if !same {
                        reacted.different.push(Different { id: output.id.clone(), position });
                    }
                }
            }
            let position = match found {
                Some(position) => position,
                None => {
                    let position = self.builder.add_derived(&source, plan.module, &output);
                    self.index(position, hash, (output.kind, &output.r#type, &output.subject), &output.tags);
                    reacted.new += 1;
                    position
                }
            };
            let addressee = output.extensions.into_iter().find(|(name, _)| name == ADDRESSEE).map(|(_, value)| value);
            reacted.outputs.push(Made { cause: output.cause, position, kind: output.kind, r#type: output.r#type, addressee });
        }
        Ok((reacted, plan))
    }
}
