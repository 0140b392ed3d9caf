//! What goes in and what comes out.

use retold_engine::model::{Answer, EventDraftRef, Failure, FailureKind, OutputRef, Reactions};

use super::asked::{LIMITS, call, faults, handle};
use super::guests::{Parts, core, load, sandbox};

#[test]
fn events_go_in_and_outputs_come_out_in_order() {
    let (answer, _) = handle(&load(&sandbox(), &core("(call $echo (local.get $events) (local.get $count))")), 300, &LIMITS);
    let Answer::Reactions(reactions) = answer else { panic!("{answer:?}") };
    assert_eq!(reactions.len(), 300);
    for (index, (cause, output)) in reactions.iter().enumerate() {
        assert_eq!(cause, index as u32);
        let (subject, data) = (format!("order/{}", index + 1), (index + 1).to_string());
        let (subject, data) = (subject.as_str(), data.as_bytes());
        let echoed = EventDraftRef { r#type: "order.echoed", subject, tags: &[], content_type: None, data, key: None };
        assert_eq!(output, OutputRef::Emit(echoed));
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
fn host_calls_reach_the_engine_and_no_further() {
    let (answer, asked) = call(
        "(call $log (i32.const 3) (i32.const 64) (i32.const 12))
         (call $get (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 128))
         (call $put (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 68) (i32.const 2))
         (call $scan (i32.const 0) (i32.const 64) (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 5) (i32.const 7) (i32.const 128))
         call $no_outputs",
    );
    assert_eq!(answer, Answer::Reactions(Reactions::default()));
    assert_eq!(asked, ["Warn order.echoed", "get 0 order", "put 0 order [114, 46]", "scan 0 \"\" Some(\"order\") 7"]);
    faults("(call $details (i64.const 9) (i32.const 128)) call $no_outputs", "position 9, which is not in the batch");
    faults(
        "(call $scan (i32.const 1) (i32.const 64) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 128)) call $no_outputs",
        "event index 1 is outside the batch of 1",
    );
    faults("(call $log (i32.const 3) (i32.const 64) (i32.const -1)) call $no_outputs", "in handle");
}

const MANY: &str = r#"
  (import "retold:module/state@0.1.0" "get-many" (func $get_many (param i32 i32 i32 i32 i32)))
  (import "retold:module/state@0.1.0" "write-many" (func $write_many (param i32 i32 i32 i32 i32 i32)))"#;

/// What words at 256 would have, for a body.
fn words(words: &[u32]) -> String {
    (256..).step_by(4).zip(words).map(|(at, word)| format!("(i32.store (i32.const {at}) (i32.const {word}))")).collect()
}

fn call_many(words_at_256: &[u32], body: &str) -> (Answer, Vec<String>) {
    let body = format!("{} {body} call $no_outputs", words(words_at_256));
    handle(&load(&sandbox(), &Parts { imports: MANY, handle: &body, ..Parts::default() }.core()), 1, &LIMITS)
}

#[test]
fn rows_cross_in_pieces_and_reach_the_engine_one_by_one() {
    let get = "(call $get_many (i32.const 256) (i32.const 2) (i32.const 64) (i32.const 12) (i32.const 128))";
    let told = "(if (i32.ne (i32.load (i32.const 132)) (i32.const 2)) (then unreachable))
        (if (i32.ne (i32.load offset=4 (i32.load (i32.const 128))) (i32.const 4)) (then unreachable))
        (if (i32.ne (i32.load offset=12 (i32.load (i32.const 128))) (i32.const 8)) (then unreachable))
        (if (i32.ne (i32.load (i32.const 140)) (i32.const 8)) (then unreachable))";
    let (answer, asked) = call_many(&[0, 5, 0, 12], &format!("{get} {told}"));
    assert_eq!((answer, asked), (Answer::Reactions(Reactions::default()), vec!["get 0 order".into(), "get 0 .echoed".into()]));
    let write = "(call $write_many (i32.const 256) (i32.const 2) (i32.const 64) (i32.const 12) (i32.const 68) (i32.const 2))";
    let (answer, asked) = call_many(&[0, 5, 1, 2, 0, 12, 0, 0], write);
    assert_eq!((answer, asked), (Answer::Reactions(Reactions::default()), vec!["put 0 order [114, 46]".into(), "delete 0 .echoed".into()]));
}

#[test]
fn a_piece_that_is_cut_up_wrongly_is_the_guest_s_fault() {
    let get = "(call $get_many (i32.const 256) (i32.const 2) (i32.const 64) (i32.const 12) (i32.const 128))";
    let write = "(call $write_many (i32.const 256) (i32.const 2) (i32.const 64) (i32.const 12) (i32.const 68) (i32.const 2))";
    for (words, body, end) in [
        (vec![0, 5, 0, 13], get, 13),
        (vec![0, 5, 0, 4], get, 4),
        (vec![0, u32::MAX, 0, 12], get, u32::MAX),
        (vec![0, 5, 0, 0, 0, 4, 0, 0], write, 4),
        (vec![0, 5, 1, 2, 0, 12, 1, 3], write, 3),
        (vec![0, 5, 1, 2, 0, 12, 1, 1], write, 1),
    ] {
        let (answer, _) = call_many(&words, body);
        let Answer::Fault(fault) = answer else { panic!("{words:?}: {answer:?}") };
        assert!(fault.to_string().contains(&format!("a part that ends at byte {end} of its piece")), "{words:?}: {fault}");
    }
    let (answer, _) = call_many(&[0, 5, 0, 12], &format!("(loop $more {get} (br $more))"));
    assert!(matches!(&answer, Answer::Fault(fault) if fault.to_string().contains("limit `state-calls-per-call`")), "{answer:?}");
}

#[test]
fn trouble_of_the_host_is_no_fault_of_the_guest() {
    // "disk" and "panic" are written into memory first.
    let disk = "(i32.store (i32.const 128) (i32.const 0x6b736964)) (call $put (i32.const 0) (i32.const 128) (i32.const 4) (i32.const 0) (i32.const 0)) call $no_outputs";
    assert_eq!(call(disk).0, Answer::Unavailable("the disk is gone".into()));
    let panic =
        "(i64.store (i32.const 128) (i64.const 0x63696e6170)) (call $log (i32.const 0) (i32.const 128) (i32.const 5)) call $no_outputs";
    let module = load(&sandbox(), &core(panic));
    for _ in 0..8 {
        let Answer::Unavailable(what) = handle(&module, 1, &LIMITS).0 else { panic!("not told") };
        assert!(what.contains("the host's own bug"), "{what}");
    }
}
