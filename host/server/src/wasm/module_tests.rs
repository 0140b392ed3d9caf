//! What a call gives, guest by guest.

use std::sync::atomic::{AtomicBool, Ordering};

use retold_engine::model::{
    Answer, CallLimits, Calls, Event, EventRef, Failure, FailureKind, FunctionKind, Guest, GuestFault, LogLevel, NewEvent, Output, Position,
    RecordBuilder, Start, StateError, Timestamp,
};

use super::test_modules::{core, core_that_describes, core_that_imports, load, sandbox};
use super::{ModuleError, Sandbox, SandboxOptions, WasmModule};

const LIMITS: CallLimits = CallLimits { fuel: 10_000_000, memory_bytes: 16 << 20, fresh_instance: false };

/// Keeps what the guest asked for.
#[derive(Default)]
struct Asked(Vec<String>);

impl Calls for Asked {
    fn state_get(&mut self, event: u32, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.0.push(format!("get {event} {key}"));
        Ok(Some(b"kept".to_vec()))
    }

    fn state_put(&mut self, event: u32, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.0.push(format!("put {event} {key} {value:?}"));
        if key == "disk" { Err(StateError::Storage("the disk is gone".into())) } else { Ok(()) }
    }

    fn state_delete(&mut self, event: u32, key: &str) -> Result<(), StateError> {
        self.0.push(format!("delete {event} {key}"));
        Ok(())
    }

    fn state_scan(&mut self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.0.push(format!("scan {event} {prefix:?} {after:?} {limit}"));
        if event > 0 { Err(StateError::OutsideBatch { index: event, batch: 1 }) } else { Ok(vec![("a".into(), vec![1])]) }
    }

    fn details(&mut self, position: Position) -> Option<Event> {
        self.0.push(format!("details {position}"));
        None
    }

    fn log(&mut self, level: LogLevel, message: &str) {
        assert!(message != "panic", "the host's own bug");
        self.0.push(format!("{level:?} {message}"));
    }
}

/// Orders 1, 2, 3 … with their number as data.
fn orders(count: u64) -> RecordBuilder {
    let mut record = RecordBuilder::new(1, Position(1), Timestamp(1_700_000_000_000_000));
    for number in 1..=count {
        record.add_source(&NewEvent {
            id: number.to_string(),
            source: "/shop".into(),
            r#type: "order.placed".into(),
            subject: format!("order/{number}"),
            content_type: "application/json".into(),
            data: number.to_string().into_bytes(),
            ..NewEvent::default()
        });
    }
    record
}

fn handle(module: &WasmModule, count: u64, limits: &CallLimits) -> (Answer, Vec<String>) {
    let record = orders(count);
    let events: Vec<EventRef<'_>> = (1..=count).map(|number| record.event(Position(number)).unwrap()).collect();
    let mut asked = Asked::default();
    (module.handle("echo", &events, limits, &mut asked), asked.0)
}

fn call(body: &str) -> (Answer, Vec<String>) {
    handle(&load(&sandbox(), &core(body)), 1, &LIMITS)
}

#[track_caller]
fn faults(body: &str, expected: &str) {
    match call(body).0 {
        Answer::Fault(fault) => assert!(fault.to_string().contains(expected), "{fault}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_module_says_what_it_is() {
    let manifest = load(&sandbox(), &core("")).describe().unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("echo", "1.0.0"));
    let [function] = &manifest.functions[..] else { panic!("{manifest:?}") };
    assert_eq!((function.name.as_str(), function.kind, function.start), ("echo", FunctionKind::Handler, Start::Beginning));
    assert_eq!((function.subscribes.as_slice(), function.emits.as_slice()), (&["order.*".to_owned()][..], &["order.echoed".to_owned()][..]));
    manifest.check("echo").unwrap();
}

#[test]
fn a_module_that_can_not_say_what_it_is_is_refused() {
    let describe = |body: &str| load(&sandbox(), &core_that_describes(body)).describe().expect_err("refused").to_string();
    assert!(describe("unreachable").contains("trapped"));
    assert!(describe("(loop $for_ever (br $for_ever)) i32.const 0").contains("fuel"));
    assert!(describe("i32.const -8").contains("contract doesn't allow"));
    let calls_state = "(call $get (i32.const 0) (i32.const 64) (i32.const 12) (i32.const 16)) i32.const 4096";
    assert!(describe(calls_state).contains("outside the batch"));
}

#[test]
fn events_go_in_and_outputs_come_out_in_order() {
    let (answer, _) = handle(&load(&sandbox(), &core("(call $echo (local.get $events) (local.get $count))")), 300, &LIMITS);
    let Answer::Reactions(reactions) = answer else { panic!("{answer:?}") };
    assert_eq!(reactions.len(), 300);
    for (index, reaction) in reactions.iter().enumerate() {
        assert_eq!(reaction.cause, index as u32);
        let Output::Emit { r#type, subject, data, tags, content_type, key } = &reaction.output else { panic!("{reaction:?}") };
        assert_eq!((r#type.as_str(), subject.as_str()), ("order.echoed", format!("order/{}", index + 1).as_str()));
        assert_eq!((data.as_slice(), tags.len(), content_type, key), ((index + 1).to_string().as_bytes(), 0, &None, &None));
    }
}

#[test]
fn a_function_can_say_which_event_it_can_not_handle() {
    // err({event: 0, kind: reject, message: "order.echoed"})
    let body = "(i64.store (i32.const 16) (i64.const 1)) (i32.store (i32.const 24) (i32.const 1))
                (i32.store (i32.const 28) (i32.const 64)) (i32.store (i32.const 32) (i32.const 12)) i32.const 16";
    let failure = Failure { event: 0, kind: FailureKind::Reject, message: "order.echoed".into() };
    assert_eq!(call(body).0, Answer::Failed(failure));
}

#[test]
fn a_trap_names_the_functions_it_happened_in() {
    faults("unreachable", "`unreachable` instruction executed in handle");
    faults("(i32.load (i32.const -4))", "out of bounds memory access in handle");
}

#[test]
fn a_trap_is_told_with_the_guest_s_last_words() {
    faults("(call $log (i32.const 4) (i32.const 64) (i32.const 12)) unreachable", "executed in handle, after it said: order.echoed");
}

#[test]
fn each_limit_of_a_call_is_a_fault_that_names_it() {
    faults("(loop $for_ever (br $for_ever)) i32.const 0", "limit `fuel` is 10000000");
    faults("(loop $more (drop (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 65536))) (br $more)) i32.const 0", "limit `memory-bytes` is 16777216");
    faults("(call $handle (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))", "limit `stack-bytes`");
    faults("(loop $more (call $log (i32.const 2) (i32.const 64) (i32.const 12)) (br $more)) i32.const 0", "limit `log-lines-per-call`");
    faults("(loop $more (call $get (i32.const 0) (i32.const 64) (i32.const 12) (i32.const 16)) (br $more)) i32.const 0", "limit `state-calls-per-call`");
}

#[test]
fn a_result_that_the_contract_does_not_allow_is_refused() {
    let list = |at: i64, length: i64| {
        format!("(i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const {at})) (i32.store (i32.const 24) (i32.const {length})) i32.const 16")
    };
    faults(&list(0, 0x0fff_ffff), "contract doesn't allow");
    faults(&list(1, 1), "not aligned");
    faults(&format!("(drop (memory.grow (i32.const 150))) {}", list(0, 100_000)), "limit `output-bytes-per-call`");
    faults("i32.const -4", "contract doesn't allow");
}

#[test]
fn host_calls_reach_the_engine_and_no_further() {
    let (answer, asked) = call(
        "(call $log (i32.const 3) (i32.const 64) (i32.const 12))
         (call $get (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 128))
         (call $put (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 68) (i32.const 2))
         (call $scan (i32.const 0) (i32.const 64) (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 5) (i32.const 7) (i32.const 128))
         call $no_outputs",
    );
    assert_eq!(answer, Answer::Reactions(vec![]));
    assert_eq!(asked, ["Warn order.echoed", "get 0 order", "put 0 order [114, 46]", "scan 0 \"\" Some(\"order\") 7"]);
    faults("(call $details (i64.const 9) (i32.const 128)) call $no_outputs", "position 9, which is not in the batch");
    faults(
        "(call $scan (i32.const 1) (i32.const 64) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 128)) call $no_outputs",
        "event index 1 is outside the batch of 1",
    );
    faults("(call $log (i32.const 3) (i32.const 64) (i32.const -1)) call $no_outputs", "in handle");
}

#[test]
fn trouble_of_the_host_is_no_fault_of_the_guest() {
    // "disk" and "panic" are written into memory first.
    let disk = "(i32.store (i32.const 128) (i32.const 0x6b736964)) (call $put (i32.const 0) (i32.const 128) (i32.const 4) (i32.const 0) (i32.const 0)) call $no_outputs";
    assert_eq!(call(disk).0, Answer::Unavailable("the disk is gone".into()));
    let panic = "(i64.store (i32.const 128) (i64.const 0x63696e6170)) (call $log (i32.const 0) (i32.const 128) (i32.const 5)) call $no_outputs";
    let module = load(&sandbox(), &core(panic));
    for _ in 0..8 {
        let Answer::Unavailable(what) = handle(&module, 1, &LIMITS).0 else { panic!("not told") };
        assert!(what.contains("the host's own bug"), "{what}");
    }
}

/// Traps from the third call of an instance on.
const COUNTS: &str = "(i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
    (if (i32.gt_u (i32.load (i32.const 8)) (i32.const 2)) (then unreachable)) call $no_outputs";

#[test]
fn an_instance_serves_again_until_it_fails() {
    let module = load(&sandbox(), &core(COUNTS));
    let fine = |limits: &CallLimits| handle(&module, 1, limits).0 == Answer::Reactions(vec![]);
    let fresh = CallLimits { fresh_instance: true, ..LIMITS };
    assert!(fine(&LIMITS) && fine(&LIMITS) && !fine(&LIMITS), "the same instance three times");
    assert!(fine(&LIMITS), "another one after the trap");
    assert!(fine(&fresh) && fine(&fresh) && fine(&fresh), "a fresh one each time");
    let module = load(&sandbox(), &core(COUNTS));
    for _ in 0..5 {
        assert_eq!(handle(&module, 1, &LIMITS).0, Answer::Reactions(vec![]));
        module.trim();
    }
}

#[test]
fn an_instance_that_has_grown_is_not_given_to_a_call_that_may_have_less() {
    let module = load(&sandbox(), &core("(drop (memory.grow (i32.const 100))) call $no_outputs"));
    assert_eq!(handle(&module, 1, &LIMITS).0, Answer::Reactions(vec![]));
    let small = CallLimits { memory_bytes: 1 << 20, ..LIMITS };
    // In the grown instance nothing could grow any more, and this call wouldn't be the same in a fresh one.
    assert_eq!(handle(&module, 1, &small).0, Answer::Reactions(vec![]));
    let start_is_too_large = CallLimits { memory_bytes: 64 << 10, ..LIMITS };
    assert_eq!(handle(&module, 1, &start_is_too_large).0, Answer::Fault(GuestFault::OutOfMemory { bytes_max: 64 << 10 }));
}

#[test]
fn idle_instances_make_room_for_other_modules() {
    let sandbox = Sandbox::new(SandboxOptions { instances_max: 1, ..SandboxOptions::default() }).unwrap();
    let (one, other) = (load(&sandbox, &core("")), load(&sandbox, &core("")));
    for _ in 0..3 {
        assert_eq!(handle(&one, 1, &LIMITS).0, Answer::Reactions(vec![]));
        assert_eq!(handle(&other, 1, &LIMITS).0, Answer::Reactions(vec![]));
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
    let inner = load(&sandbox, &core(""));
    let mut nested = Nested(&inner, None);
    let record = orders(1);
    let answer = outer.handle("echo", &[record.event(Position(1)).unwrap()], &LIMITS, &mut nested);
    assert_eq!(answer, Answer::Reactions(vec![]));
    assert_eq!(nested.1, Some(Answer::Unavailable("all 1 instances are at work (limit `instances`)".into())));
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
fn a_module_without_the_export_that_its_manifest_needs_is_refused() {
    // The same bytes as `core`'s manifest, but the function's kind is "view".
    let error = load(&sandbox(), &core_that_describes("(i32.store8 (i32.add (i32.load (i32.const 4112)) (i32.const 8)) (i32.const 2)) i32.const 4096"));
    let error = error.describe().expect_err("refused");
    assert!(matches!(&error, ModuleError::ExportMissing { interface, .. } if interface.contains("view")), "{error}");
}

/// Keeps the clocks and a random number in its state, as bytes.
const WASI: (&str, &str) = (
    r#"(import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall (param i32)))
       (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $monotonic (result i64)))
       (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#,
    "(call $wall (i32.const 128)) (i64.store (i32.const 144) (call $monotonic)) (i64.store (i32.const 152) (call $random))
     (call $put (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 128) (i32.const 8))
     (call $put (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 136) (i32.const 4))
     (call $put (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 144) (i32.const 8))
     (call $put (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 152) (i32.const 8))
     call $no_outputs",
);

#[test]
fn clock_and_chance_are_functions_of_the_event() {
    let module = load(&sandbox(), &core_that_imports(WASI.0, WASI.1));
    assert!(module.one_event_a_call());
    let record = orders(2);
    let of = |function: &str, position: u64| {
        let mut asked = Asked::default();
        let answer = module.handle(function, &[record.event(Position(position)).unwrap()], &LIMITS, &mut asked);
        assert_eq!(answer, Answer::Reactions(vec![]));
        asked.0
    };
    let first = of("echo", 1);
    let bytes = |number: u64| format!("put 0 order {:?}", number.to_le_bytes());
    assert_eq!(first[0], bytes(1_700_000_000), "seconds of the event's time");
    assert_eq!(first[1], "put 0 order [0, 0, 0, 0]");
    assert_eq!(first[2], bytes(1_700_000_000_000_000_000), "the monotonic clock shows it too");
    assert_eq!(of("echo", 1), first, "the same event, the same chance");
    assert_ne!(of("echo", 2)[3], first[3], "another event");
    assert_ne!(of("other", 1)[3], first[3], "another function must not name things alike");
}

#[test]
fn wasi_that_is_the_same_for_every_event_does_not_forbid_batches() {
    let imports = r#"(import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))"#;
    let module = load(&sandbox(), &core_that_imports(imports, "(call $arguments (i32.const 128)) call $no_outputs"));
    assert!(!module.one_event_a_call());
    assert_eq!(handle(&module, 5, &LIMITS).0, Answer::Reactions(vec![]));
}
