//! `WasmModule`: a compiled component that can be asked what it is and called.

use std::sync::Arc;

use retold_engine::model::{
    Answer, CallLimits, Calls, Event, EventRef, FunctionKind, Guest, GuestFault, LogLevel, Manifest, Position, StateError, limits,
};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, TypedFunc, types::ComponentItem};

use super::bindings::{HandleParams, HandleResult};
use super::call::CallData;
use super::describe::DescribeResult;
use super::error::one_line;
use super::instances::{Handler, Idle, Started, run};
use super::wasi::Moment;
use super::{ModuleError, Sandbox, interfaces};

/// One module's code, loaded. Instances of it come and go behind [`Guest::handle`].
pub struct WasmModule {
    sandbox: Sandbox,
    component: InstancePre<CallData>,
    describe: ComponentExportIndex,
    handle: Option<ComponentExportIndex>,
    wasi: WasiUse,
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

impl WasmModule {
    /// Holds the component's imports against what the host offers.
    pub(super) fn load(sandbox: &Sandbox, component: &Component) -> Result<WasmModule, ModuleError> {
        let linked = sandbox.linker().instantiate_pre(component);
        let linked = linked.map_err(|error| ModuleError::ImportMismatch { problem: one_line(&error) })?;
        let export = |interface: &str, function: &str| {
            let instance = component.get_export_index(None, interface)?;
            component.get_export_index(Some(&instance), function)
        };
        let describe = export(interfaces::MANIFEST, "describe").ok_or_else(|| missing(interfaces::MANIFEST, ""))?;
        let handle = export(interfaces::HANDLER, "handle");
        let idle = Arc::new(Idle::default());
        sandbox.register(&idle);
        Ok(WasmModule { sandbox: sandbox.clone(), component: linked, describe, handle, wasi: wasi_use(sandbox, component), idle })
    }

    /// What the module says of itself, under limits and in a fresh instance; and whether it exports
    /// what that asks for.
    pub fn describe(&self) -> Result<Manifest, ModuleError> {
        let limits =
            CallLimits { fuel: self.sandbox.options().describe_fuel, memory_bytes: limits::GUEST_MEMORY_BYTES_MAX, fresh_instance: true };
        let mut started = self.start(Moment::none(), &limits, &mut Nobody).map_err(describe_failed)?;
        let describe = started.instance.get_typed_func::<(), DescribeResult>(&mut started.store, &self.describe);
        let describe = describe.map_err(|error| mismatch(interfaces::MANIFEST, &error))?;
        let (manifest,) =
            run(&mut started.store, &self.sandbox, &limits, &mut Nobody, |store| describe.call(store, ())).map_err(describe_failed)?;
        let manifest = Manifest::from(manifest);
        if self.handle.is_some() {
            self.handler(&mut started).map_err(|error| mismatch(interfaces::HANDLER, &error))?;
        }
        self.check_exports(&manifest)?;
        Ok(manifest)
    }

    /// Drops the instances kept for next calls. An idle module then costs its compiled code alone,
    /// which lies in a mapped file.
    pub fn trim(&self) {
        self.idle.clear();
    }

    fn check_exports(&self, manifest: &Manifest) -> Result<(), ModuleError> {
        for function in &manifest.functions {
            let interface = interfaces::export_for(function.kind);
            let exported = match function.kind {
                FunctionKind::Handler => self.handle.is_some(),
                _ => self.component.component().get_export_index(None, interface).is_some(),
            };
            if !exported {
                return Err(missing(interface, &function.name));
            }
        }
        Ok(())
    }

    fn start(&self, moment: Moment, limits: &CallLimits, calls: &mut dyn Calls) -> Result<Started, Answer> {
        let moment = (self.wasi != WasiUse::Nothing).then_some(moment);
        Started::new(&self.sandbox, &self.component, moment, limits, calls)
    }

    fn handler(&self, started: &mut Started) -> wasmtime::Result<TypedFunc<HandleParams<'static>, HandleResult>> {
        let Some(handle) = &self.handle else { return Err(wasmtime::Error::msg("the module exports no handler")) };
        started.instance.get_typed_func(&mut started.store, handle)
    }

    fn start_handler(
        &self,
        function: &str,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Handler, Answer> {
        let moment = match self.wasi {
            WasiUse::ByEvent => Moment::of(function, &events[0]),
            WasiUse::Nothing | WasiUse::Constant => Moment::none(),
        };
        let mut started = self.start(moment, limits, calls)?;
        let handle = self.handler(&mut started).map_err(|error| Answer::Fault(GuestFault::BadOutput(one_line(&error))))?;
        Ok(Handler::new(started, handle))
    }

    fn call(&self, function: &str, events: &[EventRef<'_>], limits: &CallLimits, calls: &mut dyn Calls) -> Result<Answer, Answer> {
        let reusable = self.wasi != WasiUse::ByEvent;
        let kept = if reusable && !limits.fresh_instance { self.idle.take(limits.memory_bytes) } else { None };
        let mut handler = match kept {
            Some(handler) => handler,
            None => self.start_handler(function, events, limits, calls)?,
        };
        let answer = handler.handle(&self.sandbox, function, events, limits, calls)?;
        if reusable {
            self.idle.give(handler, self.sandbox.options());
        }
        Ok(answer)
    }
}

impl Guest for WasmModule {
    fn handle(&self, function: &str, events: &[EventRef<'_>], limits: &CallLimits, calls: &mut dyn Calls) -> Answer {
        assert!(!events.is_empty(), "a call without events");
        assert!(events.len() == 1 || !self.one_event_a_call(), "several events for a module that may tell them apart by its clock");
        self.call(function, events, limits, calls).unwrap_or_else(|answer| answer)
    }

    fn one_event_a_call(&self) -> bool {
        self.wasi == WasiUse::ByEvent
    }
}

fn missing(interface: &str, function: &str) -> ModuleError {
    let needed_by = if function.is_empty() { String::new() } else { format!(", which its function {function:?} needs") };
    ModuleError::ExportMissing { interface: interface.into(), needed_by, remedy: "name the function in `retold::module!(…)`".into() }
}

fn mismatch(interface: &str, error: &wasmtime::Error) -> ModuleError {
    ModuleError::ExportMismatch { interface: interface.into(), problem: one_line(error) }
}

fn describe_failed(answer: Answer) -> ModuleError {
    match answer {
        Answer::Fault(fault) => ModuleError::Describe { what: fault.to_string() },
        Answer::Unavailable(what) => ModuleError::Host(what),
        other => ModuleError::Describe { what: format!("ended with {other:?}") },
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
