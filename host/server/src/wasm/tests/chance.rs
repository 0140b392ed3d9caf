//! Clock and chance of WASI components.

use retold_engine::model::{Answer, Guest, Position, Reactions};

use super::asked::{Asked, KINDS, Kind, LIMITS, ask, ask_of, handle, orders};
use super::guests::{Parts, every, load, sandbox};

/// Keeps the clocks and a random number in its state, as bytes.
const WASI: (&str, &str) = (
    r#"(import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall (param i32)))
       (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $monotonic (result i64)))
       (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#,
    "(call $wall (i32.const 128)) (i64.store (i32.const 144) (call $monotonic)) (i64.store (i32.const 152) (call $random))
     (call $put (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 128) (i32.const 8))
     (call $put (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 136) (i32.const 4))
     (call $put (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 144) (i32.const 8))
     (call $put (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 152) (i32.const 8))",
);

#[test]
fn clock_and_chance_are_functions_of_the_event() {
    let module = load(&sandbox(), &every(WASI.0, WASI.1));
    assert!(module.one_event_a_call());
    let record = orders(2);
    let of = |function: &str, position: u64| {
        let mut asked = Asked::default();
        let answer = module.handle(function, &[record.event(Position(position)).unwrap()], &LIMITS, &mut asked);
        assert_eq!(answer, Answer::Reactions(Reactions::default()));
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

/// What the wall clock's seconds, its parts of a second, the monotonic clock and chance showed.
fn seen(guest: &dyn Guest, kind: Kind, position: u64) -> Vec<String> {
    let (answer, asked) = ask_of(guest, kind, position, &LIMITS);
    assert_eq!((answer, asked.len()), (Ok(()), 4), "{kind:?}");
    asked
}

#[test]
fn every_kind_of_call_has_a_time_and_a_chance_of_its_own_event() {
    let bytes = |number: u64| format!("put 0 order {:?}", number.to_le_bytes());
    // Compiled, loaded and run twice, as on two hosts.
    let (module, elsewhere) = (load(&sandbox(), &every(WASI.0, WASI.1)), load(&sandbox(), &every(WASI.0, WASI.1)));
    for kind in KINDS {
        let first = seen(&module, kind, 1);
        let seconds = match kind {
            Kind::Decide => 1_800_000_000,
            Kind::Query => 946_684_800,
            _ => 1_700_000_000,
        };
        assert_eq!((&first[0], &first[2]), (&bytes(seconds), &bytes(seconds * 1_000_000_000)), "{kind:?}");
        assert_eq!(seen(&module, kind, 1), first, "{kind:?} again");
        assert_eq!(seen(&elsewhere, kind, 1), first, "{kind:?} elsewhere");
        // The command is the same whatever the event, and a query has neither.
        let another = seen(&module, kind, 2)[3] != first[3];
        assert_eq!(another, !matches!(kind, Kind::Decide | Kind::Query), "{kind:?} of another event");
    }
    let decided = &seen(&module, Kind::Decide, 1)[3];
    assert_ne!(decided, &seen(&module, Kind::Evolve, 1)[3], "a command is another cause than an event");
}

#[test]
fn what_was_made_of_one_stored_event_has_one_time_and_chance() {
    let module = load(&sandbox(), &every(WASI.0, WASI.1));
    let record = orders(1);
    let mut parts = [record.event(Position(1)).unwrap(); 2];
    (parts[1].r#type, parts[1].data) = ("order.paid", b"paid");
    let mut asked = Asked::default();
    assert_eq!(module.handle("echo", &parts, &LIMITS, &mut asked), Answer::Reactions(Reactions::default()));
    assert_eq!(asked.0, seen(&module, Kind::Handle, 1));
}

#[test]
fn what_any_call_prints_reaches_the_function_s_log() {
    let imports = r#"(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
        (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
        (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $print (param i32 i32 i32 i32)))"#;
    let print = "(call $print (call $stdout) (i32.const 64) (i32.const 5) (i32.const 128))
        (call $print (call $stderr) (i32.const 64) (i32.const 12) (i32.const 128))";
    let lines = ["Info order", "Warn order.echoed"];
    let module = load(&sandbox(), &every(imports, print));
    assert!(!module.one_event_a_call());
    let traps = load(&sandbox(), &every(imports, &format!("{print} unreachable")));
    for kind in KINDS {
        // In a fresh instance and in one that served before.
        assert_eq!(ask(&module, kind, &LIMITS), (Ok(()), lines.map(String::from).to_vec()), "{kind:?}");
        let (answer, asked) = ask(&traps, kind, &LIMITS);
        assert_eq!(asked, lines, "{kind:?}: what came before a trap is kept");
        assert!(format!("{answer:?}").contains("after it said: order.echoed"), "{kind:?}: {answer:?}");
    }
}

#[test]
fn no_call_sees_an_environment_arguments_or_files() {
    let imports = r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
        (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))
        (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))"#;
    // Keeps how long each of the three lists is.
    let body = ["$environment", "$arguments", "$directories"].map(|list| {
        format!("(call {list} (i32.const 128)) (call $put (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 132) (i32.const 4))")
    });
    let module = load(&sandbox(), &every(imports, &body.concat()));
    for kind in KINDS {
        assert_eq!(ask(&module, kind, &LIMITS), (Ok(()), vec!["put 0 order [0, 0, 0, 0]".to_owned(); 3]), "{kind:?}");
    }
}

#[test]
fn wasi_that_is_the_same_for_every_event_does_not_forbid_batches() {
    let imports = r#"(import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))"#;
    let module =
        load(&sandbox(), &Parts { imports, handle: "(call $arguments (i32.const 128)) call $no_outputs", ..Parts::default() }.core());
    assert!(!module.one_event_a_call());
    assert_eq!(handle(&module, 5, &LIMITS).0, Answer::Reactions(Reactions::default()));
}
