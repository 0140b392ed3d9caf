//! The runners of a simulated host: one a function, or two that don't know of each other.

use std::collections::BTreeSet;

use retold_engine::run::{Runner, Settled, Ticket};

use crate::chance::Chance;
use crate::model::{Model, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

pub struct Functions {
    runners: Vec<Runner>,
    /// Runners of one function.
    each: usize,
    /// Those that had nothing to do when last asked: asked less often.
    idle: BTreeSet<usize>,
}

impl Functions {
    pub fn new(rivals: bool) -> Functions {
        Functions { runners: Vec::new(), each: if rivals { 2 } else { 1 }, idle: BTreeSet::new() }
    }

    /// All slots of functions that run, in name order.
    pub fn all(&mut self, model: &Model) -> Vec<Slot> {
        for (name, row) in &model.functions {
            let there = self.runners.iter().filter(|runner| runner.function() == name).count();
            if row.status != Status::Retired && (row.is_handler() || row.is_aggregate()) && there == 0 {
                self.runners.extend((0..self.each).map(|_| Runner::new(name)));
            }
        }
        (0..self.runners.len()).map(Slot).collect()
    }

    pub fn draw(&mut self, model: &Model, chance: &mut Chance) -> Option<Slot> {
        let all = self.all(model);
        if all.is_empty() {
            return None;
        }
        let first = *chance.pick(&all);
        Some(if self.idle.contains(&first.0) { *chance.pick(&all) } else { first })
    }

    pub fn runner(&mut self, slot: Slot) -> &mut Runner {
        &mut self.runners[slot.0]
    }

    pub fn idle(&mut self, slot: Slot, idle: bool) {
        if idle {
            self.idle.insert(slot.0)
        } else {
            self.idle.remove(&slot.0)
        };
    }

    pub fn settled(&mut self, slot: Slot, ticket: Ticket, how: Settled) {
        self.runners[slot.0].settled(ticket, how);
    }
}
