//! `WasmModule`: a compiled component that can be asked what it is and called.

use std::sync::Arc;

use retold_engine::model::{
    AggregateCall, Answer, CallLimits, Calls, CommandRef, Event, EventDraft, EventRef, Failure, Guest, GuestFault, IngressAnswer,
    IngressRequest, LogLevel, Manifest, NotAnswered, Payload, Position, Query, Rejection, StateError, limits,
};
use wasmtime::Store;
use wasmtime::component::{Component, InstancePre, types::ComponentItem};

use super::bindings::Events;
use super::call::CallData;
use super::error::one_line;
use super::exports::{Exports, Functions};
use super::instances::{Idle, Ready, Started, run};
use super::question::Question;
use super::wasi::{Cause, Moment};
use super::{ModuleError, Sandbox, interfaces, outputs};

/// One module's code, loaded. Instances of it come and go behind [`Guest`].
pub struct WasmModule {
    sandbox: Sandbox,
    component: InstancePre<CallData>,
    exports: Exports,
    wasi: WasiUse,
    imports_state: bool,
    idle: Arc<Idle>,
}

/// What a component asks of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WasiUse {
    Nothing,
    /// Only what is the same for every event: printing, an empty environment.
    Constant,
    /// A clock or random numbers.
    ByEvent,
}

/// One call, all but what goes in.
struct Call<'a> {
    question: Question,
    function: &'a str,
    /// What the clock and chance are taken from.
    cause: Option<Cause<'a>>,
    limits: &'a CallLimits,
}

impl WasmModule {
    /// Holds the component's imports against what the host offers.
    pub(super) fn load(sandbox: &Sandbox, component: &Component) -> Result<WasmModule, ModuleError> {
        let linked = sandbox.linker().instantiate_pre(component);
        let linked = linked.map_err(|error| ModuleError::ImportMismatch { problem: one_line(&error) })?;
        let exports = Exports::of(component)?;
        let idle = Arc::new(Idle::default());
        sandbox.register(&idle);
        let imports_state = component.component_type().imports(sandbox.engine()).any(|(name, _)| name == interfaces::STATE);
        Ok(WasmModule { sandbox: sandbox.clone(), component: linked, exports, wasi: wasi_use(sandbox, component), imports_state, idle })
    }

    /// What the module says of itself, under limits and in a fresh instance; and whether it exports
    /// what that asks for. All that it exports is held against the contract's types.
    pub fn describe(&self) -> Result<Manifest, ModuleError> {
        let limits =
            CallLimits { fuel: self.sandbox.options().describe_fuel, memory_bytes: limits::GUEST_MEMORY_BYTES_MAX, fresh_instance: true };
        let asked = Call { question: Question::Describe, function: "describe", cause: None, limits: &limits };
        let mut started = self.start(&asked, &mut Nobody).map_err(describe_failed)?;
        let describe = self.exports.describe(&mut started)?;
        let (manifest,) = run(&mut started.store, &self.sandbox, Question::Describe, &limits, &mut Nobody, async |store| {
            describe.call_async(store, ()).await
        })
        .map_err(describe_failed)?;
        let manifest = Manifest::from(manifest);
        self.exports.typed(&mut started)?;
        for function in &manifest.functions {
            if !self.exports.serves(function.kind) {
                return Err(ModuleError::export_missing(interfaces::export_for(function.kind), Some(&function.name)));
            }
        }
        Ok(manifest)
    }

    /// Whether its code can keep state at all.
    pub fn imports_state(&self) -> bool {
        self.imports_state
    }

    /// Drops the instances kept for next calls. An idle module then costs its compiled code alone,
    /// which lies in a mapped file.
    pub fn trim(&self) {
        self.idle.clear();
    }

    fn start(&self, call: &Call<'_>, calls: &mut dyn Calls) -> Result<Started, NotAnswered> {
        let moment = match (self.wasi, &call.cause) {
            (WasiUse::Nothing, _) => None,
            (WasiUse::ByEvent, Some(cause)) => Some(Moment::of(call.function, cause)),
            (WasiUse::ByEvent, None) | (WasiUse::Constant, _) => Some(Moment::fixed()),
        };
        Started::new(&self.sandbox, &self.component, moment, call.question, call.limits, calls)
    }

    fn start_ready(&self, call: &Call<'_>, calls: &mut dyn Calls) -> Result<Ready, NotAnswered> {
        let mut started = self.start(call, calls)?;
        let functions = self.exports.typed(&mut started);
        let functions = functions.map_err(|error| NotAnswered::Fault(GuestFault::BadOutput(error.to_string())))?;
        Ok(Ready::new(started, functions))
    }

    /// Lets `ask` call a function in an instance and `accept` judge what it returned. An instance that
    /// failed in any way is dropped; what the function itself calls a failure is none.
    fn call<R, T>(
        &self,
        call: &Call<'_>,
        calls: &mut dyn Calls,
        ask: impl AsyncFnOnce(&Functions, &mut Store<CallData>) -> wasmtime::Result<R>,
        accept: impl FnOnce(R) -> Result<T, GuestFault>,
    ) -> Result<T, NotAnswered> {
        let reusable = self.wasi != WasiUse::ByEvent;
        let kept = if reusable && !call.limits.fresh_instance { self.idle.take(call.limits.memory_bytes) } else { None };
        let mut instance = match kept {
            Some(instance) => instance,
            None => self.start_ready(call, calls)?,
        };
        let returned = instance.call(&self.sandbox, call.question, call.limits, calls, ask)?;
        let answer = accept(returned).map_err(NotAnswered::Fault)?;
        if reusable {
            self.idle.give(instance, self.sandbox.options());
        }
        Ok(answer)
    }

    /// Of a call that serves `events`.
    fn call_with_events<'a>(&self, question: Question, function: &'a str, events: &[EventRef<'a>], limits: &'a CallLimits) -> Call<'a> {
        assert!(!events.is_empty(), "a call without events");
        // What an upcaster made of one stored event comes together, and has its id and time.
        let one = events.iter().all(|event| event.position == events[0].position);
        assert!(one || !self.one_event_a_call(), "several events for a module that may tell them apart by its clock");
        Call { question, function, cause: Some(Cause::from(&events[0])), limits }
    }
}

impl Guest for WasmModule {
    fn handle(&self, function: &str, events: &[EventRef<'_>], limits: &CallLimits, calls: &mut dyn Calls) -> Answer {
        let call = self.call_with_events(Question::Handle, function, events, limits);
        let events = Events::of(events);
        let answer =
            self.call(&call, calls, async |has, store| has.handle.get()?.call_async(store, (function, &events)).await, outputs::reactions);
        match answer {
            Ok(Ok(reactions)) => Answer::Reactions(reactions),
            Ok(Err(failure)) => Answer::Failed(failure),
            Err(NotAnswered::Fault(fault)) => Answer::Fault(fault),
            Err(NotAnswered::Unavailable(why)) => Answer::Unavailable(why),
        }
    }

    fn decide(
        &self,
        aggregate: &AggregateCall<'_>,
        command: &CommandRef<'_>,
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<EventDraft>, Rejection>, NotAnswered> {
        let &AggregateCall { function, subject, state } = aggregate;
        let call = Call { question: Question::Decide, function, cause: Some(Cause::from(command)), limits };
        let ask = async |has: &Functions, store: &mut Store<CallData>| {
            has.decide.get()?.call_async(store, (function, subject, state, command.into())).await
        };
        self.call(&call, calls, ask, outputs::decision)
    }

    fn evolve(
        &self,
        aggregate: &AggregateCall<'_>,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<u8>, Failure>, NotAnswered> {
        let &AggregateCall { function, subject, state } = aggregate;
        let call = self.call_with_events(Question::Evolve, function, events, limits);
        let events = Events::of(events);
        let ask = async |has: &Functions, store: &mut Store<CallData>| {
            has.evolve.get()?.call_async(store, (function, subject, state, &events)).await
        };
        self.call(&call, calls, ask, outputs::state)
    }

    fn project(
        &self,
        function: &str,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<(), Failure>, NotAnswered> {
        let call = self.call_with_events(Question::Project, function, events, limits);
        let events = Events::of(events);
        self.call(&call, calls, async |has, store| has.project.get()?.call_async(store, (function, &events)).await, outputs::projected)
    }

    /// Nothing of a query is an event: clock and chance are always the same, so the same rows give the
    /// same answer.
    fn query(
        &self,
        function: &str,
        query: &Query,
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Payload, Rejection>, NotAnswered> {
        let call = Call { question: Question::Query, function, cause: None, limits };
        self.call(&call, calls, async |has, store| has.query.get()?.call_async(store, (function, query.into())).await, outputs::payload)
    }

    fn upcast(
        &self,
        function: &str,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<Vec<EventDraft>>, Failure>, NotAnswered> {
        let call = self.call_with_events(Question::Upcast, function, events, limits);
        let events = Events::of(events);
        self.call(&call, calls, async |has, store| has.upcast.get()?.call_async(store, (&events,)).await, outputs::upcasted)
    }

    /// A request is no event yet: clock and chance are always the same.
    fn accept(
        &self,
        function: &str,
        request: &IngressRequest,
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<EventDraft>, IngressAnswer>, NotAnswered> {
        let call = Call { question: Question::Accept, function, cause: None, limits };
        self.call(&call, calls, async |has, store| has.accept.get()?.call_async(store, (function, request.into())).await, outputs::accepted)
    }

    fn one_event_a_call(&self) -> bool {
        self.wasi == WasiUse::ByEvent
    }
}

fn describe_failed(why: NotAnswered) -> ModuleError {
    match why {
        NotAnswered::Fault(fault) => ModuleError::Describe { what: fault.to_string() },
        NotAnswered::Unavailable(what) => ModuleError::Host(what),
    }
}

/// Imports that hold types only, as WASI's interfaces use each other's, don't count.
fn wasi_use(sandbox: &Sandbox, component: &Component) -> WasiUse {
    let engine = sandbox.engine();
    let component = component.component_type();
    let mut found = WasiUse::Nothing;
    for (name, import) in component.imports(engine).filter(|(name, _)| interfaces::is_wasi(name)) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        let has_functions = instance.exports(engine).any(|(_, export)| matches!(export.ty, ComponentItem::ComponentFunc(_)));
        if has_functions && interfaces::tells_the_event_apart(name) {
            return WasiUse::ByEvent;
        }
        found = WasiUse::Constant;
    }
    found
}

/// The engine's side of a call that has no event: `describe`.
struct Nobody;

impl Nobody {
    const NO_EVENT: StateError = StateError::OutsideBatch { index: 0, batch: 0 };
}

impl Calls for Nobody {
    fn state_get(&mut self, _event: u32, _key: &str) -> Result<Option<Vec<u8>>, StateError> {
        Err(Nobody::NO_EVENT)
    }

    fn state_put(&mut self, _event: u32, _key: &str, _value: &[u8]) -> Result<(), StateError> {
        Err(Nobody::NO_EVENT)
    }

    fn state_delete(&mut self, _event: u32, _key: &str) -> Result<(), StateError> {
        Err(Nobody::NO_EVENT)
    }

    fn state_scan(&mut self, _event: u32, _prefix: &str, _after: Option<&str>, _limit: u32) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        Err(Nobody::NO_EVENT)
    }

    fn details(&mut self, _position: Position) -> Option<Event> {
        None
    }

    fn log(&mut self, _level: LogLevel, _message: &str) {}
}
