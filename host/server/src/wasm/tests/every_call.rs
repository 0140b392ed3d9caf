//! What holds for each kind of call alike: how it ends, what it may use, and what is left of it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use retold_engine::model::{CallLimits, GuestFault, NotAnswered, StateError};

use super::asked::{KINDS, Kind, LIMITS, ask};
use super::guests::{Parts, every, load, sandbox};
use crate::wasm::{Sandbox, SandboxOptions, with_pauses};

fn fault(answer: Result<(), NotAnswered>) -> GuestFault {
    match answer {
        Err(NotAnswered::Fault(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

/// Each kind of call, in a module whose functions all begin with `body`, ends with this fault; and
/// another module of the same host is served before and after.
#[track_caller]
fn faults(kinds: &[Kind], body: &str, limits: &CallLimits, expected: &str) {
    let sandbox = sandbox();
    let (bad, neighbour) = (load(&sandbox, &every("", body)), load(&sandbox, &every("", "")));
    for kind in kinds {
        assert_eq!(ask(&neighbour, *kind, &LIMITS).0, Ok(()), "{kind:?}");
        let fault = fault(ask(&bad, *kind, limits).0).to_string();
        assert!(fault.contains(expected), "{kind:?}: {fault}");
        assert_eq!(ask(&neighbour, *kind, &LIMITS).0, Ok(()), "{kind:?}");
    }
}

#[test]
fn a_trap_or_a_spent_limit_is_a_fault_of_any_call() {
    faults(&KINDS, "unreachable", &LIMITS, "`unreachable` instruction executed");
    faults(&KINDS, "(loop $for_ever (br $for_ever))", &LIMITS, "limit `fuel` is 10000000");
    faults(
        &KINDS,
        "(loop $more (drop (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 65536))) (br $more))",
        &LIMITS,
        "limit `memory-bytes` is 16777216",
    );
    faults(
        &KINDS,
        "(loop $more (call $get (i32.const 0) (i32.const 64) (i32.const 12) (i32.const 128)) (br $more))",
        &LIMITS,
        "limit `state-calls-per-call`",
    );
    faults(&KINDS, "(call $log (i32.const 3) (i32.const 64) (i32.const -1))", &LIMITS, "out of bounds");
}

#[test]
fn nonsense_is_a_fault_of_any_call() {
    let returns = |case: i32, address: i32, length: i32| {
        format!(
            "(i32.store16 (i32.const 128) (i32.const 0xffff)) (i32.store (i32.const 16) (i32.const {case}))
             (i32.store (i32.const 20) (i32.const {address})) (i32.store (i32.const 24) (i32.const {length})) (return (i32.const 16))"
        )
    };
    let not_allowed = "contract doesn't allow";
    faults(&KINDS, "(return (i32.const -8))", &LIMITS, not_allowed);
    faults(&KINDS, &returns(7, 0, 0), &LIMITS, not_allowed);
    // A code that is no UTF-8; or a failure's kind that there isn't.
    faults(&KINDS, &returns(1, 128, 2), &LIMITS, not_allowed);
    // As long as nothing is returned but an address, there is nothing to refuse in `project`.
    let with_answers = [Kind::Handle, Kind::Decide, Kind::Evolve, Kind::Query, Kind::Upcast];
    faults(&with_answers, &returns(0, 64, 0x0fff_ffff), &LIMITS, not_allowed);
    faults(&with_answers, &returns(0, -4, 8), &LIMITS, not_allowed);
    faults(&[Kind::Query], &returns(0, 128, 2), &LIMITS, not_allowed);
}

#[test]
fn an_answer_that_is_too_large_is_a_fault_that_names_the_limit() {
    let room = CallLimits { memory_bytes: 64 << 20, ..LIMITS };
    let returns = |length: usize| {
        format!(
            "(drop (memory.grow (i32.const 600))) (i32.store (i32.const 16) (i32.const 0))
             (i32.store (i32.const 20) (i32.const 1048576)) (i32.store (i32.const 24) (i32.const {length})) (return (i32.const 16))"
        )
    };
    // The lists are of empty events, which are larger than their contents.
    let lists = [Kind::Handle, Kind::Decide];
    faults(&lists, &returns(5_000), &room, "returned 5000 outputs, at most 4096 (limit `outputs-per-call`)");
    faults(&lists, &returns(400_000), &room, "limit `output-bytes-per-call`");
    faults(&[Kind::Upcast], &returns(3_000_000), &room, "limit `output-bytes-per-call`");
    faults(&[Kind::Evolve], &returns((1 << 20) + 1), &room, "state limit `state-value-bytes` exceeded: 1048577, at most 1048576");
    faults(&[Kind::Evolve], &returns(30 << 20), &room, "far more than 1048576 bytes of state (limit `state-value-bytes`)");

    let payload = |length: usize| {
        format!(
            "{} (i32.store (i32.const 28) (i32.const 1048576)) (i32.store (i32.const 32) (i32.const {length})) (return (i32.const 16))",
            returns(0)
                .replace("(return (i32.const 16))", "(i32.store (i32.const 20) (i32.const 64)) (i32.store (i32.const 24) (i32.const 5))")
        )
    };
    faults(&[Kind::Query], &payload(9 << 20), &room, "returned 9437184 bytes of payload, at most 8388608 (limit `query-payload-bytes`)");
    faults(&[Kind::Query], &payload(30 << 20), &room, "limit `query-payload-bytes`");
    faults(&[Kind::Query], &returns(0), &room, "content type");
}

#[test]
fn what_the_engine_refuses_ends_any_call() {
    // Event 1 is outside of each call's batch.
    let body =
        "(call $scan (i32.const 1) (i32.const 64) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 128))";
    let module = load(&sandbox(), &every("", body));
    for kind in KINDS {
        let refused = GuestFault::StateRefused(StateError::OutsideBatch { index: 1, batch: 1 });
        assert_eq!(fault(ask(&module, kind, &LIMITS).0), refused, "{kind:?}");
    }
    // "disk" is written into memory first.
    let disk = "(i32.store (i32.const 128) (i32.const 0x6b736964)) (call $put (i32.const 0) (i32.const 128) (i32.const 4) (i32.const 0) (i32.const 0))";
    let panic = "(i64.store (i32.const 128) (i64.const 0x63696e6170)) (call $log (i32.const 0) (i32.const 128) (i32.const 5))";
    let (disk, panic) = (load(&sandbox(), &every("", disk)), load(&sandbox(), &every("", panic)));
    for kind in KINDS {
        assert_eq!(ask(&disk, kind, &LIMITS).0, Err(NotAnswered::Unavailable("the disk is gone".into())), "{kind:?}");
        let answer = ask(&panic, kind, &LIMITS).0;
        assert!(matches!(&answer, Err(NotAnswered::Unavailable(what)) if what.contains("the host's own bug")), "{kind:?}: {answer:?}");
    }
}

#[test]
fn a_query_has_a_wall_limit_of_its_own() {
    let sandbox = Sandbox::new(SandboxOptions { call_ms_max: 40, query_wall_ms: 20, ..SandboxOptions::default() }).unwrap();
    let module = load(&sandbox, &every("", "(loop $for_ever (br $for_ever))"));
    let limits = CallLimits { fuel: u64::MAX >> 1, ..LIMITS };
    let ended = AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                sandbox.tick();
                std::thread::yield_now();
            }
        });
        let answers = KINDS.map(|kind| (kind, ask(&module, kind, &limits).0));
        ended.store(true, Ordering::Relaxed);
        answers
    });
    for (kind, answer) in answers {
        let limit = if kind == Kind::Query { "20 ms of wall time (limit `query-wall-ms`)" } else { "40 ms of wall time (limit `call-ms`)" };
        assert!(matches!(&answer, Err(NotAnswered::Unavailable(what)) if what.contains(limit)), "{kind:?}: {answer:?}");
    }
}

/// Traps from the third call of an instance on.
const COUNTS: &str = "(i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
    (if (i32.gt_u (i32.load (i32.const 8)) (i32.const 2)) (then unreachable))";

#[test]
fn an_instance_serves_calls_of_all_kinds() {
    let module = load(&sandbox(), &every("", COUNTS));
    let fine = |kind: Kind| ask(&module, kind, &LIMITS).0.is_ok();
    for [first, second, third] in [[0, 1, 2], [3, 4, 5], [4, 3, 0], [5, 1, 4]].map(|kinds| kinds.map(|kind| KINDS[kind])) {
        assert!(fine(first) && fine(second), "{first:?} and {second:?}");
        assert!(!fine(third), "{third:?} meets the instance that served the two before");
    }
    let fresh = CallLimits { fresh_instance: true, ..LIMITS };
    for kind in KINDS {
        for _ in 0..3 {
            assert_eq!(ask(&module, kind, &fresh).0, Ok(()), "{kind:?} in a fresh one each time");
        }
    }
}

#[test]
fn an_instance_whose_answer_was_refused_does_not_serve_again() {
    // Counts, and on the first call answers an outsized state.
    let body = "(i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
        (drop (memory.grow (i32.const 20)))
        (i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 65536)) (i32.store (i32.const 24) (i32.const 0x100001))
        (if (i32.eq (i32.load (i32.const 8)) (i32.const 1)) (then (return (i32.const 16)))) call $no_outputs";
    let module = load(&sandbox(), &Parts { aggregate: Some(("unreachable", body)), ..Parts::default() }.core());
    for _ in 0..3 {
        assert!(fault(ask(&module, Kind::Evolve, &LIMITS).0).to_string().contains("state-value-bytes"));
    }
}

#[test]
fn any_call_pauses_where_its_thread_says_so_and_that_is_none_of_its_time_w32() {
    const PAUSES: usize = 5;
    let sandbox = Sandbox::new(SandboxOptions { call_ms_max: 40, query_wall_ms: 40, ..SandboxOptions::default() }).unwrap();
    let module = load(&sandbox, &every("", "(loop $for_ever (br $for_ever))"));
    let limits = CallLimits { fuel: u64::MAX >> 1, ..LIMITS };
    for kind in KINDS {
        let (pauses, ended) = (std::sync::Arc::new(AtomicUsize::new(0)), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    // Until it has paused often enough no time passes but in its pauses.
                    if pauses.load(Ordering::Relaxed) < PAUSES {
                        sandbox.interrupt()
                    } else {
                        sandbox.tick()
                    }
                    std::thread::yield_now();
                }
            });
            let (counted, ticking, first) = (pauses.clone(), sandbox.clone(), Cell::new(true));
            let pause = move || {
                counted.fetch_add(1, Ordering::Relaxed);
                // The first is before the call begins. A second of ticks is far beyond its time.
                if !first.replace(false) && counted.load(Ordering::Relaxed) < PAUSES {
                    (0..100).for_each(|_| ticking.tick());
                }
            };
            let (answer, _) = with_pauses(pause, || ask(&module, kind, &limits));
            ended.store(true, Ordering::Relaxed);
            assert!(matches!(&answer, Err(NotAnswered::Unavailable(what)) if what.contains("40 ms")), "{kind:?}: {answer:?}");
        });
        assert!(pauses.load(Ordering::Relaxed) >= PAUSES, "{kind:?}: {}", pauses.load(Ordering::Relaxed));
    }
}
