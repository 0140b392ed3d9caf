//! The steps of one function of an upgrade: replayed on a shadow, or folded ahead; laid out; brought on.

use std::sync::Arc;

use retold_engine::model::{Digest, StateWrite};
use retold_engine::run::{Brought, CatchUp, Prepared, Reading, ReplayStep, Replayed, Stop, ViewStep};
use retold_engine::store::{Accepted, Portion, Prepare, PreparePart, Proposal, Refused, Snapshot};

use crate::guests::{SimGuest, can_fail};
use crate::model::Model;
use crate::upgrades::{LayOut, Part, Upgrade, Way, Went};
use crate::world::{From, Host, InFlight, Pending, PowerLost, World};

impl World {
    /// A part goes on by one step.
    pub fn advance(&mut self, host: &mut Host, upgrade: &mut Upgrade, index: usize, snapshot: &Snapshot) -> Result<Went, InFlight> {
        match &upgrade.parts[index].way {
            Way::Replay(..) => self.replay(upgrade, index, snapshot).map_err(InFlight::nothing),
            Way::View { .. } => {
                let events = self.chance.between(1, 60) as usize;
                self.fold_ahead(upgrade, index, snapshot, events).map_err(InFlight::nothing)
            }
            Way::LayOut(_) => self.lay_out(host, &mut upgrade.parts[index]),
            Way::CatchUp { .. } => self.catch_up(host, upgrade, index, snapshot),
        }
    }

    /// The code that a function runs by then.
    fn code_of(&self, then: &Model, function: &str) -> Arc<SimGuest> {
        Arc::new(SimGuest { version: then.functions[function].version, outside: self.outside.clone() })
    }

    fn replay(&mut self, upgrade: &mut Upgrade, index: usize, snapshot: &Snapshot) -> Result<Went, PowerLost> {
        let (module, then) = (upgrade.module, upgrade.then.clone());
        let Part { function, identity, way } = &mut upgrade.parts[index];
        let Way::Replay(replay, shadow) = way else { return Ok(Went::Over) };
        let guests = self.guests();
        let reading = Reading::with_candidate(snapshot, &guests, &module.manifest(), self.candidate(module));
        let row = snapshot.function(&function.name).expect("it is needed").clone();
        let replayed = Replayed { manifest: function.clone(), follows: Some(row.clone()), identity: *identity };
        if self.chance.percent(10) {
            replay.flush(shadow).or_else(|error| self.lost(&error))?;
        }
        let portion = Portion { events: *self.chance.pick(&[3, 40, 400]), bytes: usize::MAX };
        let prepared = replay.prepare(&reading, &replayed, shadow, portion).or_else(|error| self.lost(&error))?;
        let Prepared::Parts(parts) = prepared else { panic!("a replay never waits") };
        let guest = self.code_of(&then, &row.name);
        let mut folded: Vec<_> = parts.iter().map(|part| part.fold(&*guest, &mut |_, _| {})).collect();
        self.chance.shuffle(&mut folded);
        let step = replay.finish(shadow, folded).or_else(|error| self.lost(&error))?;
        self.note(&step);
        let report = replay.report();
        if report.failures > 0 {
            for failed in &report.failed {
                let (event, row) = (self.model.event(failed.position), &then.functions[&row.name]);
                assert!(can_fail(row.function.name, &event.data) || then.can_be_too_old(row, event), "{failed:?}");
            }
            return Ok(Went::Over);
        }
        Ok(match step {
            ReplayStep::Level { through_commit } => {
                let rows = shadow.snapshot().and_then(|rows| rows.scan("", None, usize::MAX)).or_else(|error| self.lost(&error))?;
                if let Some(expected) = self.model.refold_of(&row.name, *identity, through_commit) {
                    assert_eq!(rows, expected.into_iter().collect::<Vec<_>>(), "{} replayed up to commit {through_commit}", row.name);
                }
                let rows = rows.into_iter().map(|(key, value)| StateWrite { key, value: Some(value) }).collect();
                *way = Way::LayOut(LayOut { rows, slot: None, through_commit });
                Went::On
            }
            ReplayStep::Went { .. } | ReplayStep::StartAgain => Went::On,
            ReplayStep::Unavailable(_) => Went::Later,
            ReplayStep::Failed { position, reason, message } => panic!("{} can't be replayed at {position}: {reason}, {message}", row.name),
        })
    }

    /// Folds the rows of a view before its code runs.
    pub fn fold_ahead(&mut self, upgrade: &mut Upgrade, index: usize, snapshot: &Snapshot, events: usize) -> Result<Went, PowerLost> {
        let (module, then) = (upgrade.module, upgrade.then.clone());
        let part = &mut upgrade.parts[index];
        let Way::View { projector, file, row, level } = &mut part.way else { return Ok(Went::Over) };
        let guests = self.guests();
        let reading = Reading::with_candidate(snapshot, &guests, &module.manifest(), self.candidate(module));
        let portion = Portion { events, bytes: usize::MAX };
        let parts = match projector.prepare(&reading, row, file, portion, self.now).or_else(|error| self.lost(&error))? {
            Prepared::Parts(parts) => parts,
            Prepared::Later(at) => {
                self.now = self.now.max(at);
                return Ok(Went::Later);
            }
            Prepared::Inactive => return Ok(Went::Over),
            Prepared::Idle => {
                projector.flush(file).or_else(|error| self.lost(&error))?;
                self.note_durable(file);
                self.check_rows(&then, &row.name, file)?;
                *level = true;
                return Ok(Went::On);
            }
        };
        let guest = self.code_of(&then, &row.name);
        let mut folded: Vec<_> = parts.iter().map(|part| part.fold(&*guest, &mut |_, _| {})).collect();
        self.chance.shuffle(&mut folded);
        let step = projector.finish(file, folded, self.now).or_else(|error| self.lost(&error))?;
        self.note(&step);
        Ok(match step {
            ViewStep::Failed { not_before: None, .. } => Went::Over,
            _ => Went::On,
        })
    }

    /// Proposes a part of a preparation, perhaps together with what waits. Answers the slot, unless what it
    /// stood on is no longer so.
    fn prepare(&mut self, host: &mut Host, function: &str, identity: Digest, part: PreparePart) -> Result<Option<u32>, InFlight> {
        let proposal = Proposal::Prepare(Prepare { function: function.to_owned(), identity, part });
        match self.propose_among_others(host, proposal)? {
            Ok(Accepted::Prepared { slot }) => Ok(Some(slot)),
            Err(Refused::NotPrepared { .. }) => Ok(None),
            other => panic!("a preparation was answered {other:?}"),
        }
    }

    pub fn propose_among_others(&mut self, host: &mut Host, proposal: Proposal) -> Result<Result<Accepted, Refused>, InFlight> {
        let others = if self.options.proposals_per_commit > 1 { self.chance.below(3) as usize } else { 0 };
        let mut group: Vec<Pending> = host.inbox.drain(..others.min(host.inbox.len())).collect();
        let at = self.chance.index(group.len() + 1);
        group.insert(at, Pending { proposal, from: From::Outside });
        Ok(self.commit_and_hear(host, group)?.swap_remove(at))
    }

    /// The shadow's rows go into a slot of their own, a few at a time.
    fn lay_out(&mut self, host: &mut Host, part: &mut Part) -> Result<Went, InFlight> {
        let (name, identity) = (part.function.name.clone(), part.identity);
        let Way::LayOut(laid) = &mut part.way else { return Ok(Went::Over) };
        let through_commit = laid.through_commit;
        let step = if laid.slot.is_none() {
            PreparePart::Begin
        } else if laid.rows.is_empty() {
            PreparePart::Done { through_commit }
        } else {
            let count = self.chance.between(1, 8) as usize;
            PreparePart::Rows(laid.rows.drain(..count.min(laid.rows.len())).collect())
        };
        let done = matches!(step, PreparePart::Done { .. });
        let Some(slot) = self.prepare(host, &name, identity, step)? else { return Ok(Went::Over) };
        laid.slot = Some(slot);
        if done {
            part.way = Way::CatchUp { slot, stands_on: through_commit, level: false };
        }
        Ok(Went::On)
    }

    /// What the record says beyond what the slot has is put to it.
    fn catch_up(&mut self, host: &mut Host, upgrade: &mut Upgrade, index: usize, snapshot: &Snapshot) -> Result<Went, InFlight> {
        let portion = Portion { events: self.chance.between(1, 60) as usize, bytes: usize::MAX };
        let brought = match self.bring_on(upgrade, index, snapshot, portion).map_err(InFlight::nothing)? {
            Ok(brought) => brought,
            Err(went) => return Ok(went),
        };
        let Part { function, identity, way, .. } = &mut upgrade.parts[index];
        let Way::CatchUp { stands_on, level, .. } = way else { return Ok(Went::Over) };
        *level = brought.level;
        let through_commit = brought.through_commit;
        if through_commit > *stands_on {
            let step = PreparePart::On { stands_on: *stands_on, writes: brought.writes, through_commit };
            if self.prepare(host, &function.name, *identity, step)?.is_none() {
                return Ok(Went::Over);
            }
            *stands_on = through_commit;
        }
        Ok(Went::On)
    }

    pub fn bring_on(
        &mut self,
        upgrade: &Upgrade,
        index: usize,
        snapshot: &Snapshot,
        portion: Portion,
    ) -> Result<Result<Brought, Went>, PowerLost> {
        let part = &upgrade.parts[index];
        let Way::CatchUp { slot, stands_on, .. } = &part.way else { return Ok(Err(Went::Over)) };
        let guests = self.guests();
        let reading = Reading::with_candidate(snapshot, &guests, &upgrade.module.manifest(), self.candidate(upgrade.module));
        let row = snapshot.function(&part.function.name).expect("it is needed");
        let guest = self.code_of(&upgrade.then, &row.name);
        let mut catch_up = CatchUp::new(*slot, *stands_on);
        let brought = catch_up.step(&reading, &part.function, row, &*guest, portion, &mut |_, _| {});
        Ok(match brought.or_else(|error| self.lost(&error))? {
            Ok(brought) => Ok(brought),
            Err(Stop::Unavailable(_)) => Err(Went::Later),
            Err(Stop::Undone) => Err(Went::Over),
            Err(Stop::Failed { position, fault, .. }) => {
                let (event, row) = (self.model.event(position), &upgrade.then.functions[&row.name]);
                assert!(can_fail(row.function.name, &event.data) || upgrade.then.can_be_too_old(row, event), "{fault:?} at {event:?}");
                Err(Went::Over)
            }
        })
    }
}
