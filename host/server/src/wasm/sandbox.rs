//! The place that guests run in: one engine, one linker, and a view of all idle instances.

use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Linker;

use super::call::CallData;
use super::instances::Idle;
use super::memory::GuestMemory;
use super::question::Question;
use super::slices::Time;
use super::{ModuleError, SandboxOptions, engine, host_calls, wasi};

/// Shared by all modules of a host. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox(Arc<Inside>);

struct Inside {
    engine: Engine,
    linker: Linker<CallData>,
    options: SandboxOptions,
    memory: Arc<GuestMemory>,
    time: Time,
}

impl Sandbox {
    /// Reserves address space for all instances (8 GiB each, none of it used yet).
    pub fn new(options: SandboxOptions) -> Result<Sandbox, ModuleError> {
        let engine = engine::running(&options).map_err(ModuleError::host)?;
        let mut linker = Linker::new(&engine);
        host_calls::add_to_linker(&mut linker).map_err(ModuleError::host)?;
        wasi::add_to_linker(&mut linker).map_err(ModuleError::host)?;
        let memory = Arc::new(GuestMemory::new(options.guests_memory_bytes_max));
        Ok(Sandbox(Arc::new(Inside { engine, linker, options, memory, time: Time::default() })))
    }

    pub fn options(&self) -> &SandboxOptions {
        &self.0.options
    }

    /// Lets time pass for running guests: to be called every [`SandboxOptions::tick_ms`]. Without
    /// ticks no wall limit is kept.
    pub fn tick(&self) {
        self.0.time.tick();
    }

    /// Has running guests pause where their threads say so.
    pub fn interrupt(&self) {
        self.0.time.interrupt();
    }

    pub(super) fn time(&self) -> &Time {
        &self.0.time
    }

    /// Bytes that the memories of all guests hold now.
    pub fn memory_bytes(&self) -> usize {
        self.0.memory.bytes()
    }

    pub(super) fn memory(&self) -> &Arc<GuestMemory> {
        &self.0.memory
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(super) fn linker(&self) -> &Linker<CallData> {
        &self.0.linker
    }

    /// Ticks after which a call has lasted too long.
    pub(super) fn wall_ticks(&self, question: Question) -> u64 {
        let (wall_ms, _) = question.wall_ms(&self.0.options);
        wall_ms.div_ceil(self.0.options.tick_ms.max(1)) + 1
    }

    /// Makes a module's idle instances known, so that others may take their places.
    pub(super) fn register(&self, idle: &Arc<Idle>) {
        self.0.memory.register(idle);
    }

    /// Drops the idle instances of all modules; true if there were any.
    pub(super) fn reclaim(&self) -> bool {
        self.0.memory.reclaim()
    }
}
