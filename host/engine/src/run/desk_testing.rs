//! For unit tests of commands that functions send: a process manager that takes from a stock for each order, and
//! hears what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::testing::{World, emit, event, function};
use crate::model::{
    AggregateCall, Answer, CallLimits, Calls, CommandDraft, CommandRef, Event, EventDraft, EventRef, Failure, FunctionKind,
    FunctionManifest, Guest, GuestFault, NewEvent, NotAnswered, Output, Position, Reaction, Rejection,
};

/// `desk` answers an `order` with `stock.take`, `stock.taken` with `order.done`, and a refusal with
/// `order.lost`. The aggregate `stock` takes while there is something, and `trap`s if it is told to. `bystander`
/// reads refusals, too, and tells of each.
#[derive(Default)]
pub struct Desk {
    pub mended: AtomicBool,
    /// Versions of the desk: 1 takes with another content.
    pub version: u8,
    /// Answers otherwise each time.
    pub fickle: AtomicBool,
}

pub fn functions() -> Vec<FunctionManifest> {
    vec![desk(), stock("stock", &["stock.take"]), function("bystander", &["retold.command.refused"], &["bystander.saw"])]
}

pub fn desk() -> FunctionManifest {
    let reads = ["order", "stock.taken", "retold.command.refused"];
    FunctionManifest { sends: vec!["stock.take".into()], ..function("desk", &reads, &["order.done", "order.lost"]) }
}

pub fn stock(name: &str, decides: &[&str]) -> FunctionManifest {
    FunctionManifest {
        kind: FunctionKind::Aggregate,
        decides: decides.iter().map(|r#type| (*r#type).to_owned()).collect(),
        ..function(name, &["stock.*"], &["stock.taken", "stock.added"])
    }
}

pub fn order(id: &str, subject: &str, amount: &str) -> NewEvent {
    NewEvent { data: amount.into(), ..event(id, "order", subject) }
}

pub fn added(id: &str, subject: &str, amount: &str) -> NewEvent {
    NewEvent { data: amount.into(), ..event(id, "stock.added", subject) }
}

pub fn take(subject: &str, data: &[u8]) -> Output {
    Output::Command(CommandDraft { r#type: "stock.take".into(), subject: subject.into(), data: data.to_vec(), ..CommandDraft::default() })
}

fn number(bytes: &[u8]) -> i64 {
    String::from_utf8_lossy(bytes).parse().unwrap_or_default()
}

impl Guest for Desk {
    fn handle(&self, function: &str, events: &[EventRef<'_>], _: &CallLimits, calls: &mut dyn Calls) -> Answer {
        let mut reactions = Vec::new();
        for (cause, event) in events.iter().enumerate() {
            let cause = cause as u32;
            let output = match (function, event.r#type) {
                ("bystander", _) => emit("bystander.saw", event.subject, None),
                (_, "order") if self.version > 0 => take(event.subject, &[event.data, b" "].concat()),
                (_, "order") => take(event.subject, event.data),
                (_, r#type) => {
                    let count = calls.state_get(cause, r#type).expect("readable").unwrap_or_default();
                    calls.state_put(cause, r#type, &[&count[..], b"1"].concat()).expect("within limits");
                    emit(if r#type == "stock.taken" { "order.done" } else { "order.lost" }, event.subject, None)
                }
            };
            reactions.push(Reaction { cause, output });
        }
        Answer::Reactions(reactions.into())
    }

    fn decide(
        &self,
        aggregate: &AggregateCall<'_>,
        command: &CommandRef<'_>,
        limits: &CallLimits,
        _: &mut dyn Calls,
    ) -> Result<Result<Vec<EventDraft>, Rejection>, NotAnswered> {
        let level = aggregate.state.map_or(0, number);
        let made = |data: &[u8]| EventDraft { r#type: "stock.taken".into(), data: data.to_vec(), ..EventDraft::default() };
        Ok(match command.data {
            b"trap" if !self.mended.load(Ordering::Relaxed) => return Err(NotAnswered::Fault(GuestFault::Trapped("boom".into()))),
            b"trap" => Ok(vec![made(b"1")]),
            b"twice" => Ok(vec![made(b"1"), made(b"1")]),
            _ if self.fickle.load(Ordering::Relaxed) && limits.fresh_instance => Ok(Vec::new()),
            data if number(data) <= level => Ok(vec![made(data)]),
            _ => Err(Rejection { code: "empty".into(), message: format!("only {level} are \"left\""), data: b"more".to_vec() }),
        })
    }

    fn evolve(
        &self,
        aggregate: &AggregateCall<'_>,
        events: &[EventRef<'_>],
        _: &CallLimits,
        _: &mut dyn Calls,
    ) -> Result<Result<Vec<u8>, Failure>, NotAnswered> {
        let level = |event: &EventRef<'_>| if event.r#type == "stock.taken" { -number(event.data) } else { number(event.data) };
        let level = events.iter().map(level).sum::<i64>() + aggregate.state.map_or(0, number);
        Ok(Ok(level.to_string().into_bytes()))
    }
}

pub fn code() -> Arc<dyn Guest> {
    Arc::new(Desk::default())
}

pub fn entries(world: &World) -> Vec<Event> {
    let snapshot = world.snapshot();
    (1..=snapshot.head().0).filter_map(|position| snapshot.event(Position(position)).expect("read")).collect()
}

/// Types and subjects of all entries of a type that begins so.
pub fn told(world: &World, prefix: &str) -> Vec<String> {
    let all = entries(world).into_iter().filter(|entry| entry.r#type.starts_with(prefix));
    all.map(|entry| format!("{} {}", entry.r#type, entry.subject)).collect()
}
