//! The WASI state of one instance.

use std::sync::LazyLock;

use retold_engine::model::{CommandRef, EventRef, Timestamp};
use tokio::runtime::{EnterGuard, Runtime};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::clock::ClockView;
use super::output::Output;
use super::random::Random;
use crate::wasm::call::CallData;
use crate::wasm::quotas;

/// The time where there is no event to take it from: 2000-01-01T00:00:00Z. Not 0, at which some
/// runtimes refuse to start and from which no duration can be taken.
const NO_EVENT: Timestamp = Timestamp(946_684_800_000_000);

/// When and by what chance an instance lives: a function of what it serves.
pub(in crate::wasm) struct Moment {
    time: Timestamp,
    random: Random,
}

impl Moment {
    /// For a call of `function` that serves one event or command.
    pub(in crate::wasm) fn of(function: &str, cause: &Cause<'_>) -> Moment {
        Moment { time: cause.time, random: Random::seeded(&[function, cause.source, cause.id]) }
    }

    /// For what serves no event (`describe`, queries), or many and so can't read clock or chance. It is
    /// always the same, so that a view with the same rows gives a question the same answer.
    pub(in crate::wasm) fn fixed() -> Moment {
        Moment { time: NO_EVENT, random: Random::seeded(&[]) }
    }
}

/// The event or command that a call serves.
#[derive(Clone, Copy)]
pub(in crate::wasm) struct Cause<'a> {
    source: &'a str,
    id: &'a str,
    time: Timestamp,
}

impl<'a> From<&EventRef<'a>> for Cause<'a> {
    fn from(event: &EventRef<'a>) -> Cause<'a> {
        Cause { source: event.source, id: event.id, time: event.time }
    }
}

impl<'a> From<&CommandRef<'a>> for Cause<'a> {
    fn from(command: &CommandRef<'a>) -> Cause<'a> {
        Cause { source: command.source, id: command.id, time: command.time }
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
