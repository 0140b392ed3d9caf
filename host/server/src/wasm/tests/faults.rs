//! What ends a call.

use std::sync::atomic::{AtomicBool, Ordering};

use retold_engine::model::{Answer, CallLimits};

use super::asked::{LIMITS, faults, handle};
use super::guests::{core, load};
use crate::wasm::{Sandbox, SandboxOptions};

#[test]
fn a_trap_names_the_functions_it_happened_in() {
    faults("unreachable", "`unreachable` instruction executed in handle");
    faults("(i32.load (i32.const -4))", "out of bounds memory access (in safe Rust: too deep a recursion) in handle");
}

#[test]
fn a_trap_is_told_with_the_guest_s_last_words() {
    faults("(call $log (i32.const 4) (i32.const 64) (i32.const 12)) unreachable", "executed in handle, after it said: order.echoed");
}

#[test]
fn each_limit_of_a_call_is_a_fault_that_names_it() {
    faults("(loop $for_ever (br $for_ever)) i32.const 0", "limit `fuel` is 10000000");
    faults(
        "(loop $more (drop (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 65536))) (br $more)) i32.const 0",
        "limit `memory-bytes` is 16777216",
    );
    faults(&format!("(call $handle {})", "(i32.const 0) ".repeat(4)), "limit `stack-bytes`");
    faults("(loop $more (call $log (i32.const 2) (i32.const 64) (i32.const 12)) (br $more)) i32.const 0", "limit `log-lines-per-call`");
    faults(
        "(loop $more (call $get (i32.const 0) (i32.const 64) (i32.const 12) (i32.const 16)) (br $more)) i32.const 0",
        "limit `state-calls-per-call`",
    );
}

#[test]
fn a_result_that_the_contract_does_not_allow_is_refused() {
    let list = |at: i64, length: i64| {
        format!(
            "(i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const {at})) (i32.store (i32.const 24) (i32.const {length})) i32.const 16"
        )
    };
    faults(&list(0, 0x0fff_ffff), "contract doesn't allow");
    faults(&list(1, 1), "not aligned");
    faults(&format!("(drop (memory.grow (i32.const 198))) {}", list(131_072, 200_000)), "limit `output-bytes-per-call`");
    faults("i32.const -4", "contract doesn't allow");
}

#[test]
fn a_call_that_outlasts_the_wall_limit_is_ended_and_not_decided() {
    let sandbox = Sandbox::new(SandboxOptions { call_ms_max: 20, ..SandboxOptions::default() }).unwrap();
    let module = load(&sandbox, &core("(loop $for_ever (br $for_ever)) i32.const 0"));
    let ended = AtomicBool::new(false);
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                sandbox.tick();
                std::thread::yield_now();
            }
        });
        let answer = handle(&module, 1, &CallLimits { fuel: u64::MAX >> 1, ..LIMITS }).0;
        ended.store(true, Ordering::Relaxed);
        answer
    });
    assert!(matches!(&answer, Answer::Unavailable(what) if what.contains("20 ms of wall time (limit `call-ms`)")), "{answer:?}");
}
