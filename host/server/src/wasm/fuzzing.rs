//! Promises of this room about any bytes: see `crate::fuzzing`.

use std::sync::OnceLock;

use retold_engine::model::{
    Answer, CallLimits, Calls, Digest, Event, EventRef, Guest, LogLevel, NewEvent, Position, RecordBuilder, StateError, Timestamp,
};

use super::quotas::STATE_CALLS_PER_CALL_MAX;
use super::scan::scan;
use super::tests::guests::{Parts, load, sandbox};
use super::{ModuleError, Sandbox, WasmModule};

const LIMITS: CallLimits = CallLimits { fuel: 1_000_000, memory_bytes: 4 << 20, fresh_instance: true };

/// What is uploaded: a look at it finds a module, or a place in it that is wrong.
pub fn upload(bytes: &[u8]) {
    match scan(bytes) {
        Ok(shape) => {
            assert!(scan(bytes).is_ok_and(|again| again == shape));
            let longer = [bytes, &[0]].concat();
            assert!(scan(&longer).is_err(), "a section without its length is behind it");
        }
        Err(ModuleError::Malformed { offset, .. }) => assert!(offset <= bytes.len() as u64),
        Err(refused) => assert!(!refused.to_string().is_empty()),
    }
}

/// Reads calls out of the event's data, 33 bytes each: which one, and eight arguments as they lie there.
const INTERPRETER: &str = r#"
  (local.set $at (i32.load offset=32 (local.get $events)))
  (local.set $index (i32.add (local.get $at) (i32.load offset=36 (local.get $events))))
  (block $end (loop $next
    (br_if $end (i32.lt_s (i32.sub (local.get $index) (local.get $at)) (i32.const 33)))
    (local.set $list (i32.rem_u (i32.load8_u (local.get $at)) (i32.const 8)))
    (block $called
      (block $write_many (block $get_many (block $delete (block $scan (block $put (block $get (block $details (block $log
        (br_table $log $details $get $put $scan $delete $get_many $write_many (local.get $list)))
        (call $log (i32.load offset=1 (local.get $at)) (i32.load offset=5 (local.get $at)) (i32.load offset=9 (local.get $at)))
        (br $called))
        (call $details (i64.load offset=1 (local.get $at)) (i32.load offset=9 (local.get $at)))
        (br $called))
        (call $get (i32.load offset=1 (local.get $at)) (i32.load offset=5 (local.get $at)) (i32.load offset=9 (local.get $at))
          (i32.load offset=13 (local.get $at)))
        (br $called))
        (call $put (i32.load offset=1 (local.get $at)) (i32.load offset=5 (local.get $at)) (i32.load offset=9 (local.get $at))
          (i32.load offset=13 (local.get $at)) (i32.load offset=17 (local.get $at)))
        (br $called))
        (call $scan (i32.load offset=1 (local.get $at)) (i32.load offset=5 (local.get $at)) (i32.load offset=9 (local.get $at))
          (i32.load offset=13 (local.get $at)) (i32.load offset=17 (local.get $at)) (i32.load offset=21 (local.get $at))
          (i32.load offset=25 (local.get $at)) (i32.load offset=29 (local.get $at)))
        (br $called))
        (call $delete (i32.load offset=1 (local.get $at)) (i32.load offset=5 (local.get $at)) (i32.load offset=9 (local.get $at)))
        (br $called))
        (call $get_many (i32.load offset=1 (local.get $at)) (i32.load offset=5 (local.get $at)) (i32.load offset=9 (local.get $at))
          (i32.load offset=13 (local.get $at)) (i32.load offset=17 (local.get $at)))
        (br $called))
      (call $write_many (i32.load offset=1 (local.get $at)) (i32.load offset=5 (local.get $at)) (i32.load offset=9 (local.get $at))
        (i32.load offset=13 (local.get $at)) (i32.load offset=17 (local.get $at)) (i32.load offset=21 (local.get $at))))
    (local.set $at (i32.add (local.get $at) (i32.const 33)))
    (br $next)))
  call $no_outputs"#;

const IMPORTS: &str = r#"
  (import "retold:module/state@0.1.0" "delete" (func $delete (param i32 i32 i32)))
  (import "retold:module/state@0.1.0" "get-many" (func $get_many (param i32 i32 i32 i32 i32)))
  (import "retold:module/state@0.1.0" "write-many" (func $write_many (param i32 i32 i32 i32 i32 i32)))"#;

/// A guest that makes any calls of the host with any arguments: it is answered or at fault, never the host; the same
/// calls come of it in the same order each time; and its neighbour is served.
pub fn calls(bytes: &[u8]) {
    static GUESTS: OnceLock<(Sandbox, WasmModule, WasmModule)> = OnceLock::new();
    let (_, guest, neighbour) = GUESTS.get_or_init(|| {
        let sandbox = sandbox();
        let guest = load(&sandbox, &Parts { imports: IMPORTS, handle: INTERPRETER, ..Parts::default() }.core());
        let neighbour = load(&sandbox, &Parts { handle: "(call $echo (local.get $events) (local.get $count))", ..Parts::default() }.core());
        (sandbox, guest, neighbour)
    });
    let (answer, asked) = asked(guest, bytes);
    assert!(!matches!(answer, Answer::Unavailable(_)), "{answer:?}");
    assert!(asked.len() <= bytes.len() / 33 + STATE_CALLS_PER_CALL_MAX, "each call is made once, and a row of many is one too");
    assert_eq!((format!("{answer:?}"), asked), {
        let again = self::asked(guest, bytes);
        (format!("{:?}", again.0), again.1)
    });
    assert!(matches!(self::asked(neighbour, b"7").0, Answer::Reactions(reactions) if reactions.len() == 1));
}

fn asked(guest: &WasmModule, data: &[u8]) -> (Answer, Vec<String>) {
    let mut record = RecordBuilder::new(1, Position(1), Timestamp(1_700_000_000_000_000));
    record.add_source(&NewEvent {
        id: "1".into(),
        source: "/shop".into(),
        r#type: "order.placed".into(),
        content_type: "application/octet-stream".into(),
        data: data.to_vec(),
        ..NewEvent::default()
    });
    let record = record.finish(Digest::ZERO);
    let events: Vec<EventRef<'_>> = record.events().collect();
    let mut engine = Told { event: events[0].to_event(), asked: Vec::new() };
    (guest.handle("echo", &events, &LIMITS, &mut engine), engine.asked)
}

/// The engine's side: writes down what it is asked, and refuses what is outside of the batch.
struct Told {
    event: Event,
    asked: Vec<String>,
}

impl Told {
    fn told(&mut self, event: u32, what: String) -> Result<(), StateError> {
        self.asked.push(what);
        if event == 0 { Ok(()) } else { Err(StateError::OutsideBatch { index: event, batch: 1 }) }
    }
}

impl Calls for Told {
    fn state_get(&mut self, event: u32, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.told(event, format!("get {key:?}"))?;
        Ok(Some(key.as_bytes().to_vec()))
    }

    fn state_put(&mut self, event: u32, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.told(event, format!("put {key:?} {value:?}"))
    }

    fn state_delete(&mut self, event: u32, key: &str) -> Result<(), StateError> {
        self.told(event, format!("delete {key:?}"))
    }

    fn state_scan(&mut self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.told(event, format!("scan {prefix:?} {after:?} {limit}"))?;
        Ok((0..limit.min(9)).map(|row| (format!("{prefix}{row}"), vec![0; row as usize])).collect())
    }

    fn details(&mut self, position: Position) -> Option<Event> {
        self.asked.push(format!("details {position}"));
        (position == self.event.position).then(|| self.event.clone())
    }

    fn log(&mut self, level: LogLevel, message: &str) {
        self.asked.push(format!("{level:?} {message}"));
    }
}
