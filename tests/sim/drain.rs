//! Without chance: every function in turn, until everything is handled.

use retold_engine::model::{Timestamp, WhichParked};
use retold_engine::run::{Reading, Step};
use retold_engine::store::{Control, Proposal};

use crate::functions::Slot;
use crate::model::Status;
use crate::world::{From, Host, InFlight, Pending, PowerLost, World};

impl World {
    /// With everything working, everything is handled.
    pub fn drain(&mut self, host: &mut Host) {
        self.outside.calm();
        let mut rounds = 0;
        while self.unfinished(host) {
            rounds += 1;
            assert!(rounds < 2_000, "functions don't come to rest: {:?}", self.model.functions);
            for name in self.model.functions.keys().cloned().collect::<Vec<_>>() {
                let row = &self.model.functions[&name];
                let control = match row.status {
                    Status::Paused | Status::Halted(_) => Control::Resume,
                    Status::Active
                        if row.parked.values().any(|parked| parked.reason != "hops" && !parked.released) && !goes_in_circles(&name) =>
                    {
                        Control::Release(WhichParked::All)
                    }
                    _ => continue,
                };
                host.inbox.push_back(Pending { proposal: Proposal::Control { function: name, control }, from: From::Outside });
            }
            self.round(host).unwrap_or_else(|_| panic!("there is power"));
        }
    }

    /// Each function makes one plan, and what waits is committed.
    pub fn round(&mut self, host: &mut Host) -> Result<(), InFlight> {
        self.plan(host).map_err(InFlight::nothing)?;
        self.ask_too(host, Vec::new())
    }

    /// Each function makes one plan.
    pub fn plan(&mut self, host: &mut Host) -> Result<(), PowerLost> {
        for (slot, ticket, how) in std::mem::take(&mut host.unsettled) {
            host.functions.settled(slot, ticket, how);
        }
        for slot in host.functions.all(&self.model) {
            self.step_now(host, slot)?;
        }
        self.pass_ms(40_000);
        Ok(())
    }

    pub fn pass_ms(&mut self, ms: i64) {
        self.now = Timestamp(self.now.0.saturating_add_signed(ms * 1_000));
    }

    /// Commits what waits, and after it what somebody asks for.
    pub fn ask_too(&mut self, host: &mut Host, proposals: Vec<Proposal>) -> Result<(), InFlight> {
        let asked = proposals.into_iter().map(|proposal| Pending { proposal, from: From::Outside });
        let group = host.inbox.drain(..).chain(asked).collect();
        self.commit_group(host, group)
    }

    /// Commits what somebody asks for, at once.
    pub fn ask(&mut self, host: &mut Host, proposals: Vec<Proposal>) -> Result<(), InFlight> {
        self.commit_group(host, proposals.into_iter().map(|proposal| Pending { proposal, from: From::Outside }).collect())
    }

    fn step_now(&mut self, host: &mut Host, slot: Slot) -> Result<(), PowerLost> {
        let snapshot = match host.store.reader().snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => return self.lost(&error),
        };
        let guests = self.guests();
        let step = match host.functions.runner(slot).step(&Reading::new(&snapshot, &guests), self.now, &mut |_, _| {}) {
            Ok(step) => step,
            Err(error) => return self.lost(&error),
        };
        self.note(&step);
        if let Step::Plan(ticket, plan) = step {
            host.inbox.push_back(Pending { proposal: Proposal::Reaction(*plan), from: From::Runner(slot, ticket) });
        }
        Ok(())
    }

    fn unfinished(&self, host: &Host) -> bool {
        let model = &self.model;
        !host.inbox.is_empty()
            || !host.unsettled.is_empty()
            || model.functions.iter().filter(|(_, row)| row.is_handler() || row.is_aggregate()).any(|(name, row)| match row.status {
                Status::Retired => false,
                Status::Paused | Status::Halted(_) => true,
                Status::Active => {
                    row.rebuilding.is_some()
                        || row.parked.values().any(|parked| parked.released || (parked.reason != "hops" && !goes_in_circles(name)))
                        || model.log[row.cursor.0 as usize..]
                            .iter()
                            .any(|event| if row.is_aggregate() { model.is_to_decide(row, event) } else { model.reads(row, event) })
                }
            })
    }
}

/// What is released of these comes back for ever.
fn goes_in_circles(function: &str) -> bool {
    matches!(function, "circle" | "pusher" | "pushed")
}
