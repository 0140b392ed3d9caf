//! Clock and chance of WASI components.

use retold_engine::model::{Answer, Guest, Position};

use super::asked::{Asked, LIMITS, handle, orders};
use super::guests::{Parts, load, sandbox};

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
    let module = load(&sandbox(), &Parts { imports: WASI.0, handle: WASI.1, ..Parts::default() }.core());
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
    let module =
        load(&sandbox(), &Parts { imports, handle: "(call $arguments (i32.const 128)) call $no_outputs", ..Parts::default() }.core());
    assert!(!module.one_event_a_call());
    assert_eq!(handle(&module, 5, &LIMITS).0, Answer::Reactions(vec![]));
}
