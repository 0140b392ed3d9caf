//! Clients that wait until their events are handled, and what they must be told.

use std::collections::{BTreeMap, BTreeSet};

use retold_engine::model::{FunctionKind, Kind, Position};
use retold_engine::run::{Outcome, Subscriptions, WaitId, Waits, Whom, World};
use retold_engine::store::{Accepted, Committed, Reader};

use crate::chance::Chance;
use crate::model::{Model, Status};

pub struct Waiting {
    on: bool,
    waits: Waits,
    subscriptions: Subscriptions,
    /// What each waits for; `false` once functions have changed since.
    begun: BTreeMap<WaitId, (Vec<Position>, bool)>,
}

impl Waiting {
    pub fn new(on: bool) -> Waiting {
        Waiting { on, waits: Waits::default(), subscriptions: Subscriptions::default(), begun: BTreeMap::new() }
    }

    /// How many wait still.
    pub fn left(&self) -> usize {
        self.begun.len()
    }

    /// Takes a commit into account; answers how many waits ended well. `model` is as after the commit.
    pub fn committed(&mut self, model: &Model, reader: &Reader, committed: &Committed, chance: &mut Chance) -> u64 {
        if !self.on {
            return 0;
        }
        let snapshot = reader.snapshot().expect("a snapshot can be taken");
        let functions: BTreeMap<_, _> = snapshot.functions().map(|row| (row.name.clone(), row.clone())).collect();
        self.subscriptions = Subscriptions::new(functions.values(), FunctionKind::Handler);
        let mut ended = Vec::new();
        let changed = committed
            .answers
            .iter()
            .any(|answer| matches!(answer, Ok(Accepted::Deployed { .. } | Accepted::Removed { .. } | Accepted::Controlled { .. })));
        if changed {
            self.begun.values_mut().for_each(|(_, exact)| *exact = false);
        }
        for answer in committed.answers.iter().flatten() {
            let mut world = World { subscriptions: &mut self.subscriptions, functions: &functions };
            match answer {
                Accepted::Appended(appended) if chance.percent(40) => {
                    let events: Vec<(Position, &str)> =
                        appended.positions.iter().map(|position| (*position, model.event(*position).r#type.as_str())).collect();
                    if let Ok(id) = self.waits.begin(Whom::All, &events, &mut world) {
                        // Repeats were handled before anybody waited; what they gave isn't told.
                        let new = appended.positions.len() == appended.new && !changed;
                        self.begun.insert(id, (appended.positions.clone(), new));
                    }
                }
                Accepted::Decided(decided) if decided.new && chance.percent(40) => {
                    let events: Vec<(Position, &str)> =
                        decided.events.iter().map(|position| (*position, model.event(*position).r#type.as_str())).collect();
                    if let Ok(id) = self.waits.begin(Whom::All, &events, &mut world) {
                        self.begun.insert(id, (decided.events.clone(), !changed));
                    }
                }
                Accepted::Reacted(reacted) => {
                    ended.extend(self.waits.reacted(reacted, &mut world));
                }
                _ => {}
            }
        }
        if committed.changes.functions {
            ended.extend(self.waits.functions_changed(&functions));
        }
        let mut well = 0;
        for (id, outcome) in ended {
            let (events, exact) = self.begun.remove(&id).expect("a wait ends once");
            well += u64::from(outcome.waiting.is_empty());
            check_outcome(model, &events, &outcome, exact);
        }
        if let (true, Some(id)) = (chance.percent(5), self.begun.keys().next().copied()) {
            let outcome = self.waits.give_up(id).expect("it has not ended");
            assert!(!outcome.waiting.is_empty(), "who gives up still waits for someone");
            self.begun.remove(&id);
        }
        well
    }
}

fn check_outcome(model: &Model, events: &[Position], outcome: &Outcome, exact: bool) {
    let mut all: BTreeSet<Position> = events.iter().copied().collect();
    let mut derived = BTreeSet::new();
    for event in &model.log {
        if event.cause.is_some_and(|cause| all.contains(&cause)) {
            all.insert(event.position);
            derived.extend((event.kind == Kind::Event).then_some(event.position));
        }
    }
    let told: BTreeSet<Position> = outcome.derived.iter().copied().collect();
    assert_eq!(told.len(), outcome.derived.len(), "told twice: {outcome:?}");
    assert!(told.is_subset(&derived), "{told:?} are not all of {derived:?}");
    if !outcome.waiting.is_empty() {
        return;
    }
    for (name, row) in model.functions.iter().filter(|(_, row)| row.status != Status::Retired && row.is_handler()) {
        let open = all.iter().find(|position| model.reads(row, model.event(**position)) && row.cursor < **position);
        assert!(!exact || open.is_none(), "{name} has not dealt with {open:?}, and {events:?} are said to be handled");
    }
    for row in model.functions.values().filter(|row| row.status != Status::Retired && row.is_aggregate()) {
        let open = all.iter().find(|position| model.is_to_decide(row, model.event(**position)));
        assert!(!exact || open.is_none(), "{open:?} is not decided, and {events:?} are said to be handled");
    }
    if exact {
        assert_eq!(told, derived);
    }
    for (function, position) in &outcome.parked {
        assert!(all.contains(position) && model.functions.contains_key(function));
    }
}
