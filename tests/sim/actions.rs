//! What happens between two power cuts, one action at a time: clients, functions, the operator, the
//! housekeeper and readers, as the seed says.

use retold_engine::model::{COMMAND_REFUSED, Class, Event, Kind, Plan, Position, Processing, Timestamp, WhichParked};
use retold_engine::run::{Reading, Settled, Step, Ticket};
use retold_engine::store::{Accepted, Control, Proposal, Refused};

use crate::functions::Slot;
use crate::guests::MODULES;
use crate::judge;
use crate::model::Row;
use crate::oracle;
use crate::world::{From, Host, InFlight, Pending, PowerLost, World, deploy};

impl World {
    pub fn act(&mut self, host: &mut Host) -> Result<(), InFlight> {
        let options = self.options.clone();
        let weights = [
            options.appends,
            options.steps,
            options.appends + (options.steps + options.commands) / 2,
            options.controls,
            options.deploys,
            options.housekeeping,
            options.commands,
            3,
            options.folds,
            options.upgrades,
        ];
        let mut at = self.chance.below(weights.iter().sum());
        let action = weights.iter().position(|weight| match at.checked_sub(*weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        self.now = if self.chance.percent(5) {
            Timestamp(self.now.0 - self.chance.below(5_000_000))
        } else {
            Timestamp(self.now.0 + self.chance.below(400_000))
        };
        match action.unwrap_or_default() {
            0 => {
                let append = self.load.append(&self.options, &mut self.chance, &self.model);
                host.inbox.push_back(Pending { proposal: Proposal::Append(append), from: From::Outside });
                Ok(())
            }
            1 => self.step(host).map_err(InFlight::nothing),
            2 => self.commit(host),
            3 => {
                if let Some(proposal) = self.control() {
                    host.inbox.push_back(Pending { proposal, from: From::Outside });
                }
                Ok(())
            }
            4 => {
                let proposal = self.deployment();
                host.inbox.push_back(Pending { proposal, from: From::Outside });
                Ok(())
            }
            5 => self.housekeep(host).map_err(InFlight::nothing),
            6 => self.command(host).map_err(InFlight::nothing),
            7 => self.look(host).map_err(InFlight::nothing),
            8 => self.act_on_view(host).map_err(InFlight::nothing),
            _ => self.act_on_upgrade(host),
        }
    }

    /// Some function makes a plan, or is told how its last one ended.
    fn step(&mut self, host: &mut Host) -> Result<(), PowerLost> {
        if !host.unsettled.is_empty() && self.chance.percent(50) {
            let (slot, ticket, how) = host.unsettled.remove(self.chance.index(host.unsettled.len()));
            host.functions.settled(slot, ticket, how);
            return Ok(());
        }
        let Some(slot) = host.functions.draw(&self.model, &mut self.chance) else { return Ok(()) };
        let fresh = match host.store.reader().snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => return self.lost(&error),
        };
        let stale = !host.held.is_empty() && self.chance.percent(self.options.stale_snapshots);
        let snapshot = if stale { self.chance.pick(&host.held) } else { &fresh };
        let guests = self.guests();
        match host.functions.runner(slot).step(&Reading::new(snapshot, &guests), self.now, &mut |_, _| {}) {
            Ok(Step::Plan(ticket, plan)) => self.propose(host, slot, ticket, *plan),
            Ok(Step::Later(at)) if self.chance.percent(50) => self.now = self.now.max(at),
            Ok(step) => {
                self.note(&step);
                host.functions.idle(slot, matches!(step, Step::Idle));
            }
            Err(error) => return self.lost(&error),
        }
        Ok(())
    }

    fn propose(&mut self, host: &mut Host, slot: Slot, ticket: Ticket, plan: Plan) {
        self.note(&plan);
        let pending = Pending { proposal: Proposal::Reaction(plan), from: From::Runner(slot, ticket) };
        // A plan may be lost on its way; its runner is told.
        if self.chance.percent(3) {
            host.unsettled.push((slot, ticket, Settled::Refused));
        } else {
            host.inbox.push_back(pending);
        }
    }

    /// The writer takes some of what waits.
    fn commit(&mut self, host: &mut Host) -> Result<(), InFlight> {
        if self.chance.percent(self.options.shuffled) {
            let mut all: Vec<Pending> = host.inbox.drain(..).collect();
            self.chance.shuffle(&mut all);
            host.inbox = all.into();
        }
        let count = self.chance.between(0, self.options.proposals_per_commit) as usize;
        let group: Vec<Pending> = host.inbox.drain(..count.min(host.inbox.len())).collect();
        self.commit_group(host, group)
    }

    pub fn commit_group(&mut self, host: &mut Host, group: Vec<Pending>) -> Result<(), InFlight> {
        self.commit_and_hear(host, group).map(drop)
    }

    /// The same, with what was answered.
    pub fn commit_and_hear(&mut self, host: &mut Host, group: Vec<Pending>) -> Result<Vec<Result<Accepted, Refused>>, InFlight> {
        let proposals: Vec<Proposal> = group.iter().map(|pending| pending.proposal.clone()).collect();
        let committed = match host.store.commit(proposals.clone(), self.now) {
            Ok(committed) => committed,
            Err(error) => {
                assert!(!self.disk.has_power() || self.disk.failed() > 0, "there is power, and yet: {error}");
                assert!(host.store.reader().is_poisoned());
                return Err(InFlight(proposals));
            }
        };
        self.counts.commits += 1;
        self.note(&committed.answers);
        let before = self.model.head();
        let fresh: Vec<Event> =
            committed.changes.records.iter().flat_map(|record| record.events().map(|event| event.to_event()).collect::<Vec<_>>()).collect();
        judge::check_answers(&mut self.model, &mut host.broken, &proposals, &committed.answers, &fresh);
        for record in &committed.changes.records {
            self.model.feed(record);
            let entries = record.processing().expect("processing entries can be read");
            let parked = entries.iter().map(|entry| match entry {
                Processing::Reaction { parked, .. } => parked.iter().filter(|parked| parked.reason == "upcast").count() as u64,
                _ => 0,
            });
            self.counts.upcast_parked += parked.sum::<u64>();
            self.count_sent(&entries);
        }
        let sent = |event: &&Event| event.kind == Kind::Command && event.class == Class::Derived;
        self.counts.sent += fresh.iter().filter(sent).count() as u64;
        self.counts.sent_refused += fresh.iter().filter(|event| event.r#type == COMMAND_REFUSED).count() as u64;
        judge::check_different(&self.model, &committed.answers);
        self.model.note_codes(&host.store.reader());
        assert_eq!(host.store.head(), self.model.head());
        assert_eq!(before.0 + fresh.len() as u64, self.model.head().0);
        for (pending, answer) in group.into_iter().zip(&committed.answers) {
            self.count(answer);
            if let Proposal::Deploy(deploy) = &pending.proposal {
                let switched = answer.is_ok() && !deploy.levels.is_empty();
                self.counts.switched += u64::from(switched);
                self.counts.rolled_back += u64::from(switched && deploy.rollback);
                self.counts.not_level += u64::from(matches!(answer, Err(Refused::NotLevel { .. })) && !deploy.levels.is_empty());
            }
            if let From::Runner(slot, ticket) = pending.from {
                host.unsettled.push((slot, ticket, if answer.is_ok() { Settled::Committed } else { Settled::Refused }));
            }
        }
        let ended = host.waiting.committed(&self.model, &host.store.reader(), &committed, &mut self.chance);
        self.counts.waits += ended;
        Ok(committed.answers)
    }

    fn count_sent(&mut self, entries: &[Processing]) {
        for entry in entries {
            let Processing::Reaction { function, parked, .. } = entry else { continue };
            if self.model.functions.get(function).is_some_and(Row::is_aggregate) {
                self.counts.sent_parked += parked.len() as u64;
                self.counts.circled += parked.iter().filter(|parked| parked.reason == "hops").count() as u64;
            }
        }
    }

    fn count(&mut self, answer: &Result<Accepted, Refused>) {
        match answer {
            Ok(Accepted::Reacted(reacted)) => self.counts.parked += reacted.parked.len() as u64,
            Ok(Accepted::Decided(decided)) if decided.new => self.counts.decided += 1,
            Ok(Accepted::Decided(_)) => self.counts.repeated += 1,
            Ok(_) => {}
            Err(Refused::Conflict { .. }) => self.counts.conflicts += 1,
            Err(_) => self.counts.refused += 1,
        }
    }

    fn control(&mut self) -> Option<Proposal> {
        if self.chance.percent(20) {
            let r#type = self.chance.pick(&["a.small", "b.one"]).to_string();
            let schema = self.chance.percent(60).then(|| format!("{{\"title\":\"{}\"}}", self.chance.below(3)));
            return Some(Proposal::SetSchema { r#type, schema });
        }
        let names: Vec<&String> = self.model.functions.keys().collect();
        if names.is_empty() {
            return None;
        }
        let function = (*self.chance.pick(&names)).clone();
        let row = &self.model.functions[&function];
        let control = match self.chance.below(10) {
            0 => Control::Pause,
            1..=3 => Control::Resume,
            4 | 5 => {
                self.counts.rebuilds += 1;
                let most = row.cursor.0 + u64::from(self.chance.percent(10));
                Control::Rewind(Position(self.chance.between(row.start.0.min(most), most)))
            }
            _ => {
                self.outside.set_healed(self.chance.percent(50));
                let parked: Vec<(&Position, &String)> = row.parked.iter().map(|(position, parked)| (position, &parked.subject)).collect();
                let which = match self.chance.below(10) {
                    _ if parked.is_empty() => WhichParked::All,
                    0..=3 => WhichParked::All,
                    4..=6 => WhichParked::Subject(self.chance.pick(&parked).1.clone()),
                    _ => WhichParked::One(*self.chance.pick(&parked).0),
                };
                if self.chance.percent(15) {
                    self.counts.skipped += 1;
                    Control::Skip { which, reason: "of no use".into() }
                } else {
                    self.counts.released += 1;
                    Control::Release(which)
                }
            }
        };
        Some(Proposal::Control { function, control })
    }

    fn deployment(&mut self) -> Proposal {
        let module = self.chance.pick(MODULES);
        if self.chance.percent(8) {
            return Proposal::Remove { module: module.name.to_owned(), levels: Vec::new() };
        }
        deploy(module)
    }

    /// Segments: closes the tail, writes a file, names it. A seal and a merge may be under way at once.
    fn housekeep(&mut self, host: &mut Host) -> Result<(), PowerLost> {
        let kind = self.chance.index(2);
        if let Some(sealed) = host.written[kind].take() {
            return host.store.adopt(sealed).or_else(|error| self.lost(&error));
        }
        match self.chance.below(6) {
            0 => host.store.delete_leftover_rows().map(drop).or_else(|error| self.lost(&error)),
            1 | 2 => {
                host.store.close_tail();
                Ok(())
            }
            _ => {
                let reader = host.store.reader();
                let due = if kind == 0 { reader.seal_due() } else { reader.merge_due() };
                let Some(work) = due else {
                    host.store.close_tail();
                    return Ok(());
                };
                self.counts.seals += u64::from(kind == 0);
                self.counts.merges += u64::from(kind == 1);
                host.written[kind] = Some(reader.housekeep(work).or_else(|error| self.lost(&error))?);
                Ok(())
            }
        }
    }

    /// Somebody reads: now, or in a snapshot that was taken long ago.
    fn look(&mut self, host: &mut Host) -> Result<(), PowerLost> {
        if self.chance.percent(self.options.commands * 2) {
            return self.ask_state(host);
        }
        if self.chance.percent(3) {
            return self.fork(host);
        }
        match self.chance.below(4) {
            0 => {
                host.held.push(match host.store.reader().snapshot() {
                    Ok(snapshot) => snapshot,
                    Err(error) => return self.lost(&error),
                });
            }
            1 if host.held.len() > 2 => drop(host.held.remove(0)),
            2 => oracle::check_all(&self.model, &host.store.reader(), &mut self.chance),
            _ if !host.held.is_empty() => {
                let snapshot = self.chance.pick(&host.held);
                let log = &self.model.log[..snapshot.head().0 as usize];
                oracle::check_reads(log, snapshot, &mut self.chance.clone(), 3);
            }
            _ => {}
        }
        Ok(())
    }
}
