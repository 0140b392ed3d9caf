//! Calls a guest as the engine would.

use retold_engine::model::{
    AggregateCall, Answer, CallLimits, Calls, CommandRef, Event, EventRef, Guest, LogLevel, NewEvent, NotAnswered, Position, Query,
    RecordBuilder, StateError, Timestamp,
};

use super::guests::{core, load, sandbox};
use crate::wasm::WasmModule;

pub(super) const LIMITS: CallLimits = CallLimits { fuel: 10_000_000, memory_bytes: 16 << 20, fresh_instance: false };

/// The engine's side of a call: keeps what the guest asked for.
#[derive(Default)]
pub(super) struct Asked(pub(super) Vec<String>);

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
pub(super) fn orders(count: u64) -> RecordBuilder {
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

pub(super) fn handle(module: &WasmModule, count: u64, limits: &CallLimits) -> (Answer, Vec<String>) {
    let record = orders(count);
    let events: Vec<EventRef<'_>> = (1..=count).map(|number| record.event(Position(number)).unwrap()).collect();
    let mut asked = Asked::default();
    (module.handle("echo", &events, limits, &mut asked), asked.0)
}

/// What a guest can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Handle,
    Decide,
    Evolve,
    Project,
    Query,
    Upcast,
}

pub(super) const KINDS: [Kind; 6] = [Kind::Handle, Kind::Decide, Kind::Evolve, Kind::Project, Kind::Query, Kind::Upcast];

/// Command 7 for the subject `order/7`.
pub(super) const COMMAND: CommandRef<'static> = CommandRef {
    id: "7",
    source: "/till",
    r#type: "order.cancel",
    subject: "order/7",
    time: Timestamp(1_800_000_000_000_000),
    content_type: "text/plain",
    data: b"please",
};

/// An aggregate's call for the subject `order/7`.
pub(super) fn aggregate(state: Option<&[u8]>) -> AggregateCall<'_> {
    AggregateCall { function: "echo", subject: "order/7", state }
}

pub(super) fn query(name: &str) -> Query {
    Query { name: name.into(), content_type: Some("text/plain".into()), data: b"?".to_vec() }
}

/// One question of a kind, with event 1 where it takes events: whether it was answered, not what.
pub(super) fn ask(guest: &dyn Guest, kind: Kind, limits: &CallLimits) -> (Result<(), NotAnswered>, Vec<String>) {
    ask_of(guest, kind, 1, limits)
}

/// The same with the event at `position`.
pub(super) fn ask_of(guest: &dyn Guest, kind: Kind, position: u64, limits: &CallLimits) -> (Result<(), NotAnswered>, Vec<String>) {
    let record = orders(position);
    let events = [record.event(Position(position)).unwrap()];
    let mut asked = Asked::default();
    let answer = match kind {
        Kind::Handle => match guest.handle("echo", &events, limits, &mut asked) {
            Answer::Fault(fault) => Err(NotAnswered::Fault(fault)),
            Answer::Unavailable(why) => Err(NotAnswered::Unavailable(why)),
            _ => Ok(()),
        },
        Kind::Decide => guest.decide(&aggregate(None), &COMMAND, limits, &mut asked).map(drop),
        Kind::Evolve => guest.evolve(&aggregate(None), &events, limits, &mut asked).map(drop),
        Kind::Project => guest.project("echo", &events, limits, &mut asked).map(drop),
        Kind::Query => guest.query("echo", &query("order"), limits, &mut asked).map(drop),
        Kind::Upcast => guest.upcast("echo", &events, limits, &mut asked).map(drop),
    };
    (answer, asked.0)
}

pub(super) fn call(body: &str) -> (Answer, Vec<String>) {
    handle(&load(&sandbox(), &core(body)), 1, &LIMITS)
}

#[track_caller]
pub(super) fn faults(body: &str, expected: &str) {
    match call(body).0 {
        Answer::Fault(fault) => assert!(fault.to_string().contains(expected), "{fault}"),
        other => panic!("{other:?}"),
    }
}
