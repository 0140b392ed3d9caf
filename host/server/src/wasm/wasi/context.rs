//! The WASI state of one instance.

use std::sync::LazyLock;

use retold_engine::model::{EventRef, Timestamp};
use tokio::runtime::{EnterGuard, Runtime};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::clock::ClockView;
use super::output::Output;
use super::random::Random;
use crate::wasm::call::CallData;
use crate::wasm::quotas;

/// When and by what chance an instance lives: a function of the event that it serves.
pub(in crate::wasm) struct Moment {
    time: Timestamp,
    random: Random,
}

impl Moment {
    /// For a call that serves one event of `function`.
    pub(in crate::wasm) fn of(function: &str, event: &EventRef<'_>) -> Moment {
        Moment { time: event.time, random: Random::seeded(&[function, event.source, event.id]) }
    }

    /// For what serves no event, or many and so can't read clock or chance.
    pub(in crate::wasm) fn none() -> Moment {
        Moment { time: Timestamp(0), random: Random::seeded(&[]) }
    }
}

pub(in crate::wasm) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
    moment: Moment,
    output: Output,
}

impl Wasi {
    pub(in crate::wasm) fn new(moment: Moment) -> Wasi {
        let output = Output::default();
        let mut table = ResourceTable::new();
        table.set_max_capacity(quotas::HANDLES_MAX);
        // The rest of a fresh context is empty or refuses: no arguments, environment, directories,
        // standard input, addresses. Its clocks and random numbers are never linked.
        let context = WasiCtx::builder()
            .stdout(output.standard_output())
            .stderr(output.standard_error())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .allow_blocking_current_thread(false)
            .build();
        Wasi { context, table, moment, output }
    }

    pub(in crate::wasm) fn output(&self) -> &Output {
        &self.output
    }
}

impl CallData {
    fn wasi(&mut self) -> &mut Wasi {
        self.wasi.as_mut().expect("a module that imports WASI is given it")
    }

    pub(super) fn clock(&mut self) -> ClockView<'_> {
        let wasi = self.wasi();
        ClockView { time: wasi.moment.time, table: &mut wasi.table }
    }

    pub(super) fn random(&mut self, bytes: u64) -> wasmtime::Result<&mut Random> {
        self.quotas.random(bytes).map_err(wasmtime::Error::new)?;
        Ok(&mut self.wasi().moment.random)
    }
}

impl WasiView for CallData {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}

/// Gives wasmtime-wasi a runtime without threads, timers or I/O for its synchronous mode, which would
/// otherwise start one with a thread a core. Everything that it waits for here is ready at once.
pub(in crate::wasm) fn enter() -> EnterGuard<'static> {
    static NOTHING_TO_WAIT_FOR: LazyLock<Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers needs nothing of the system")
    });
    NOTHING_TO_WAIT_FOR.enter()
}
