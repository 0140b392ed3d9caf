//! Instances between calls.

use retold_engine::model::{Answer, CallLimits, Calls, Event, Guest, GuestFault, LogLevel, Position, Reactions, StateError};

use super::asked::{LIMITS, handle, orders};
use super::guests::{Parts, core, load, sandbox};
use crate::wasm::{Sandbox, SandboxOptions, WasmModule};

/// Traps from the third call of an instance on.
const COUNTS: &str = "(i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
    (if (i32.gt_u (i32.load (i32.const 8)) (i32.const 2)) (then unreachable)) call $no_outputs";

#[test]
fn an_instance_serves_again_until_it_fails() {
    let module = load(&sandbox(), &core(COUNTS));
    let fine = |limits: &CallLimits| handle(&module, 1, limits).0 == Answer::Reactions(Reactions::default());
    let fresh = CallLimits { fresh_instance: true, ..LIMITS };
    assert!(fine(&LIMITS) && fine(&LIMITS) && !fine(&LIMITS), "the same instance three times");
    assert!(fine(&LIMITS), "another one after the trap");
    assert!(fine(&fresh) && fine(&fresh) && fine(&fresh), "a fresh one each time");
    let module = load(&sandbox(), &core(COUNTS));
    for _ in 0..5 {
        assert_eq!(handle(&module, 1, &LIMITS).0, Answer::Reactions(Reactions::default()));
        module.trim();
    }
}

#[test]
fn an_instance_that_has_grown_is_not_given_to_a_call_that_may_have_less() {
    let module = load(&sandbox(), &core("(drop (memory.grow (i32.const 100))) call $no_outputs"));
    assert_eq!(handle(&module, 1, &LIMITS).0, Answer::Reactions(Reactions::default()));
    let small = CallLimits { memory_bytes: 1 << 20, ..LIMITS };
    // In the grown instance nothing could grow any more, and this call wouldn't be the same in a fresh one.
    assert_eq!(handle(&module, 1, &small).0, Answer::Reactions(Reactions::default()));
    let start_is_too_large = CallLimits { memory_bytes: 64 << 10, ..LIMITS };
    assert_eq!(handle(&module, 1, &start_is_too_large).0, Answer::Fault(GuestFault::OutOfMemory { bytes_max: 64 << 10 }));
}

#[test]
fn idle_instances_make_room_for_other_modules() {
    let sandbox = Sandbox::new(SandboxOptions { instances_max: 1, ..SandboxOptions::default() }).unwrap();
    let (one, other) = (load(&sandbox, &Parts::default().core()), load(&sandbox, &Parts::default().core()));
    for _ in 0..3 {
        assert_eq!(handle(&one, 1, &LIMITS).0, Answer::Reactions(Reactions::default()));
        assert_eq!(handle(&other, 1, &LIMITS).0, Answer::Reactions(Reactions::default()));
    }
}

#[test]
fn a_call_that_finds_all_instances_at_work_is_not_decided() {
    /// Calls another guest from within a host call.
    struct Nested<'a>(&'a WasmModule, Option<Answer>);
    impl Calls for Nested<'_> {
        fn state_get(&mut self, _: u32, _: &str) -> Result<Option<Vec<u8>>, StateError> {
            self.1 = Some(handle(self.0, 1, &LIMITS).0);
            Ok(None)
        }
        fn state_put(&mut self, _: u32, _: &str, _: &[u8]) -> Result<(), StateError> {
            Ok(())
        }
        fn state_delete(&mut self, _: u32, _: &str) -> Result<(), StateError> {
            Ok(())
        }
        fn state_scan(&mut self, _: u32, _: &str, _: Option<&str>, _: u32) -> Result<Vec<(String, Vec<u8>)>, StateError> {
            Ok(vec![])
        }
        fn details(&mut self, _: Position) -> Option<Event> {
            None
        }
        fn log(&mut self, _: LogLevel, _: &str) {}
    }
    let sandbox = Sandbox::new(SandboxOptions { instances_max: 1, ..SandboxOptions::default() }).unwrap();
    let outer = load(&sandbox, &core("(call $get (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 128)) call $no_outputs"));
    let inner = load(&sandbox, &Parts::default().core());
    let mut nested = Nested(&inner, None);
    let record = orders(1);
    let answer = outer.handle("echo", &[record.event(Position(1)).unwrap()], &LIMITS, &mut nested);
    assert_eq!(answer, Answer::Reactions(Reactions::default()));
    assert_eq!(nested.1, Some(Answer::Unavailable("all 1 instances are at work (limit `instances`)".into())));
}

#[test]
fn the_same_call_burns_the_same_fuel_whatever_ran_before() {
    let module = load(&sandbox(), &core("(call $echo (local.get $events) (local.get $count))"));
    let enough = (0..1_000_000).step_by(50).find(|fuel| {
        let limits = CallLimits { fuel: *fuel, fresh_instance: true, ..LIMITS };
        matches!(handle(&module, 10, &limits).0, Answer::Reactions(_))
    });
    let enough = enough.expect("some fuel is enough");
    for _ in 0..3 {
        let limits = CallLimits { fuel: enough, ..LIMITS };
        assert!(matches!(handle(&module, 10, &limits).0, Answer::Reactions(_)), "with {enough}");
        let less = CallLimits { fuel: enough - 50, ..LIMITS };
        assert!(matches!(handle(&module, 10, &less).0, Answer::Fault(GuestFault::OutOfFuel { .. })), "with {}", less.fuel);
    }
}

#[test]
fn memory_that_all_guests_hold_together_is_bounded_and_idle_ones_give_theirs_c10_w5() {
    let sandbox = Sandbox::new(SandboxOptions { guests_memory_bytes_max: 4 << 20, ..SandboxOptions::default() }).unwrap();
    let grows = |pages: u32| {
        load(
            &sandbox,
            &core(&format!("(if (i32.eq (i32.const -1) (memory.grow (i32.const {pages}))) (then unreachable)) call $no_outputs")),
        )
    };
    let (one, other, large) = (grows(40), grows(40), grows(80));
    for _ in 0..3 {
        // What is idle of the one makes room for the other.
        assert_eq!(handle(&one, 1, &LIMITS).0, Answer::Reactions(Reactions::default()));
        assert_eq!(handle(&other, 1, &LIMITS).0, Answer::Reactions(Reactions::default()));
        let why = handle(&large, 1, &LIMITS).0;
        assert!(matches!(&why, Answer::Unavailable(why) if why.contains("guests-memory-bytes")), "not decided: {why:?}");
    }
    [&one, &other, &large].into_iter().for_each(WasmModule::trim);
    assert_eq!(sandbox.memory_bytes(), 0, "all is given back");
}
