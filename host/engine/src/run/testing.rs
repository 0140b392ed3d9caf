//! For unit tests: a namespace in memory with functions that are closures.

use std::sync::Arc;

use crate::model::{
    Answer, CallLimits, Calls, Digest, EventDraft, EventRef, FailurePolicy, FunctionKind, FunctionManifest, Guest, LimitsAsked, Manifest,
    NewEvent, Output, Plan, PlanMode, Position, Reaction, Start, StateWrite, Timestamp,
};
use crate::run::{Guests, Reading, Runner, Settled, Step};
use crate::store::{Accepted, Append, Control, Deploy, FunctionRow, Proposal, Reacted, Refused, Snapshot, Store, testing};

/// A namespace in which one module is deployed, at position 1.
pub struct World {
    pub store: Store,
    pub now: Timestamp,
}

pub fn event(id: &str, r#type: &str, subject: &str) -> NewEvent {
    NewEvent {
        id: id.into(),
        source: "/test".into(),
        r#type: r#type.into(),
        subject: subject.into(),
        content_type: "application/json".into(),
        data: id.as_bytes().to_vec(),
        ..NewEvent::default()
    }
}

pub fn emit(r#type: &str, subject: &str, key: Option<&str>) -> Output {
    Output::Emit(EventDraft {
        time: None,
        r#type: r#type.into(),
        subject: subject.into(),
        tags: Vec::new(),
        content_type: None,
        data: Vec::new(),
        key: key.map(str::to_owned),
    })
}

pub fn function(name: &str, subscribes: &[&str], emits: &[&str]) -> FunctionManifest {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    FunctionManifest {
        name: name.into(),
        kind: FunctionKind::Handler,
        subscribes: texts(subscribes),
        emits: texts(emits),
        decides: Vec::new(),
        sends: Vec::new(),
        start: Start::Beginning,
        failure_policy: FailurePolicy::Park,
        split: None,
        limits: LimitsAsked::default(),
        schedules: Vec::new(),
        hosts: Vec::new(),
        secrets: Vec::new(),
        timers: false,
    }
}

impl World {
    pub fn new(functions: &[FunctionManifest]) -> World {
        let mut world = World { store: testing::store(), now: Timestamp(1_000_000) };
        let manifest = Manifest { name: "module".into(), version: "1.0.0".into(), functions: functions.to_vec(), schemas: Vec::new() };
        world
            .propose(Proposal::Deploy(Deploy {
                manifest,
                digest: Digest::of(b"code"),
                component: b"code".to_vec(),
                levels: Vec::new(),
                rollback: false,
                send: false,
            }))
            .expect("deployed");
        world
    }

    pub fn propose(&mut self, proposal: Proposal) -> Result<Accepted, Refused> {
        self.store.commit([proposal], self.now).expect("nothing fails in memory").answers.remove(0)
    }

    pub fn append(&mut self, events: Vec<NewEvent>) {
        self.propose(Proposal::Append(Append { events, ..Append::default() })).expect("appended");
    }

    pub fn control(&mut self, function: &str, control: Control) {
        self.propose(Proposal::Control { function: function.into(), control }).expect("controlled");
    }

    pub fn snapshot(&self) -> Snapshot {
        self.store.reader().snapshot().expect("nothing fails in memory")
    }

    pub fn row(&self, function: &str) -> FunctionRow {
        (**self.snapshot().function(function).expect("it is deployed")).clone()
    }

    /// Has the function handle the head, and write this state with it.
    pub fn put_state(&mut self, function: &str, state: &[(&str, &str)]) {
        let row = self.row(function);
        let mut plan = Plan {
            function: function.into(),
            module: row.module,
            epoch: row.epoch,
            from: row.cursor,
            to: Position(self.store.head().0),
            stands_on: None,
            mode: PlanMode::Live,
            handled: Vec::new(),
            emitted: Vec::new(),
            state: Vec::new(),
            state_digest: None,
            parked: Vec::new(),
            unparked: Vec::new(),
            halted: None,
            folded: Vec::new(),
        };
        plan.set_state(
            state.iter().map(|(key, value)| StateWrite { key: (*key).into(), value: Some(value.as_bytes().to_vec()) }).collect(),
        );
        self.propose(Proposal::Reaction(plan)).expect("committed");
    }

    pub fn step(&self, runner: &mut Runner, guest: &Arc<dyn Guest>) -> Step {
        let (snapshot, guests) = (self.snapshot(), OneGuest(guest.clone()));
        runner.step(&Reading::new(&snapshot, &guests), self.now, &mut |_, _| {}).expect("nothing fails in memory")
    }

    /// Steps, commits what comes of it, and tells the runner.
    #[track_caller]
    pub fn work(&mut self, runner: &mut Runner, guest: &Arc<dyn Guest>) -> Reacted {
        let Step::Plan(ticket, plan) = self.step(runner, guest) else { panic!("no plan was made") };
        match self.propose(Proposal::Reaction(*plan)) {
            Ok(Accepted::Reacted(reacted)) => {
                runner.settled(ticket, Settled::Committed);
                reacted
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The code of every module.
pub struct OneGuest(pub Arc<dyn Guest>);

impl Guests for OneGuest {
    fn guest(&self, _: u32) -> Option<Arc<dyn Guest>> {
        Some(self.0.clone())
    }
}

pub fn coded<F>(run: F) -> Arc<dyn Guest>
where
    F: Fn(&EventRef<'_>, u32, &mut dyn Calls) -> Result<Vec<Output>, Answer> + Send + Sync + 'static,
{
    Arc::new(Code(run))
}

/// A guest out of what it does with one event of a batch.
pub struct Code<F>(pub F);

impl<F: Fn(&EventRef<'_>, u32, &mut dyn Calls) -> Result<Vec<Output>, Answer> + Send + Sync> Guest for Code<F> {
    fn handle(&self, _: &str, events: &[EventRef<'_>], _: &CallLimits, calls: &mut dyn Calls) -> Answer {
        let mut reactions = Vec::new();
        for (index, event) in events.iter().enumerate() {
            match (self.0)(event, index as u32, calls) {
                Ok(outputs) => reactions.extend(outputs.into_iter().map(|output| Reaction { cause: index as u32, output })),
                Err(answer) => return answer,
            }
        }
        Answer::Reactions(reactions.into())
    }
}
