//! `Slices`: a guest goes on for so much fuel at a time, on a stack of its own, and in between its thread looks whether it
//! may. Compiled code counts its fuel anyhow: it needs no second counter for that.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use wasmtime::Trap;

use super::question::Question;
use super::{Sandbox, pausing};

/// Fuel of one slice: some ten microseconds of work, of which a look takes a hundredth.
pub(super) const FUEL_PER_SLICE: u64 = 100_000;

/// The time of all guests of a host.
#[derive(Default)]
pub(super) struct Time {
    /// How many there have been.
    ticks: AtomicU64,
    /// How often guests were to look whether they may go on, ticks included.
    interruptions: AtomicU64,
}

impl Time {
    pub(super) fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
        self.interrupt();
    }

    pub(super) fn interrupt(&self) {
        self.interruptions.fetch_add(1, Ordering::Relaxed);
    }

    fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }
}

/// The slices of one call.
pub(super) struct Slices<'a> {
    time: &'a Time,
    /// Then the call has lasted too long.
    ends_at_tick: u64,
    interruptions_seen: u64,
}

impl Slices<'_> {
    /// Begins when the thread may.
    pub(super) fn begin(sandbox: &Sandbox, question: Question) -> Slices<'_> {
        let time = sandbox.time();
        let interruptions_seen = time.interruptions.load(Ordering::Relaxed);
        pausing::pause();
        Slices { time, ends_at_tick: time.ticks() + sandbox.wall_ticks(question), interruptions_seen }
    }

    /// Runs a guest to its end, or to that of its time. After an `Err` its store must be dropped.
    pub(super) fn run<R>(&mut self, guest: impl Future<Output = wasmtime::Result<R>>) -> wasmtime::Result<R> {
        let mut guest = pin!(guest);
        // Nothing wakes a guest: it waits for nothing but its next slice.
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(ended) = guest.as_mut().poll(&mut context) {
                return ended;
            }
            self.look()?;
        }
    }

    fn look(&mut self) -> Result<(), Trap> {
        let interruptions = self.time.interruptions.load(Ordering::Relaxed);
        if interruptions == self.interruptions_seen {
            return Ok(());
        }
        self.interruptions_seen = interruptions;
        let before = self.time.ticks();
        if before >= self.ends_at_tick {
            return Err(Trap::Interrupt);
        }
        pausing::pause();
        // While it stood still nothing of its own time passed.
        self.ends_at_tick += self.time.ticks() - before;
        Ok(())
    }
}
