//! Plans of functions: still true or stale, and which of their outputs the log has already.

use super::error::StoreError;
use super::function::{FunctionRow, FunctionStatus};
use super::group::Group;
use super::proposal::{Different, Made, Reacted, Refused};
use crate::model::{ADDRESSEE, Emitted, FunctionKind, Kind, Plan, PlanMode, Position, Processing, aggregate_source, function_source};
use crate::plant::{Bug, planted};

/// Where an output is in the log.
pub struct Taken {
    pub position: Position,
    pub new: bool,
    /// It was there already, with other content.
    pub different: bool,
}

impl Group<'_> {
    pub(super) fn react(&mut self, plan: Plan) -> Result<Result<Reacted, Refused>, StoreError> {
        let stale = |why| Ok(Err(Refused::Stale { function: plan.function.clone(), why }));
        let Some(row) = self.mirror.function(&plan.function) else { return Ok(Err(Refused::UnknownFunction(plan.function))) };
        let row = row.clone();
        let backfill = plan.mode == PlanMode::Backfill;
        if row.status != FunctionStatus::Active && !backfill {
            return stale("it is not active");
        }
        let unfenced = planted(Bug::OldRunnerNotFenced);
        if row.module != plan.module && !unfenced {
            return stale("another module version runs it now");
        }
        if row.epoch != plan.epoch && !unfenced {
            return stale("it was changed by an operator");
        }
        if backfill {
            return Ok(Ok(self.emit(plan, &row)?.0));
        }
        if row.rebuild.is_some() != matches!(plan.mode, PlanMode::Rebuild { .. }) {
            return stale("its state is being made again, or is again whole");
        }
        let unfenced = planted(Bug::RetryWithoutFence);
        if row.cursor != plan.from && !unfenced {
            return stale("its cursor is elsewhere");
        }
        // Another plan may have led to the same cursor with other state.
        if plan.stands_on.is_some() && plan.stands_on != row.standing && !unfenced {
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
        let mut held = Vec::new();
        for output in std::mem::take(&mut plan.emitted) {
            if self.holds(&plan, &output) && self.find_output(&source, &output)?.is_none() {
                held.push(output);
                continue;
            }
            let taken = self.take_output(&source, plan.module, &output)?;
            reacted.new += usize::from(taken.new);
            if taken.different {
                reacted.different.push(Different { id: output.id, position: taken.position });
            }
            let addressee = output.extensions.into_iter().find(|(name, _)| name == ADDRESSEE).map(|(_, value)| value);
            let (cause, position, kind, r#type) = (output.cause, taken.position, output.kind, output.r#type);
            reacted.outputs.push(Made { cause, position, kind, r#type, addressee });
        }
        self.hold(&plan, held, &mut reacted);
        Ok((reacted, plan))
    }

    /// Appends an output, unless the log has it.
    pub(super) fn take_output(&mut self, source: &str, module: u32, output: &Emitted) -> Result<Taken, StoreError> {
        if let Some((position, same)) = self.find_output(source, output)? {
            return Ok(Taken { position, new: false, different: !same });
        }
        let hash = self.shared.hasher.id(source, &output.id);
        let position = self.builder.add_derived(source, module, output);
        self.index(position, hash, (output.kind, &output.r#type, &output.subject), &output.tags);
        if output.kind != Kind::Event {
            self.note_outside(position);
        }
        Ok(Taken { position, new: true, different: false })
    }

    /// Where an output is already, and whether it says the same there.
    fn find_output(&mut self, source: &str, output: &Emitted) -> Result<Option<(Position, bool)>, StoreError> {
        let hash = self.shared.hasher.id(source, &output.id);
        let suspect = self.suspects(&[hash])?[0];
        let mut found = None;
        for position in self.positions(hash, suspect)? {
            let same = self.with_event(position, |stored| {
                (stored.source == source && stored.id == output.id).then(|| output.says_the_same_as(stored))
            })?;
            found = same.map(|same| (position, same)).or(found);
        }
        Ok(found)
    }
}
