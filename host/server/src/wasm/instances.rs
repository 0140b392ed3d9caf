//! Instances: how one starts, serves a call, and is kept for the next.

use std::sync::{Mutex, PoisonError};

use retold_engine::model::{Answer, CallLimits, Calls, EventRef};
use wasmtime::component::{Instance as ComponentInstance, InstancePre, TypedFunc};
use wasmtime::{PoolConcurrencyLimitError, Store};

use super::bindings::{Event, HandleParams, HandleResult};
use super::call::{CallData, lend};
use super::wasi::{self, Moment, Wasi};
use super::{Sandbox, SandboxOptions, fault, outputs, quotas};

/// A component in a store of its own.
pub(super) struct Started {
    pub(super) store: Store<CallData>,
    pub(super) instance: ComponentInstance,
}

impl Started {
    /// Runs the component's start functions under the limits of a call.
    pub(super) fn new(
        sandbox: &Sandbox,
        component: &InstancePre<CallData>,
        moment: Option<Moment>,
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Started, Answer> {
        let wasi = moment.map(|moment| Box::new(Wasi::new(moment)));
        let mut store = Store::new(sandbox.engine(), CallData::new(limits.memory_bytes, wasi));
        store.limiter(|data| &mut data.limiter);
        store.set_hostcall_fuel(quotas::TRANSFER_BYTES_MAX);
        store.set_max_component_handles(quotas::HANDLES_MAX);
        let instance = run(&mut store, sandbox, limits, calls, |store| {
            component.instantiate(&mut *store).or_else(|error| match error.is::<PoolConcurrencyLimitError>() && sandbox.reclaim() {
                true => component.instantiate(&mut *store),
                false => Err(error),
            })
        })?;
        Ok(Started { store, instance })
    }
}

/// Runs `body` with the call's limits in force; tells an error as the engine wants to hear it, after
/// which the store must be dropped.
pub(super) fn run<R>(
    store: &mut Store<CallData>,
    sandbox: &Sandbox,
    limits: &CallLimits,
    calls: &mut dyn Calls,
    body: impl FnOnce(&mut Store<CallData>) -> wasmtime::Result<R>,
) -> Result<R, Answer> {
    let _runtime = store.data().wasi.is_some().then(wasi::enter);
    store.set_fuel(limits.fuel).expect("fuel is on in every engine of ours");
    store.set_epoch_deadline(sandbox.call_ticks());
    store.data_mut().limiter.start_call(limits.memory_bytes);
    match lend(store, calls, body) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(fault::answer(&error, store.data(), limits, sandbox.options())),
        Err(panic) => Err(fault::panicked(&*panic)),
    }
}

/// A started component that handles events.
pub(super) struct Handler {
    store: Store<CallData>,
    handle: TypedFunc<HandleParams<'static>, HandleResult>,
    memory_bytes_at_start: usize,
    calls: u32,
}

impl Handler {
    pub(super) fn new(started: Started, handle: TypedFunc<HandleParams<'static>, HandleResult>) -> Handler {
        let memory_bytes_at_start = started.store.data().limiter.memory_bytes();
        Handler { store: started.store, handle, memory_bytes_at_start, calls: 0 }
    }

    /// `Err` is an answer too, after which the instance must be dropped.
    pub(super) fn handle(
        &mut self,
        sandbox: &Sandbox,
        function: &str,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Answer, Answer> {
        self.calls += 1;
        // One event, the usual case of a log at rest, needs no allocation.
        let (one, many);
        let events: &[Event<'_>] = match events {
            [event] => {
                one = [Event::from(event)];
                &one
            }
            events => {
                many = events.iter().map(Event::from).collect::<Vec<_>>();
                &many
            }
        };
        let handle: TypedFunc<HandleParams<'_>, HandleResult> = self.handle;
        let (result,) = run(&mut self.store, sandbox, limits, calls, |store| handle.call(store, (function, events)))?;
        match result {
            Ok(reactions) => outputs::accept(reactions).map(Answer::Reactions).map_err(Answer::Fault),
            Err(failure) => Ok(Answer::Failed(failure.into())),
        }
    }

    /// Whether the next call may have it: it has neither served too long nor grown too large.
    fn is_worth_keeping(&self, options: &SandboxOptions) -> bool {
        let grown = self.memory_bytes() - self.memory_bytes_at_start;
        self.calls < options.calls_per_instance_max && grown <= options.idle_growth_bytes_max
    }

    fn memory_bytes(&self) -> usize {
        self.store.data().limiter.memory_bytes()
    }
}

/// The instances that a module keeps for its next calls.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<Handler>>);

impl Idle {
    /// The one used last, if its memory is within what the call may have.
    pub(super) fn take(&self, memory_bytes_max: usize) -> Option<Handler> {
        let handler = self.lock().pop()?;
        (handler.memory_bytes() <= memory_bytes_max).then_some(handler)
    }

    pub(super) fn give(&self, handler: Handler, options: &SandboxOptions) {
        if !handler.is_worth_keeping(options) {
            return;
        }
        let mut idle = self.lock();
        if idle.len() < options.idle_instances_max {
            idle.push(handler);
        }
    }

    /// Drops them all; tells how many there were.
    pub(super) fn clear(&self) -> usize {
        // Dropped outside the lock: giving memory back takes system calls.
        let idle = std::mem::take(&mut *self.lock());
        idle.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Handler>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
