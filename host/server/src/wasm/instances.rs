//! Instances: how one starts, serves a call, and is kept for the next.

use std::sync::{Mutex, PoisonError};

use retold_engine::model::{CallLimits, Calls, NotAnswered};
use wasmtime::component::{Instance as ComponentInstance, InstancePre};
use wasmtime::{CallHook, PoolConcurrencyLimitError, Store};

use super::call::{CallData, lend};
use super::exports::Functions;
use super::question::Question;
use super::slices::{FUEL_PER_SLICE, Slices};
use super::wasi::{self, Moment, Wasi};
use super::{Sandbox, SandboxOptions, fault, quotas};

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
        question: Question,
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Started, NotAnswered> {
        let wasi = moment.map(|moment| Box::new(Wasi::new(moment)));
        let mut store = Store::new(sandbox.engine(), CallData::new(limits.memory_bytes, sandbox.memory().clone(), wasi));
        store.limiter(|data| &mut data.limiter);
        store.fuel_async_yield_interval(Some(FUEL_PER_SLICE)).expect("fuel is on in every engine of ours");
        if store.data().wasi.is_some() {
            store.call_hook(|mut store, call| match call {
                CallHook::CallingHost => Ok(store.data_mut().quotas.host_call()?),
                _ => Ok(()),
            });
        }
        store.set_hostcall_fuel(quotas::TRANSFER_BYTES_MAX);
        store.set_max_component_handles(quotas::HANDLES_MAX);
        let instance = run(&mut store, sandbox, question, limits, calls, async |store| {
            let instance = component.instantiate_async(&mut *store).await;
            match &instance {
                Err(error) if error.is::<PoolConcurrencyLimitError>() && sandbox.reclaim() => component.instantiate_async(store).await,
                _ => instance,
            }
        })?;
        Ok(Started { store, instance })
    }
}

/// Runs `body` with the call's limits in force; tells an error as the engine wants to hear it, after
/// which the store must be dropped.
pub(super) fn run<R>(
    store: &mut Store<CallData>,
    sandbox: &Sandbox,
    question: Question,
    limits: &CallLimits,
    calls: &mut dyn Calls,
    body: impl AsyncFnOnce(&mut Store<CallData>) -> wasmtime::Result<R>,
) -> Result<R, NotAnswered> {
    let _runtime = store.data().wasi.is_some().then(wasi::enter);
    store.set_fuel(limits.fuel).expect("fuel is on in every engine of ours");
    store.data_mut().limiter.start_call(limits.memory_bytes);
    let mut slices = Slices::begin(sandbox, question);
    let ended = lend(store, calls, |store| slices.run(body(store)));
    calls.used(limits.fuel.saturating_sub(store.get_fuel().unwrap_or_default()));
    match ended {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(fault::ended(&error, question, store.data(), limits, sandbox.options())),
        Err(panic) => Err(fault::panicked(&*panic)),
    }
}

/// A started component that serves any call of its module.
pub(super) struct Ready {
    store: Store<CallData>,
    functions: Functions,
    memory_bytes_at_start: usize,
    calls: u32,
}

impl Ready {
    pub(super) fn new(started: Started, functions: Functions) -> Ready {
        let memory_bytes_at_start = started.store.data().limiter.memory_bytes();
        Ready { store: started.store, functions, memory_bytes_at_start, calls: 0 }
    }

    /// After an `Err` the instance must be dropped.
    pub(super) fn call<R>(
        &mut self,
        sandbox: &Sandbox,
        question: Question,
        limits: &CallLimits,
        calls: &mut dyn Calls,
        body: impl AsyncFnOnce(&Functions, &mut Store<CallData>) -> wasmtime::Result<R>,
    ) -> Result<R, NotAnswered> {
        self.calls += 1;
        let functions = &self.functions;
        run(&mut self.store, sandbox, question, limits, calls, async |store| body(functions, store).await)
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
pub(super) struct Idle(Mutex<Vec<Ready>>);

impl Idle {
    /// The one used last, if its memory is within what the call may have.
    pub(super) fn take(&self, memory_bytes_max: usize) -> Option<Ready> {
        let ready = self.lock().pop()?;
        (ready.memory_bytes() <= memory_bytes_max).then_some(ready)
    }

    pub(super) fn give(&self, ready: Ready, options: &SandboxOptions) {
        if !ready.is_worth_keeping(options) {
            return;
        }
        let mut idle = self.lock();
        if idle.len() < options.idle_instances_max {
            idle.push(ready);
        }
    }

    /// Drops them all; tells how many there were.
    pub(super) fn clear(&self) -> usize {
        // Dropped outside the lock: giving memory back takes system calls.
        let idle = std::mem::take(&mut *self.lock());
        idle.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Ready>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
