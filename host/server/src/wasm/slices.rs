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

#[cfg(test)]
mod tests {
    use wasmtime::{Instance, Module, Store};

    use super::*;
    use crate::wasm::engine;

    /// How a loop of so many rounds ends that may burn so much fuel, and what is left of it.
    fn spin(module: &Module, fuel: u64, rounds: u32, in_slices: bool) -> (bool, u64) {
        let mut store = Store::new(module.engine(), ());
        store.set_fuel(fuel).unwrap();
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        let spin = instance.get_typed_func::<u32, ()>(&mut store, "spin").unwrap();
        let ended = if in_slices {
            store.fuel_async_yield_interval(Some(FUEL_PER_SLICE)).unwrap();
            Slices { time: &Time::default(), ends_at_tick: 1, interruptions_seen: 0 }.run(spin.call_async(&mut store, rounds))
        } else {
            spin.call(&mut store, rounds)
        };
        (ended.is_ok(), store.get_fuel().unwrap())
    }

    #[test]
    fn slices_change_neither_what_a_guest_burns_nor_where_it_ends() {
        const ROUNDS: u32 = 60_000;
        let wat = r#"(module (func (export "spin") (param $rounds i32)
            (loop $more
                (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
                (br_if $more (local.get $rounds)))))"#;
        let module = Module::new(&engine::compiling().unwrap(), wat::parse_str(wat).unwrap()).unwrap();
        let plenty = 100 * FUEL_PER_SLICE;
        let burnt = plenty - spin(&module, plenty, ROUNDS, false).1;
        assert!(burnt > 3 * FUEL_PER_SLICE, "{burnt}");
        let slices = (1..=3).flat_map(|slices| slices * FUEL_PER_SLICE - 8..=slices * FUEL_PER_SLICE + 8);
        let mut ends = [0, 0];
        for fuel in slices.chain(burnt - 20..=burnt + 20).chain([plenty]) {
            let whole = spin(&module, fuel, ROUNDS, false);
            assert_eq!(spin(&module, fuel, ROUNDS, true), whole, "{fuel} units of fuel");
            ends[usize::from(whole.0)] += 1;
        }
        assert!(ends.iter().all(|count| *count > 0), "nothing was shown: {ends:?}");
    }

    #[test]
    fn who_is_interrupted_and_out_of_time_ends_within_a_slice() {
        let wat = r#"(module (func (export "spin") (param i32) (loop $for_ever (br $for_ever))))"#;
        let module = Module::new(&engine::compiling().unwrap(), wat::parse_str(wat).unwrap()).unwrap();
        let mut store = Store::new(module.engine(), ());
        let limit = 10 * FUEL_PER_SLICE;
        store.set_fuel(limit).unwrap();
        store.fuel_async_yield_interval(Some(FUEL_PER_SLICE)).unwrap();
        let time = Time::default();
        let mut slices = Slices { time: &time, ends_at_tick: 1, interruptions_seen: 0 };
        time.tick();
        let ended = slices.run(async {
            let instance = Instance::new_async(&mut store, &module, &[]).await?;
            instance.get_typed_func::<u32, ()>(&mut store, "spin")?.call_async(&mut store, 0).await
        });
        assert_eq!(ended.unwrap_err().downcast_ref(), Some(&Trap::Interrupt));
        let burnt = limit - store.get_fuel().unwrap();
        assert!((FUEL_PER_SLICE..2 * FUEL_PER_SLICE).contains(&burnt), "{burnt}");
    }
}
