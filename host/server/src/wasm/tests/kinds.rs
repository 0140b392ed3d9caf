//! What goes into aggregates, views and upcasters, and what comes out.

use std::sync::Arc;

use retold_engine::model::{EventDraft, EventRef, Failure, FailureKind, Guest, GuestFault, NotAnswered, Payload, Position, Rejection};

use super::asked::{Asked, COMMAND, LIMITS, aggregate, orders, query};
use super::guests::{Parts, core, load, sandbox};

/// Rejects with the command's data where there is no state; else one event with the state as data.
const DECIDE: &str = "
  (if (result i32) (i32.load8_u offset=16 (local.get $arguments))
    (then
      (memory.fill (i32.const 1024) (i32.const 0) (i32.const 72))
      (i32.store (i32.const 1024) (i32.const 64)) (i32.store (i32.const 1028) (i32.const 12))
      (i64.store align=4 (i32.const 1032) (i64.load offset=36 align=4 (local.get $arguments)))
      (memory.copy (i32.const 1048) (i32.add (local.get $arguments) (i32.const 44)) (i32.const 12))
      (i64.store align=4 (i32.const 1060) (i64.load offset=20 align=4 (local.get $arguments)))
      (i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 1024)) (i32.store (i32.const 24) (i32.const 1))
      i32.const 16)
    (else
      (i32.store (i32.const 16) (i32.const 1))
      (i32.store (i32.const 20) (i32.const 64)) (i32.store (i32.const 24) (i32.const 5))
      (i64.store align=4 (i32.const 28) (i64.load offset=28 align=4 (local.get $arguments)))
      (i64.store align=4 (i32.const 36) (i64.load offset=56 align=4 (local.get $arguments)))
      i32.const 16))";

/// Appends the data of all events to the state.
const EVOLVE: &str = "
  (local.set $at (i32.const 8192))
  (if (local.get $has_state) (then
    (memory.copy (local.get $at) (local.get $state) (local.get $state_length))
    (local.set $at (i32.add (local.get $at) (local.get $state_length)))))
  (block $done (loop $next
    (br_if $done (i32.eqz (local.get $count)))
    (memory.copy (local.get $at) (i32.load offset=32 (local.get $events)) (i32.load offset=36 (local.get $events)))
    (local.set $at (i32.add (local.get $at) (i32.load offset=36 (local.get $events))))
    (local.set $events (i32.add (local.get $events) (i32.const 40)))
    (local.set $count (i32.sub (local.get $count) (i32.const 1)))
    (br $next)))
  (i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 8192))
  (i32.store (i32.const 24) (i32.sub (local.get $at) (i32.const 8192)))
  i32.const 16";

/// Keeps the data of each event under its subject.
const PROJECT: &str = "
  (block $done (loop $next
    (br_if $done (i32.eq (local.get $index) (local.get $count)))
    (call $put (local.get $index) (i32.load offset=16 (local.get $events)) (i32.load offset=20 (local.get $events))
      (i32.load offset=32 (local.get $events)) (i32.load offset=36 (local.get $events)))
    (local.set $events (i32.add (local.get $events) (i32.const 40)))
    (local.set $index (i32.add (local.get $index) (i32.const 1)))
    (br $next)))
  call $no_outputs";

/// The value under the query's name, with the query's content type; a rejection if it has data.
const QUERY: &str = "
  (if (result i32) (local.get $data_length)
    (then
      (i32.store (i32.const 16) (i32.const 1))
      (i32.store (i32.const 20) (local.get $name)) (i32.store (i32.const 24) (local.get $name_length))
      (i32.store (i32.const 28) (i32.const 64)) (i32.store (i32.const 32) (i32.const 12))
      (i32.store (i32.const 36) (local.get $data)) (i32.store (i32.const 40) (local.get $data_length))
      i32.const 16)
    (else
      (call $get (i32.const 0) (local.get $name) (local.get $name_length) (i32.const 128))
      (i32.store (i32.const 16) (i32.const 0))
      (i32.store (i32.const 20) (local.get $content_type)) (i32.store (i32.const 24) (local.get $content_type_length))
      (i64.store align=4 (i32.const 28) (i64.load align=4 (i32.const 132)))
      i32.const 16))";

/// Drops every other event, beginning with the first, and gives one for each other.
const UPCAST: &str = "
  (local.set $list (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (i32.mul (local.get $count) (i32.const 8))))
  (local.set $at (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (i32.mul (local.get $count) (i32.const 72))))
  (memory.fill (local.get $list) (i32.const 0) (i32.mul (local.get $count) (i32.const 8)))
  (memory.fill (local.get $at) (i32.const 0) (i32.mul (local.get $count) (i32.const 72)))
  (i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (local.get $list)) (i32.store (i32.const 24) (local.get $count))
  (block $done (loop $next
    (br_if $done (i32.eq (local.get $index) (local.get $count)))
    (if (i32.and (local.get $index) (i32.const 1)) (then
      (i32.store (local.get $list) (local.get $at)) (i32.store offset=4 (local.get $list) (i32.const 1))
      (i32.store (local.get $at) (i32.const 64)) (i32.store offset=4 (local.get $at) (i32.const 12))
      (i64.store offset=8 align=4 (local.get $at) (i64.load offset=16 align=4 (local.get $events)))
      (i64.store offset=36 align=4 (local.get $at) (i64.load offset=32 align=4 (local.get $events)))
      (local.set $at (i32.add (local.get $at) (i32.const 72)))))
    (local.set $list (i32.add (local.get $list) (i32.const 8)))
    (local.set $events (i32.add (local.get $events) (i32.const 40)))
    (local.set $index (i32.add (local.get $index) (i32.const 1)))
    (br $next)))
  i32.const 16";

/// One module of all kinds, behind the engine's trait.
fn mixed() -> Arc<dyn Guest> {
    let parts = Parts { aggregate: Some((DECIDE, EVOLVE)), view: Some((PROJECT, QUERY)), upcast: Some(UPCAST), ..Parts::default() };
    Arc::new(load(&sandbox(), &parts.core()))
}

fn echoed(subject: &str, data: &[u8]) -> EventDraft {
    EventDraft { r#type: "order.echoed".into(), subject: subject.into(), data: data.to_vec(), ..EventDraft::default() }
}

#[test]
fn an_aggregate_decides_on_its_state_and_folds_events_into_it() {
    let (guest, mut asked) = (mixed(), Asked::default());
    let rejected = Rejection { code: "order".into(), message: "order.cancel".into(), data: b"please".to_vec() };
    assert_eq!(guest.decide(&aggregate(None), &COMMAND, &LIMITS, &mut asked), Ok(Err(rejected)));
    let accepted = EventDraft { content_type: Some("text/plain".into()), ..echoed("order/7", b"open") };
    assert_eq!(guest.decide(&aggregate(Some(b"open")), &COMMAND, &LIMITS, &mut asked), Ok(Ok(vec![accepted])));

    let record = orders(3);
    let events: Vec<EventRef<'_>> = (1..=3).map(|number| record.event(Position(number)).unwrap()).collect();
    assert_eq!(guest.evolve(&aggregate(None), &events[..1], &LIMITS, &mut asked), Ok(Ok(b"1".to_vec())));
    assert_eq!(guest.evolve(&aggregate(Some(b"1")), &events[1..], &LIMITS, &mut asked), Ok(Ok(b"123".to_vec())));
    let empty = EventDraft { content_type: Some("text/plain".into()), ..echoed("order/7", b"") };
    assert_eq!(guest.decide(&aggregate(Some(b"")), &COMMAND, &LIMITS, &mut asked), Ok(Ok(vec![empty])), "empty is not none");
    assert!(asked.0.is_empty());
}

#[test]
fn a_view_writes_rows_and_answers_from_them() {
    let (guest, mut asked) = (mixed(), Asked::default());
    let record = orders(2);
    let events: Vec<EventRef<'_>> = (1..=2).map(|number| record.event(Position(number)).unwrap()).collect();
    assert_eq!(guest.project("echo", &events, &LIMITS, &mut asked), Ok(Ok(())));
    let mut question = query("order/1");
    let rejected = Rejection { code: "order/1".into(), message: "order.echoed".into(), data: b"?".to_vec() };
    assert_eq!(guest.query("echo", &question, &LIMITS, &mut asked), Ok(Err(rejected)));
    question.data.clear();
    let answer = Payload { content_type: "text/plain".into(), data: b"kept".to_vec() };
    assert_eq!(guest.query("echo", &question, &LIMITS, &mut asked), Ok(Ok(answer)));
    assert_eq!(asked.0, ["put 0 order/1 [49]", "put 1 order/2 [50]", "get 0 order/1"]);
}

#[test]
fn an_upcaster_answers_a_list_for_each_event() {
    let (guest, record) = (mixed(), orders(300));
    let events: Vec<EventRef<'_>> = (1..=300).map(|number| record.event(Position(number)).unwrap()).collect();
    let lists = guest.upcast("echo", &events, &LIMITS, &mut Asked::default()).unwrap().unwrap();
    assert_eq!(lists.len(), 300);
    for (index, list) in lists.iter().enumerate() {
        let number = (index + 1).to_string();
        let expected = if index % 2 == 0 { vec![] } else { vec![echoed(&format!("order/{number}"), number.as_bytes())] };
        assert_eq!(list, &expected);
    }
}

#[test]
fn each_kind_can_say_which_event_it_can_not_handle() {
    // err({event: 0, kind: retry, message: "order"})
    let body = "(i64.store (i32.const 16) (i64.const 1)) (i32.store (i32.const 24) (i32.const 0))
                (i32.store (i32.const 28) (i32.const 64)) (i32.store (i32.const 32) (i32.const 5)) i32.const 16";
    let parts = Parts { aggregate: Some((DECIDE, body)), view: Some((body, QUERY)), upcast: Some(body), ..Parts::default() };
    let guest = load(&sandbox(), &parts.core());
    let (record, mut asked) = (orders(1), Asked::default());
    let events = [record.event(Position(1)).unwrap()];
    let failure = Failure { event: 0, kind: FailureKind::Retry, message: "order".into() };
    assert_eq!(guest.evolve(&aggregate(None), &events, &LIMITS, &mut asked), Ok(Err(failure.clone())));
    assert_eq!(guest.project("echo", &events, &LIMITS, &mut asked), Ok(Err(failure.clone())));
    assert_eq!(guest.upcast("echo", &events, &LIMITS, &mut asked), Ok(Err(failure)));
}

#[test]
fn a_module_asked_for_what_it_does_not_export_says_so() {
    let guest = load(&sandbox(), &core("call $no_outputs"));
    let answer = guest.decide(&aggregate(None), &COMMAND, &LIMITS, &mut Asked::default());
    let expected = "the module doesn't export retold:module/aggregate@0.1.0".to_owned();
    assert_eq!(answer, Err(NotAnswered::Fault(GuestFault::BadOutput(expected))));
}
