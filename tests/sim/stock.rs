//! An aggregate in native code: a stock that never falls below zero, whoever decides with what old
//! state. The model asks the same functions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use retold_engine::model::{
    AggregateCall, Answer, CallLimits, Calls, CommandRef, EventDraft, EventRef, Failure, Guest, GuestFault, NotAnswered, Rejection,
};
use retold_engine::run::Guests;

use crate::chance::Chance;
use crate::guests::upcast_drafts;
use crate::model::Model;

pub const ADDED: &str = "stock.added";
pub const TAKEN: &str = "stock.taken";
/// Made of `OLD` by an upcaster. It is no stock, so that upcasters may come and go.
pub const NOTED: &str = "stock.noted";
pub const OLD: &str = "stock.old";

fn amount(data: &[u8]) -> u64 {
    u64::from(data.get(1).copied().unwrap_or_default() % 8)
}

/// What an aggregate knows of a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    pub level: u64,
    /// A hash of what was noted, in its order.
    notes: u64,
}

impl Stock {
    /// What is left after an event; `None` if it falls below zero.
    pub fn evolve(self, r#type: &str, data: &[u8]) -> Option<Stock> {
        let level = match r#type {
            ADDED => self.level + amount(data),
            TAKEN => self.level.checked_sub(amount(data))?,
            NOTED => {
                let notes = data.iter().fold(self.notes, |notes, byte| notes.wrapping_mul(31).wrapping_add(u64::from(*byte) + 1));
                return Some(Stock { notes, ..self });
            }
            other => panic!("{other} is none of its events"),
        };
        Some(Stock { level, ..self })
    }

    /// The state names its code: whoever reads another's has read what it must not.
    pub fn state(self, version: u8) -> Vec<u8> {
        [&[version][..], &self.level.to_le_bytes(), &self.notes.to_le_bytes()].concat()
    }
}

/// What follows from a command where so much is left.
pub fn decide(version: u8, r#type: &str, data: &[u8], level: u64) -> Result<Vec<EventDraft>, Rejection> {
    let amount = amount(data) as u8;
    let event = |r#type: &str, amount: u8, key: Option<&str>| EventDraft {
        time: None,
        r#type: r#type.into(),
        tags: vec![format!("level:{level}")],
        content_type: key.map(|_| "text/plain".into()),
        data: [&[b'.', amount, version][..], &level.to_le_bytes()].concat(),
        key: key.map(str::to_owned),
        ..EventDraft::default()
    };
    let how = data.get(2).copied().unwrap_or_default() % 4;
    Ok(match (r#type, how) {
        ("stock.take", _) if u64::from(amount) > level => {
            return Err(Rejection { code: "empty".into(), message: format!("{level} are left"), data: Vec::new() });
        }
        ("push", _) => vec![event("push.done", 0, None)],
        ("stock.take", 0) => vec![event(TAKEN, amount / 2, None), event(TAKEN, amount - amount / 2, None)],
        ("stock.take", _) => vec![event(TAKEN, amount, None)],
        (_, 0) => Vec::new(),
        (_, 1) => vec![event(ADDED, amount, Some("more")), event(ADDED, 1, None)],
        _ => vec![event(ADDED, amount, None)],
    })
}

/// The stock of a state, which no other code folded.
pub fn stock(version: u8, state: Option<&[u8]>) -> Stock {
    let Some(state) = state else { return Stock::default() };
    assert_eq!(state[0], version, "code reads the state that other code folded");
    let number = |at: usize| u64::from_le_bytes(state[at..at + 8].try_into().expect("8 bytes"));
    Stock { level: number(1), notes: number(9) }
}

/// The state after events.
pub fn evolve(version: u8, aggregate: &AggregateCall<'_>, events: &[EventRef<'_>]) -> Vec<u8> {
    let mut stock = stock(version, aggregate.state);
    for event in events {
        assert_eq!(event.subject, aggregate.subject);
        stock = stock.evolve(event.r#type, event.data).expect("the stock fell below zero");
    }
    stock.state(version)
}

struct StockGuest {
    version: u8,
    weather: Arc<Mutex<Chance>>,
    bad_percent: u64,
}

impl StockGuest {
    /// A used instance may be worn out, and the host short of them.
    fn fails(&self, limits: &CallLimits) -> Result<(), NotAnswered> {
        let mut weather = self.weather.lock().unwrap_or_else(PoisonError::into_inner);
        if !limits.fresh_instance && weather.percent(self.bad_percent) {
            return Err(NotAnswered::Fault(GuestFault::Trapped("worn out".into())));
        }
        if weather.percent(self.bad_percent / 4) {
            return Err(NotAnswered::Unavailable("no instance is free".into()));
        }
        Ok(())
    }
}

impl Guest for StockGuest {
    fn handle(&self, function: &str, _: &[EventRef<'_>], _: &CallLimits, _: &mut dyn Calls) -> Answer {
        panic!("{function} is no handler")
    }

    fn decide(
        &self,
        aggregate: &AggregateCall<'_>,
        command: &CommandRef<'_>,
        limits: &CallLimits,
        _: &mut dyn Calls,
    ) -> Result<Result<Vec<EventDraft>, Rejection>, NotAnswered> {
        self.fails(limits)?;
        assert_eq!(aggregate.subject, command.subject);
        Ok(decide(self.version, command.r#type, command.data, stock(self.version, aggregate.state).level))
    }

    fn evolve(
        &self,
        aggregate: &AggregateCall<'_>,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        _: &mut dyn Calls,
    ) -> Result<Result<Vec<u8>, Failure>, NotAnswered> {
        self.fails(limits)?;
        Ok(Ok(evolve(self.version, aggregate, events)))
    }

    fn upcast(
        &self,
        function: &str,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        _: &mut dyn Calls,
    ) -> Result<Result<Vec<Vec<EventDraft>>, Failure>, NotAnswered> {
        self.fails(limits)?;
        Ok(Ok(events.iter().map(|event| upcast_drafts(function, self.version, event.data)).collect()))
    }
}

/// The code of every module version.
pub struct Stocks {
    versions: BTreeMap<u32, u8>,
    weather: Arc<Mutex<Chance>>,
    bad_percent: u64,
}

impl Stocks {
    pub fn new(model: &Model, weather: Chance, bad_percent: u64) -> Stocks {
        let versions = model.modules.iter().map(|(ordinal, version)| (*ordinal, version.version)).collect();
        Stocks { versions, weather: Arc::new(Mutex::new(weather)), bad_percent }
    }
}

impl Guests for Stocks {
    fn guest(&self, module: u32) -> Option<Arc<dyn Guest>> {
        let version = *self.versions.get(&module)?;
        Some(Arc::new(StockGuest { version, weather: self.weather.clone(), bad_percent: self.bad_percent }))
    }
}
