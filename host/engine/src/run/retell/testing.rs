//! For unit tests: logs that were made live, and logs that retell them.

use std::sync::Arc;

use super::{Ending, RetellPlan, Retelling, Retold, RetoldModule, Told};
use crate::model::{
    Answer, CallLimits, Calls, Class, Digest, Event, EventDraft, EventRef, FunctionManifest, Guest, Manifest, NewEvent, Output, Position,
    Reaction, Timestamp,
};
use crate::run::testing::{OneGuest, World, event};
use crate::run::{Calendar, Runner, Settled, Step};
use crate::store::testing::store;
use crate::store::{Accepted, Filter, Proposal, Store};

/// A calendar: every ten, in the first hundred of each million.
pub struct Tens;

impl Calendar for Tens {
    fn next(&self, _: &str, _: &str, after: Timestamp) -> Option<Timestamp> {
        Some(Timestamp(after.0 / 10 * 10 + 10)).filter(|next| next.0 % 1_000_000 <= 100)
    }
}

/// Code that is told which function it is.
struct Named<F>(F);

impl<F> Guest for Named<F>
where
    F: Fn(&str, &EventRef<'_>, u32, &mut dyn Calls) -> Result<Vec<Output>, Answer> + Send + Sync,
{
    fn handle(&self, function: &str, events: &[EventRef<'_>], _: &CallLimits, calls: &mut dyn Calls) -> Answer {
        let mut reactions = Vec::new();
        for (index, event) in events.iter().enumerate() {
            match (self.0)(function, event, index as u32, calls) {
                Ok(outputs) => reactions.extend(outputs.into_iter().map(|output| Reaction { cause: index as u32, output })),
                Err(answer) => return answer,
            }
        }
        Answer::Reactions(reactions.into())
    }
}

pub fn named<F>(run: F) -> Arc<dyn Guest>
where
    F: Fn(&str, &EventRef<'_>, u32, &mut dyn Calls) -> Result<Vec<Output>, Answer> + Send + Sync + 'static,
{
    Arc::new(Named(run))
}

pub fn made(r#type: &str, subject: &str, data: impl Into<Vec<u8>>) -> Output {
    Output::Emit(EventDraft { r#type: r#type.into(), subject: subject.into(), data: data.into(), ..EventDraft::default() })
}

/// Counts by one in the function's state.
pub fn count(calls: &mut dyn Calls, index: u32, key: &str) -> u32 {
    let before = calls.state_get(index, key).expect("readable").map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().expect("four")));
    calls.state_put(index, key, &(before + 1).to_le_bytes()).expect("within limits");
    before + 1
}

/// Lets all functions of a live log run until they rest.
pub fn run(world: &mut World, guest: &Arc<dyn Guest>) {
    loop {
        let names: Vec<String> = world.snapshot().functions().map(|row| row.name.clone()).collect();
        let mut rests = true;
        for name in names {
            let mut runner = Runner::new(&name);
            loop {
                match world.step(&mut runner, guest) {
                    Step::Plan(ticket, plan) => {
                        rests = false;
                        assert!(matches!(world.propose(Proposal::Reaction(*plan)), Ok(Accepted::Reacted(_))));
                        runner.settled(ticket, Settled::Committed);
                    }
                    Step::Later(at) => world.now = at,
                    _ => break,
                }
            }
        }
        if rests {
            return;
        }
    }
}

/// A log with these functions and source events, one commit each, which ran with this code.
pub fn live(functions: &[FunctionManifest], guest: &Arc<dyn Guest>, events: Vec<NewEvent>) -> World {
    let mut world = World::new(functions);
    for event in events {
        world.now = world.now.plus_ms(1_000);
        world.append(vec![event]);
        run(&mut world, guest);
    }
    world
}

pub fn plan(functions: &[FunctionManifest]) -> RetellPlan {
    let manifest = Manifest { name: "module".into(), version: "2.0.0".into(), functions: functions.to_vec(), schemas: Vec::new() };
    let module = RetoldModule { manifest, digest: Digest::of(b"code"), component: b"code".to_vec() };
    RetellPlan { modules: vec![module], ..RetellPlan::default() }
}

/// A log that retells another.
pub struct Target {
    pub store: Store,
    pub told: Told,
}

impl Target {
    pub fn new() -> Target {
        Target { store: store(), told: Told::default() }
    }

    /// One step, taken in. Answers what it was, if it wasn't more of the log.
    pub fn step(
        &mut self,
        base: &World,
        retelling: &mut Retelling,
        guest: &Arc<dyn Guest>,
        units: usize,
        ending: Ending,
    ) -> Option<Retold> {
        let guests = OneGuest(guest.clone());
        match retelling.step(&base.snapshot(), &self.store.reader(), &guests, units, ending).expect("nothing fails in memory") {
            Retold::Begin { deployments, recorded } => {
                let committed = self.store.commit(deployments.into_iter().map(Proposal::Deploy), recorded).expect("written");
                assert!(committed.answers.iter().all(Result::is_ok));
                None
            }
            Retold::Commits { commits, told } => {
                self.store.follow(commits).expect("they are the next ones");
                self.told = Told {
                    to: told.to,
                    kept: self.told.kept + told.kept,
                    dropped: self.told.dropped + told.dropped,
                    forgotten: self.told.forgotten + told.forgotten,
                    derived: self.told.derived + told.derived,
                    parked: self.told.parked + told.parked,
                };
                None
            }
            other => Some(other),
        }
    }

    /// Steps until there is nothing more to do. Answers why.
    pub fn run(&mut self, base: &World, plan: &RetellPlan, guest: &Arc<dyn Guest>, units: usize) -> Retold {
        let mut retelling = Retelling::new(plan.clone(), Arc::new(Tens));
        loop {
            if let Some(end) = self.step(base, &mut retelling, guest, units, Ending::AtTheHead) {
                return end;
            }
        }
    }

    pub fn entries(&self) -> Vec<Event> {
        entries(&self.store)
    }

    /// The bytes of all records.
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let snapshot = self.store.reader().snapshot().expect("readable");
        snapshot
            .records(0, Position::START, &mut |record| {
                all.push(record.bytes().to_vec());
                Ok(true)
            })
            .expect("readable");
        all
    }
}

/// The log `base`, retold to its head.
#[track_caller]
pub fn retold(base: &World, plan: &RetellPlan, guest: &Arc<dyn Guest>) -> Target {
    let mut target = Target::new();
    let end = target.run(base, plan, guest, 100);
    assert!(matches!(end, Retold::Level), "{end:?}");
    target
}

pub fn entries(store: &Store) -> Vec<Event> {
    let mut all = Vec::new();
    let snapshot = store.reader().snapshot().expect("readable");
    snapshot
        .scan(Position::START, snapshot.head(), &Filter::default(), &mut |event| {
            all.push(event.to_event());
            std::ops::ControlFlow::Continue(())
        })
        .expect("readable");
    all
}

/// What is said of a log's derived events wherever they stand: source, id, subject and data, sorted.
pub fn derived(entries: &[Event]) -> Vec<[String; 4]> {
    let derived = entries.iter().filter(|event| event.class == Class::Derived);
    let mut all: Vec<_> = derived
        .map(|event| [event.source.clone(), event.id.clone(), event.subject.clone(), String::from_utf8_lossy(&event.data).into_owned()])
        .collect();
    all.sort();
    all
}

/// The ids of a log's source entries, in order.
pub fn sources(entries: &[Event]) -> Vec<&str> {
    entries.iter().filter(|event| event.class == Class::Source).map(|event| event.id.as_str()).collect()
}

/// `count` events `a` of seven subjects, at their own times.
pub fn history(count: u64) -> Vec<NewEvent> {
    (0..count)
        .map(|number| NewEvent {
            time: (number % 3 == 0).then_some(Timestamp(number)),
            tags: vec![format!("tag-{}", number % 5)],
            ..event(&format!("e{number}"), "a", &format!("s/{}", number % 7))
        })
        .collect()
}
