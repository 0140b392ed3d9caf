//! `wait=handled`: who waits for which event to be dealt with by which function, transitively.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::subscriptions::Subscriptions;
use crate::model::{FunctionKind, Kind, Position};
use crate::store::{FunctionRow, FunctionStatus, MadeOutput, Reacted};

pub type WaitId = u64;

/// How a wait ended, or how far it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Events that were made, directly or not, in order.
    pub derived: Vec<Position>,
    pub parked: Vec<(String, Position)>,
    /// Functions that still have to deal with something; none if the wait is complete.
    pub waiting: Vec<String>,
}

/// For whom a wait waits, of those that have to deal with something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whom {
    /// For all, and it ends where one of them doesn't run.
    #[default]
    All,
    /// For those that run. One that doesn't holds nothing up.
    WhoRuns,
}

#[derive(Debug, Default)]
pub struct Waits {
    waits: BTreeMap<WaitId, Wait>,
    /// Who waits for an event.
    by_position: BTreeMap<Position, Vec<WaitId>>,
    next: WaitId,
}

#[derive(Debug, Default)]
struct Wait {
    whom: Whom,
    open: BTreeSet<(Position, Arc<str>)>,
    /// What was made of it, commands too: a function that was rewound makes its outputs again.
    derived: BTreeSet<Position>,
    outcome: Outcome,
}

/// What is known of the functions while a wait is begun or goes on.
pub struct World<'a> {
    pub subscriptions: &'a mut Subscriptions,
    pub functions: &'a BTreeMap<String, Arc<FunctionRow>>,
}

impl Waits {
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// Begins to wait for these events. `Err` is the answer where there is nothing to wait for, or
    /// nobody to wait for: a function on the way that doesn't run.
    pub fn begin(&mut self, whom: Whom, events: &[(Position, &str)], world: &mut World<'_>) -> Result<WaitId, Outcome> {
        let mut wait = Wait { whom, ..Wait::default() };
        for (position, r#type) in events {
            expect_event(&mut wait, *position, r#type, None, world);
        }
        if wait.open.is_empty() || !wait.outcome.waiting.is_empty() {
            return Err(wait.outcome);
        }
        self.next += 1;
        for position in wait.open.iter().map(|(position, _)| *position).collect::<BTreeSet<_>>() {
            self.by_position.entry(position).or_default().push(self.next);
        }
        self.waits.insert(self.next, wait);
        Ok(self.next)
    }

    /// A function dealt with events, or an aggregate with commands. Answers the waits that ended.
    pub fn reacted(&mut self, reacted: &Reacted, world: &mut World<'_>) -> Vec<(WaitId, Outcome)> {
        if self.waits.is_empty() {
            return Vec::new();
        }
        let mut touched = BTreeSet::new();
        for made in &reacted.outputs {
            let position = made.position;
            for id in self.by_position.get(&made.cause).cloned().unwrap_or_default() {
                let Some(wait) = self.waits.get_mut(&id) else { continue };
                if !wait.derived.insert(position) {
                    continue;
                }
                expect(wait, made, world);
                if wait.open.range((position, Arc::from(""))..).next().is_some_and(|(open, _)| *open == position) {
                    self.by_position.entry(position).or_default().push(id);
                }
                touched.insert(id);
            }
        }
        let function: Arc<str> = Arc::from(reacted.function.as_str());
        for position in &reacted.handled {
            let Some(ids) = self.by_position.get(position) else { continue };
            let ids = ids.clone();
            for id in &ids {
                let Some(wait) = self.waits.get_mut(id) else { continue };
                wait.open.remove(&(*position, function.clone()));
                if reacted.parked.contains(position) {
                    wait.outcome.parked.push((reacted.function.clone(), *position));
                }
                touched.insert(*id);
            }
        }
        self.end(touched, |wait| wait.open.is_empty() || !wait.outcome.waiting.is_empty())
    }

    /// Functions changed: waits for one that doesn't run any more end, or go on without it.
    pub fn functions_changed(&mut self, functions: &BTreeMap<String, Arc<FunctionRow>>) -> Vec<(WaitId, Outcome)> {
        let runs = |name: &str| functions.get(name).is_some_and(|row| row.is_active() && row.rebuild.is_none());
        let ids: BTreeSet<WaitId> =
            self.waits.iter().filter(|(_, wait)| wait.open.iter().any(|(_, function)| !runs(function))).map(|(id, _)| *id).collect();
        for id in &ids {
            if let Some(wait) = self.waits.get_mut(id) {
                let stopped: BTreeSet<String> =
                    wait.open.iter().filter(|(_, function)| !runs(function)).map(|(_, function)| function.to_string()).collect();
                match wait.whom {
                    Whom::All => wait.outcome.waiting = stopped.into_iter().collect(),
                    Whom::WhoRuns => wait.open.retain(|(_, function)| runs(function)),
                }
            }
        }
        self.end(ids, |wait| wait.open.is_empty() || !wait.outcome.waiting.is_empty())
    }

    /// Ends a wait before its time; `None` if it has ended.
    pub fn give_up(&mut self, id: WaitId) -> Option<Outcome> {
        let waiting: BTreeSet<String> = self.waits.get(&id)?.open.iter().map(|(_, function)| function.to_string()).collect();
        let (_, mut outcome) = self.end(BTreeSet::from([id]), |_| true).pop()?;
        outcome.waiting = waiting.into_iter().collect();
        Some(outcome)
    }

    fn end(&mut self, ids: BTreeSet<WaitId>, ended: impl Fn(&Wait) -> bool) -> Vec<(WaitId, Outcome)> {
        let mut outcomes = Vec::new();
        for id in ids {
            if !self.waits.get(&id).is_some_and(&ended) {
                continue;
            }
            if let Some(wait) = self.waits.remove(&id) {
                outcomes.push((id, wait.outcome));
            }
        }
        if !outcomes.is_empty() {
            let waits = &self.waits;
            self.by_position.retain(|_, ids| {
                ids.retain(|id| waits.contains_key(id));
                !ids.is_empty()
            });
        }
        outcomes
    }
}

/// Enters what has to be done with an output. Nobody waits for timers and requests.
fn expect(wait: &mut Wait, made: &MadeOutput, world: &mut World<'_>) {
    match made.kind {
        Kind::Event => {
            wait.outcome.derived.push(made.position);
            expect_event(wait, made.position, &made.r#type, made.addressee.as_deref(), world);
        }
        Kind::Command => {
            let decides = |row: &&Arc<FunctionRow>| row.status != FunctionStatus::Retired && row.is_to_decide(&made.r#type, made.position);
            if let Some(row) = world.functions.values().find(decides) {
                expect_of(wait, made.position, row, Arc::from(row.name.as_str()));
            }
        }
        Kind::Timer | Kind::Request => {}
    }
}

/// Enters what has to be done with an event.
fn expect_event(wait: &mut Wait, position: Position, r#type: &str, addressee: Option<&str>, world: &mut World<'_>) {
    for function in world.subscriptions.readers(r#type).iter() {
        let Some(row) = world.functions.get(&**function) else { continue };
        // An aggregate folds when it is asked; nobody waits for views; an answer is for one function.
        let is_for = addressee.is_none_or(|addressee| addressee == row.name);
        if row.manifest.kind == FunctionKind::Handler && is_for {
            expect_of(wait, position, row, function.clone());
        }
    }
}

/// Enters that a function has to deal with something, or that it will not.
fn expect_of(wait: &mut Wait, position: Position, row: &FunctionRow, function: Arc<str>) {
    let retired = row.status == FunctionStatus::Retired;
    if retired || (row.cursor >= position && row.rebuild.is_none()) {
        return;
    }
    if !row.is_active() || row.rebuild.is_some() {
        if wait.whom == Whom::All && !wait.outcome.waiting.contains(&row.name) {
            wait.outcome.waiting.push(row.name.clone());
        }
        return;
    }
    wait.open.insert((position, function));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, event, function};
    use super::*;
    use crate::store::Control;

    /// `a` is read by `first` and `second`; what `first` makes of it, `b`, is read by `second`.
    struct Story {
        world: testing::World,
        waits: Waits,
    }

    impl Story {
        fn new() -> Story {
            let mut world = testing::World::new(&[function("first", &["a"], &["b"]), function("second", &["a", "b"], &[])]);
            // Position 2.
            world.append(vec![event("1", "a", "x")]);
            Story { world, waits: Waits::default() }
        }

        fn with<T>(&mut self, run: impl FnOnce(&mut Waits, &mut World<'_>) -> T) -> T {
            let functions: BTreeMap<String, Arc<FunctionRow>> =
                self.world.snapshot().functions().map(|row| (row.name.clone(), row.clone())).collect();
            let mut subscriptions = Subscriptions::new(functions.values(), crate::model::FunctionKind::Handler);
            run(&mut self.waits, &mut World { subscriptions: &mut subscriptions, functions: &functions })
        }

        fn begin(&mut self) -> Result<WaitId, Outcome> {
            self.begin_for(Whom::All)
        }

        fn begin_for(&mut self, whom: Whom) -> Result<WaitId, Outcome> {
            self.with(|waits, world| waits.begin(whom, &[(Position(2), "a")], world))
        }

        fn reacted(&mut self, function: &str, handled: u64, parked: bool, outputs: &[(u64, u64, &str)]) -> Vec<(WaitId, Outcome)> {
            let handled = vec![Position(handled)];
            let parked = if parked { handled.clone() } else { Vec::new() };
            let made = |(cause, position, r#type): &(u64, u64, &str)| MadeOutput {
                cause: Position(*cause),
                position: Position(*position),
                kind: Kind::Event,
                r#type: (*r#type).into(),
                addressee: None,
            };
            let outputs = outputs.iter().map(made).collect();
            let reacted = Reacted { function: function.into(), handled, parked, outputs, ..Reacted::default() };
            self.with(|waits, world| waits.reacted(&reacted, world))
        }
    }

    #[test]
    fn a_wait_ends_when_all_that_follows_is_dealt_with_and_tells_what_came_of_it() {
        let mut story = Story::new();
        let id = story.begin().expect("two functions read it");
        assert_eq!(story.reacted("first", 2, false, &[(2, 3, "b")]), []);
        assert_eq!(story.reacted("second", 2, false, &[]), []);
        let outcome = Outcome { derived: vec![Position(3)], parked: vec![("second".into(), Position(3))], waiting: Vec::new() };
        assert_eq!(story.reacted("second", 3, true, &[]), [(id, outcome)]);
        assert!(story.waits.is_empty());
    }

    #[test]
    fn an_output_that_is_made_again_is_told_once() {
        let mut story = Story::new();
        story.begin().expect("two functions read it");
        story.reacted("first", 2, false, &[(2, 3, "b")]);
        story.reacted("first", 2, false, &[(2, 3, "b")]);
        story.reacted("second", 2, false, &[]);
        let ended = story.reacted("second", 3, false, &[]);
        assert_eq!(ended[0].1.derived, [Position(3)]);
    }

    #[test]
    fn nobody_waits_for_a_function_that_does_not_run() {
        let mut story = Story::new();
        story.world.control("second", Control::Pause);
        assert_eq!(story.begin().expect_err("second is paused").waiting, ["second"]);
        story.world.control("second", Control::Resume);
        let id = story.begin().expect("both run");
        story.world.control("second", Control::Pause);
        let functions: BTreeMap<_, _> = story.world.snapshot().functions().map(|row| (row.name.clone(), row.clone())).collect();
        let ended = story.waits.functions_changed(&functions);
        assert_eq!(ended.iter().map(|(id, outcome)| (*id, outcome.waiting.clone())).collect::<Vec<_>>(), [(id, vec!["second".to_owned()])]);
    }

    #[test]
    fn who_gives_up_is_told_who_still_works() {
        let mut story = Story::new();
        let id = story.begin().expect("two functions read it");
        story.reacted("first", 2, false, &[(2, 3, "b")]);
        let outcome = story.waits.give_up(id).expect("it has not ended");
        assert_eq!((outcome.waiting, outcome.derived), (vec!["second".to_owned()], vec![Position(3)]));
        assert_eq!(story.waits.give_up(id), None);
    }

    #[test]
    fn a_wait_for_those_that_run_goes_on_without_one_that_stops_or_has_stopped() {
        let mut story = Story::new();
        let id = story.begin_for(Whom::WhoRuns).expect("there is something to wait for");
        story.world.control("second", Control::Pause);
        assert_eq!(story.with(|waits, world| waits.functions_changed(world.functions)), []);
        let [(ended, outcome)] = &story.reacted("first", 2, false, &[(2, 3, "b")])[..] else { panic!("it ends") };
        assert_eq!((*ended, &outcome.waiting[..]), (id, &[][..]));
        // Begun when one has stopped already.
        let id = story.begin_for(Whom::WhoRuns).expect("the other runs");
        story.world.control("first", Control::Pause);
        let ended = story.with(|waits, world| waits.functions_changed(world.functions));
        assert_eq!(ended, [(id, Outcome::default())]);
        assert_eq!(story.begin_for(Whom::WhoRuns), Err(Outcome::default()));
    }

    #[test]
    fn there_is_nothing_to_wait_for_where_nobody_reads_or_all_have_read() {
        let mut story = Story::new();
        let nobody = story.with(|waits, world| waits.begin(Whom::All, &[(Position(2), "unread")], world));
        assert_eq!(nobody, Err(Outcome::default()));
        story.world.put_state("first", &[]);
        story.world.put_state("second", &[]);
        assert_eq!(story.begin(), Err(Outcome::default()));
    }
}
