//! Clocks that stand still at the event's time.

use retold_engine::model::Timestamp;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{self, Duration, Instant};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::{self, Datetime};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

pub(super) struct Clock;

impl HasData for Clock {
    type Data<'a> = ClockView<'a>;
}

pub(in crate::wasm) struct ClockView<'a> {
    pub(super) time: Timestamp,
    pub(super) table: &'a mut ResourceTable,
}

impl wall_clock::Host for ClockView<'_> {
    fn now(&mut self) -> wasmtime::Result<Datetime> {
        Ok(Datetime { seconds: self.time.0 / 1_000_000, nanoseconds: (self.time.0 % 1_000_000) as u32 * 1_000 })
    }

    fn resolution(&mut self) -> wasmtime::Result<Datetime> {
        Ok(Datetime { seconds: 0, nanoseconds: 1_000 })
    }
}

/// The monotonic clock shows the event's time too, as Go's runtime refuses to start at 0. A sleep is
/// over at once; whoever waits for the clock to move runs out of calls to the host.
impl monotonic_clock::Host for ClockView<'_> {
    fn now(&mut self) -> wasmtime::Result<Instant> {
        Ok(self.time.0.saturating_mul(1_000))
    }

    fn resolution(&mut self) -> wasmtime::Result<Duration> {
        Ok(1_000)
    }

    fn subscribe_instant(&mut self, _when: Instant) -> wasmtime::Result<Resource<DynPollable>> {
        let over = self.table.push(Over)?;
        subscribe(self.table, over)
    }

    fn subscribe_duration(&mut self, _duration: Duration) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_instant(0)
    }
}

/// A wait that is over.
struct Over;

#[wasmtime_wasi::async_trait]
impl Pollable for Over {
    async fn ready(&mut self) {}
}
