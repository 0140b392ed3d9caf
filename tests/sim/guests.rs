//! Functions in native code, as the simulated namespaces run them: pure but for the faults that an
//! event's mark asks for. The model calls the same [`behave`], so what is compared is what the
//! engine made of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retold_engine::model::{
    AggregateCall, Answer, CallLimits, Calls, CommandDraft, CommandRef, Event, EventDraft, EventRef, Failure, FailureKind, FailurePolicy,
    FunctionKind, FunctionManifest, Guest, GuestFault, LimitsAsked, LogLevel, Manifest, NotAnswered, Output, Position, Reaction, Rejection,
    Schema, Start, StateError,
};

use retold_engine::run::Guests;

use crate::chance::Chance;
use crate::stock;

/// What the first byte of a source event's data asks for. Others ask for nothing.
pub mod mark {
    pub const TRAP: u8 = b'T';
    pub const REJECT: u8 = b'R';
    /// Fails with `retry` a few times, then passes.
    pub const FLAKY: u8 = b'F';
    pub const UNDECLARED: u8 = b'U';
    pub const OUTSIDE: u8 = b'O';
    /// Deletes the subject's state.
    pub const CLOSE: u8 = b'C';
    /// Scans the state.
    pub const SUM: u8 = b'S';
    /// Too old for its upcaster.
    pub const OLD: u8 = b'W';
}

/// The part of an event that behaviour depends on.
pub struct Seen<'a> {
    pub position: Position,
    pub r#type: &'a str,
    pub subject: &'a str,
    pub data: &'a [u8],
}

/// A module that can be deployed.
#[derive(Clone, Debug)]
pub struct Module {
    pub name: &'static str,
    pub version: u8,
    /// Name, subscriptions, emitted types.
    pub functions: &'static [Function],
}

#[derive(Clone, Copy, Debug)]
pub struct Function {
    pub name: &'static str,
    pub subscribes: &'static [&'static str],
    pub emits: &'static [&'static str],
    pub start: Start,
    pub policy: FailurePolicy,
    pub attempts: u32,
    pub split: Option<u32>,
    /// Types of commands, if it is an aggregate.
    pub decides: &'static [&'static str],
    /// Types of commands that it sends.
    pub sends: &'static [&'static str],
    pub kind: FunctionKind,
}

const PLAIN: Function = Function {
    name: "",
    subscribes: &[],
    emits: &[],
    start: Start::Beginning,
    policy: FailurePolicy::Park,
    attempts: 2,
    split: None,
    decides: &[],
    sends: &[],
    kind: FunctionKind::Handler,
};
const ECHO: Function = Function { name: "echo", subscribes: &["a.*"], emits: &["echo.made"], ..PLAIN };
const FAN: Function = Function { name: "fan", subscribes: &["a.wide", "b.*"], emits: &["fan.left", "fan.right"], ..PLAIN };
const COUNT: Function = Function { name: "count", subscribes: &["a.*", "echo.made"], emits: &["count.total"], ..PLAIN };
const COUNT_MORE: Function = Function { subscribes: &["a.*", "b.*", "echo.made"], ..COUNT };
pub const FRAGILE: Function = Function { name: "fragile", subscribes: &["c.*", "a.wide"], emits: &["fragile.done"], ..PLAIN };
const BRITTLE: Function =
    Function { name: "brittle", subscribes: &["c.*"], emits: &["brittle.done"], policy: FailurePolicy::Halt, attempts: 3, ..PLAIN };
const CIRCLE: Function = Function { name: "circle", subscribes: &["circle.*"], emits: &["circle.step"], ..PLAIN };
const LANES: Function =
    Function { name: "lanes", subscribes: &["b.*", "c.*", "fan.left"], emits: &["lanes.seen"], split: Some(1), ..PLAIN };
const ONE_LANE: Function = Function { split: None, ..LANES };
const TOGGLE: Function = Function { name: "toggle", subscribes: &["d.*", "a.small"], emits: &["toggle.turned"], ..PLAIN };
const ALL: Function = Function { name: "all", subscribes: &["*"], start: Start::Now, ..PLAIN };

const STOCK: Function = Function {
    name: "stock",
    subscribes: &[stock::ADDED, stock::TAKEN, stock::NOTED],
    emits: &[stock::ADDED, stock::TAKEN],
    decides: &["stock.add", "stock.take"],
    kind: FunctionKind::Aggregate,
    start: Start::Now,
    ..PLAIN
};
const UP_STOCK: Function =
    Function { name: "up-stock", subscribes: &[stock::OLD], emits: &[stock::NOTED], kind: FunctionKind::Upcaster, ..PLAIN };
const FAN2: Function = Function { name: "shelf", subscribes: &["stock.*"], ..TOGGLE };
/// Process managers: one takes from the stock and hears what became of it, and two command each other in a circle.
const BUYER: Function = Function {
    name: "buyer",
    subscribes: &["b.*", stock::TAKEN, "retold.command.refused"],
    emits: &["buyer.done", "buyer.lost"],
    sends: &["stock.take"],
    ..PLAIN
};
const PUSHER: Function =
    Function { name: "pusher", subscribes: &["circle.start", "push.done", "retold.command.refused"], sends: &["push"], ..PLAIN };
const PUSHED: Function = Function {
    name: "pushed",
    subscribes: &[stock::ADDED],
    emits: &["push.done"],
    decides: &["push"],
    kind: FunctionKind::Aggregate,
    ..PLAIN
};
const RIVAL: Function = Function { name: "rival", ..STOCK };

const UP_ONE: Function = Function { name: "up-one", subscribes: &["e.v1"], emits: &["e.v2"], kind: FunctionKind::Upcaster, ..PLAIN };
const UP_TWO: Function =
    Function { name: "up-two", subscribes: &["e.v2"], emits: &["e.v3", "e.side"], kind: FunctionKind::Upcaster, ..PLAIN };
const BACK: Function = Function { name: "up-back", subscribes: &["e.v3"], emits: &["e.v1"], kind: FunctionKind::Upcaster, ..PLAIN };
const NEWEST: Function = Function { name: "newest", subscribes: &["e.v3"], emits: &["newest.seen"], ..PLAIN };
const OLDEST: Function = Function { name: "oldest", subscribes: &["e.v1"], emits: &["oldest.seen"], ..PLAIN };
const EVERY: Function =
    Function { name: "every", subscribes: &["e.*"], emits: &["every.seen"], policy: FailurePolicy::Halt, split: Some(1), ..PLAIN };
const RELAY: Function = Function { name: "relay", subscribes: &["e.*"], emits: &["relay.made"], ..PLAIN };
const ROWS: Function = Function { name: "rows", subscribes: &["a.*", "count.total", "e.v3"], kind: FunctionKind::View, ..PLAIN };
const UNITS: Function = Function { name: "units", subscribes: &["*"], kind: FunctionKind::View, split: Some(1), ..PLAIN };

pub const MODULES: &[Module] = &[
    Module { name: "chain", version: 1, functions: &[UP_ONE, UP_TWO] },
    Module { name: "chain", version: 2, functions: &[UP_ONE, UP_TWO] },
    // Another circle, or a gap, unless it comes first.
    Module { name: "back", version: 1, functions: &[BACK] },
    Module { name: "readers", version: 1, functions: &[NEWEST, OLDEST, EVERY] },
    Module { name: "readers", version: 2, functions: &[NEWEST, OLDEST, EVERY] },
    Module { name: "relays", version: 1, functions: &[RELAY] },
    Module { name: "relays", version: 2, functions: &[RELAY] },
    Module { name: "views", version: 1, functions: &[ROWS, UNITS] },
    Module { name: "views", version: 2, functions: &[ROWS, UNITS] },
    Module { name: "plain", version: 1, functions: &[ECHO, FAN] },
    Module { name: "plain", version: 2, functions: &[ECHO, FAN] },
    Module { name: "plain", version: 3, functions: &[FAN] },
    Module { name: "counting", version: 1, functions: &[COUNT] },
    Module { name: "counting", version: 2, functions: &[COUNT] },
    Module { name: "counting", version: 3, functions: &[COUNT_MORE] },
    Module { name: "failing", version: 1, functions: &[FRAGILE, BRITTLE] },
    Module { name: "failing", version: 2, functions: &[FRAGILE, BRITTLE] },
    Module { name: "circular", version: 1, functions: &[CIRCLE] },
    Module { name: "wide", version: 1, functions: &[LANES, TOGGLE, ALL] },
    Module { name: "wide", version: 2, functions: &[LANES, TOGGLE, ALL] },
    // No longer split.
    Module { name: "wide", version: 3, functions: &[ONE_LANE, TOGGLE, ALL] },
    Module { name: "stock", version: 1, functions: &[STOCK] },
    Module { name: "stock", version: 2, functions: &[STOCK, FAN2] },
    Module { name: "trade", version: 1, functions: &[BUYER] },
    Module { name: "trade", version: 2, functions: &[BUYER, PUSHER, PUSHED] },
    Module { name: "notes", version: 1, functions: &[UP_STOCK] },
    Module { name: "notes", version: 2, functions: &[UP_STOCK] },
    // It wants the same commands.
    Module { name: "rival", version: 3, functions: &[RIVAL] },
    // Its function belongs to another module.
    Module { name: "thief", version: 1, functions: &[ECHO] },
];

impl Module {
    pub fn manifest(&self) -> Manifest {
        let functions = self.functions.iter().map(Function::manifest).collect();
        Manifest { name: self.name.into(), version: format!("{}.0.0", self.version), functions, schemas: self.schemas() }
    }

    fn schemas(&self) -> Vec<Schema> {
        let json = format!("{{\"title\":\"{} {}\"}}", self.name, self.version);
        match self.name {
            "plain" | "wide" => vec![Schema { r#type: "a.small".into(), json }],
            _ => Vec::new(),
        }
    }

    pub fn component(&self) -> Vec<u8> {
        format!("component {} {}", self.name, self.version).into_bytes()
    }
}

impl Function {
    fn manifest(&self) -> FunctionManifest {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        FunctionManifest {
            name: self.name.into(),
            kind: self.kind,
            subscribes: texts(self.subscribes),
            emits: texts(self.emits),
            decides: texts(self.decides),
            sends: texts(self.sends),
            start: self.start,
            failure_policy: self.policy,
            split: self.split,
            limits: LimitsAsked { attempts: Some(self.attempts), ..LimitsAsked::default() },
            schedules: Vec::new(),
            hosts: Vec::new(),
            secrets: Vec::new(),
            timers: false,
        }
    }
}

/// What a function does with an event that it can handle.
pub fn behave(function: &str, version: u8, event: &Seen<'_>, index: u32, calls: &mut dyn Calls) -> Result<Vec<Output>, StateError> {
    let number = |at: usize| event.data.get(at).copied().unwrap_or_default();
    let emit = |r#type: &str, subject: &str, data: Vec<u8>| {
        Output::Emit(EventDraft {
            time: None,
            r#type: r#type.into(),
            subject: subject.into(),
            tags: vec![format!("by:{function}")],
            content_type: None,
            data,
            key: None,
        })
    };
    let command = |r#type: &str, subject: &str, data: &[u8]| {
        let (r#type, subject) = (r#type.to_owned(), subject.to_owned());
        Output::Command(CommandDraft { r#type, subject, data: data.to_vec(), ..CommandDraft::default() })
    };
    Ok(match function {
        "echo" if number(1) % 4 == 3 => Vec::new(),
        "echo" => vec![emit("echo.made", event.subject, [b"echo ", &[b'0' + version][..], event.data].concat())],
        "fan" => (0..number(1) % 5)
            .map(|nth| {
                let mut output = emit(
                    if nth % 2 == 0 { "fan.left" } else { "fan.right" },
                    if nth == 3 { "elsewhere/x" } else { event.subject },
                    vec![b'f', version, nth],
                );
                if let Output::Emit(EventDraft { key, tags, .. }) = &mut output
                    && nth > 1
                {
                    *key = Some(format!("key {nth}"));
                    tags.clear();
                }
                output
            })
            .collect(),
        "count" => counted("count.total", version, event, index, calls)?,
        "fragile" => counted("fragile.done", version, event, index, calls)?,
        "brittle" => counted("brittle.done", version, event, index, calls)?,
        "lanes" => counted("lanes.seen", version, event, index, calls)?,
        "newest" => counted("newest.seen", version, event, index, calls)?,
        "oldest" => counted("oldest.seen", version, event, index, calls)?,
        "every" => counted("every.seen", version, event, index, calls)?,
        "relay" => vec![emit("relay.made", event.subject, [&[version], event.data].concat()), emit("relay.made", "same", Vec::new())],
        "buyer" if event.r#type.starts_with("b.") && event.subject.is_empty() => Vec::new(),
        "buyer" if event.r#type.starts_with("b.") => {
            let sent = calls.state_get(index, "sent")?.unwrap_or_default();
            calls.state_put(index, "sent", &[sent.len() as u8; 8][..sent.len() % 7 + 1])?;
            let mut data = event.data.to_vec();
            if number(1) % 4 == 1 {
                data[0] = mark::TRAP;
            }
            vec![command("stock.take", event.subject, &data)]
        }
        "buyer" if event.r#type == stock::TAKEN => counted("buyer.done", version, event, index, calls)?,
        "buyer" => counted("buyer.lost", version, event, index, calls)?,
        "pusher" if event.r#type.starts_with("retold.") || event.subject.is_empty() => Vec::new(),
        "pusher" => vec![command("push", event.subject, b".")],
        "circle" => vec![emit("circle.step", event.subject, vec![b'o'])],
        // Half of the time it has no state at all.
        "toggle" | "shelf" => {
            let open = calls.state_get(index, "open")?;
            match &open {
                Some(_) => calls.state_delete(index, "open")?,
                None => calls.state_put(index, "open", &[event.subject.as_bytes(), &[b'0' + version]].concat())?,
            }
            vec![emit("toggle.turned", event.subject, open.unwrap_or_default())]
        }
        "all" => {
            let before = calls.state_get(index, "all")?.unwrap_or_default();
            let mut digest = before;
            digest.push(version);
            digest.extend_from_slice(&event.position.0.to_le_bytes());
            calls.state_put(index, "all", &retold_engine::model::Digest::of(&digest).0)?;
            Vec::new()
        }
        other => panic!("no function {other}"),
    })
}

/// What an upcaster makes of an event: types and data. From one to none, or to three. The mark stays.
pub fn upcast(function: &str, version: u8, data: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let number = |at: usize| data.get(at).copied().unwrap_or_default();
    let part = |nth: u8| [&[number(0), number(1).wrapping_add(nth), nth, version], &data[..data.len().min(8)]].concat();
    match function {
        "up-one" => (0..number(1) % 3).map(|nth| ("e.v2", part(nth))).collect(),
        "up-two" => (0..1 + number(1) % 2).map(|nth| (if nth == 0 { "e.v3" } else { "e.side" }, part(nth))).collect(),
        "up-stock" => (0..number(1) % 3).map(|nth| (stock::NOTED, part(nth))).collect(),
        "up-back" => vec![("e.v1", part(0))],
        other => panic!("no upcaster {other}"),
    }
}

pub fn upcast_drafts(function: &str, version: u8, data: &[u8]) -> Vec<EventDraft> {
    let draft = |(r#type, data): (&str, Vec<u8>)| EventDraft { r#type: r#type.into(), data, ..EventDraft::default() };
    upcast(function, version, data).into_iter().map(draft).collect()
}

/// What a view does with an event: a total, the last position, a row that comes and goes, a page.
pub fn project(function: &str, version: u8, event: &Seen<'_>, index: u32, calls: &mut dyn Calls) -> Result<(), StateError> {
    let key = format!("total/{}", event.subject.rsplit('/').next().unwrap_or_default());
    let before = calls.state_get(index, &key)?.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
    calls.state_put(index, &key, &before.wrapping_mul(31).wrapping_add(event.data.len() as u64 + u64::from(version)).to_le_bytes())?;
    calls.state_put(index, "last", format!("{function} {}", event.position).as_bytes())?;
    match event.data.first() {
        Some(&mark::CLOSE) => calls.state_delete(index, &key)?,
        Some(&mark::SUM) => {
            let mut lines = Vec::new();
            let mut after = None;
            loop {
                let page = calls.state_scan(index, "total/", after.as_deref(), 2)?;
                let Some((last, _)) = page.last() else { break };
                after = Some(last.clone());
                lines.extend(page.into_iter().map(|(key, value)| format!("{key}={value:?}")));
            }
            calls.state_put(index, "page", lines.join(" ").as_bytes())?;
        }
        Some(_) if event.position.0.is_multiple_of(3) => calls.state_put(index, "open", event.data)?,
        _ => calls.state_delete(index, "open")?,
    }
    Ok(())
}

/// Running totals by subject, kept in state. Each event counts as much as the version says.
fn counted(r#type: &str, version: u8, event: &Seen<'_>, index: u32, calls: &mut dyn Calls) -> Result<Vec<Output>, StateError> {
    let emit = |subject: &str, text: String| {
        Output::Emit(EventDraft {
            time: None,
            r#type: r#type.into(),
            subject: subject.into(),
            tags: Vec::new(),
            content_type: Some("text/plain".into()),
            data: text.into_bytes(),
            key: None,
        })
    };
    let key = format!("subject/{}", event.subject);
    let text = calls.state_get(index, &key)?.unwrap_or_default();
    let before: u64 = String::from_utf8_lossy(&text).parse().unwrap_or_default();
    match event.data.first() {
        Some(&mark::CLOSE) => {
            calls.state_delete(index, &key)?;
            calls.state_put(index, "closed", event.subject.as_bytes())?;
            calls.state_delete(index, "closed")?;
            Ok(vec![emit(event.subject, format!("closed at {before}"))])
        }
        Some(&mark::SUM) => {
            let mut after = None;
            let mut lines = Vec::new();
            loop {
                let page = calls.state_scan(index, "subject/", after.as_deref(), 2)?;
                let Some((last, _)) = page.last() else { break };
                after = Some(last.clone());
                lines.extend(page.iter().map(|(key, value)| format!("{key}={}", String::from_utf8_lossy(value))));
            }
            Ok(vec![emit("sum", lines.join(" ")), emit("sum", format!("{} subjects", lines.len()))])
        }
        _ => {
            let after = before + u64::from(version);
            calls.state_put(index, &key, after.to_string().as_bytes())?;
            Ok(vec![emit(event.subject, format!("{after} of {}", event.subject))])
        }
    }
}

/// The world outside the namespace: it outlives power cuts, and is told from the events by no one.
#[derive(Debug)]
pub struct Outside(Mutex<Weather>);

#[derive(Debug)]
struct Weather {
    chance: Chance,
    /// Marked events pass: whatever was wrong has been repaired.
    healed: bool,
    /// The host can't run a call, so many times in a hundred.
    unavailable_percent: u64,
    /// Times that a flaky event was tried, by function and position.
    tries: BTreeMap<(String, Position), u32>,
    one_event_a_call: bool,
}

impl Outside {
    pub fn new(chance: Chance, unavailable_percent: u64, one_event_a_call: bool) -> Outside {
        Outside(Mutex::new(Weather { chance, healed: false, unavailable_percent, tries: BTreeMap::new(), one_event_a_call }))
    }

    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_healed(&self, healed: bool) {
        self.weather().healed = healed;
    }

    /// Everything works from now on.
    pub fn calm(&self) {
        let mut weather = self.weather();
        (weather.healed, weather.unavailable_percent) = (true, 0);
    }
}

/// Whether an event can fail at all in a function.
pub fn can_fail(function: &str, data: &[u8]) -> bool {
    matches!(function, "fragile" | "brittle" | "newest" | "every" | "rows" | "units")
        && matches!(data.first(), Some(&(mark::TRAP | mark::REJECT | mark::FLAKY | mark::UNDECLARED | mark::OUTSIDE)))
}

/// Whether a command that a function sent can fail at its aggregate.
pub fn fails_when_decided(function: &str, data: &[u8]) -> bool {
    matches!(function, "stock" | "rival") && matches!(data.first(), Some(&(mark::TRAP | mark::UNDECLARED)))
}

/// Of what an upcaster makes, the first part never fails: what was done with it must be taken back.
fn is_first_part(event: &EventRef<'_>) -> bool {
    event.r#type.starts_with("e.") && event.data.get(2) == Some(&0)
}

/// Whether an upcaster fails at an event as long as it isn't repaired.
pub fn is_too_old(data: &[u8]) -> bool {
    data.first() == Some(&mark::OLD)
}

/// The code of all module versions.
pub struct SimGuests {
    pub versions: BTreeMap<u32, u8>,
    pub outside: Arc<Outside>,
}

impl Guests for SimGuests {
    fn guest(&self, module: u32) -> Option<Arc<dyn Guest>> {
        let version = *self.versions.get(&module)?;
        Some(Arc::new(SimGuest { version, outside: self.outside.clone() }))
    }
}

/// The code of one module version.
pub struct SimGuest {
    pub version: u8,
    pub outside: Arc<Outside>,
}

impl SimGuest {
    fn unavailable(&self) -> bool {
        let mut weather = self.outside.weather();
        let percent = weather.unavailable_percent;
        weather.chance.percent(percent)
    }

    fn fails(&self, function: &str, event: &EventRef<'_>, index: u32, calls: &mut dyn Calls) -> Option<Answer> {
        let mut weather = self.outside.weather();
        if weather.healed || !can_fail(function, event.data) || is_first_part(event) {
            return None;
        }
        let failed = |kind, message: &str| Some(Answer::Failed(Failure { event: index, kind, message: message.into() }));
        match event.data.first() {
            Some(&mark::TRAP) => {
                // What was written before a trap must leave no trace.
                let _ = calls.state_put(index, "subject/ghost", b"boo");
                Some(Answer::Fault(GuestFault::Trapped("unreachable".into())))
            }
            Some(&mark::REJECT) => failed(FailureKind::Reject, "never"),
            Some(&mark::FLAKY) => {
                let tries = weather.tries.entry((function.to_owned(), event.position)).or_default();
                *tries += 1;
                if *tries > 3 { None } else { failed(FailureKind::Retry, "not now") }
            }
            _ => None,
        }
    }
}

impl Guest for SimGuest {
    fn handle(&self, function: &str, events: &[EventRef<'_>], _: &CallLimits, calls: &mut dyn Calls) -> Answer {
        if self.unavailable() {
            return Answer::Unavailable("no instance is free".into());
        }
        let mut reactions = Vec::new();
        for (index, event) in events.iter().enumerate() {
            let index = index as u32;
            if let Some(answer) = self.fails(function, event, index, calls) {
                return answer;
            }
            let healed = self.outside.weather().healed;
            let seen = Seen { position: event.position, r#type: event.r#type, subject: event.subject, data: event.data };
            match behave(function, self.version, &seen, index, calls) {
                Ok(outputs) => reactions.extend(outputs.into_iter().map(|output| Reaction { cause: index, output })),
                Err(error) => return Answer::Fault(GuestFault::StateRefused(error)),
            }
            if !healed && can_fail(function, event.data) {
                match event.data[0] {
                    mark::UNDECLARED => reactions.push(Reaction { cause: index, output: undeclared() }),
                    mark::OUTSIDE => reactions.push(Reaction { cause: events.len() as u32, output: undeclared() }),
                    _ => {}
                }
            }
        }
        // The order among causes is the host's to make.
        reactions.reverse();
        reactions.sort_by_key(|reaction| std::cmp::Reverse(reaction.cause));
        for same in reactions.chunk_by_mut(|one, other| one.cause == other.cause) {
            same.reverse();
        }
        Answer::Reactions(reactions.into())
    }

    fn decide(
        &self,
        aggregate: &AggregateCall<'_>,
        command: &CommandRef<'_>,
        _: &CallLimits,
        _: &mut dyn Calls,
    ) -> Result<Result<Vec<EventDraft>, Rejection>, NotAnswered> {
        if self.unavailable() {
            return Err(NotAnswered::Unavailable("no instance is free".into()));
        }
        let healed = self.outside.weather().healed;
        if !healed && fails_when_decided(aggregate.function, command.data) {
            return match command.data[0] {
                mark::TRAP => Err(NotAnswered::Fault(GuestFault::Trapped("unreachable".into()))),
                _ => Ok(Ok(vec![EventDraft { r#type: "nobody.asked".into(), ..EventDraft::default() }])),
            };
        }
        Ok(stock::decide(self.version, command.r#type, command.data, stock::stock(self.version, aggregate.state).level))
    }

    fn evolve(
        &self,
        aggregate: &AggregateCall<'_>,
        events: &[EventRef<'_>],
        _: &CallLimits,
        _: &mut dyn Calls,
    ) -> Result<Result<Vec<u8>, Failure>, NotAnswered> {
        if self.unavailable() {
            return Err(NotAnswered::Unavailable("no instance is free".into()));
        }
        Ok(Ok(stock::evolve(self.version, aggregate, events)))
    }

    fn upcast(
        &self,
        function: &str,
        events: &[EventRef<'_>],
        _: &CallLimits,
        _: &mut dyn Calls,
    ) -> Result<Result<Vec<Vec<EventDraft>>, Failure>, NotAnswered> {
        if self.unavailable() {
            return Err(NotAnswered::Unavailable("no instance is free".into()));
        }
        let healed = self.outside.weather().healed;
        let mut lists = Vec::new();
        for event in events {
            if !healed && is_too_old(event.data) {
                return Err(NotAnswered::Fault(GuestFault::Trapped("unreachable".into())));
            }
            lists.push(upcast_drafts(function, self.version, event.data));
        }
        Ok(Ok(lists))
    }

    fn project(
        &self,
        function: &str,
        events: &[EventRef<'_>],
        _: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<(), Failure>, NotAnswered> {
        if self.unavailable() {
            return Err(NotAnswered::Unavailable("no instance is free".into()));
        }
        let healed = self.outside.weather().healed;
        for (index, event) in events.iter().enumerate() {
            let index = index as u32;
            let seen = Seen { position: event.position, r#type: event.r#type, subject: event.subject, data: event.data };
            let done = project(function, self.version, &seen, index, calls);
            done.map_err(|error| NotAnswered::Fault(GuestFault::StateRefused(error)))?;
            if !healed && can_fail(function, event.data) && !is_first_part(event) {
                // What was written before must leave no trace.
                let _ = calls.state_put(index, "ghost", b"boo");
                return Err(NotAnswered::Fault(GuestFault::Trapped("unreachable".into())));
            }
        }
        Ok(Ok(()))
    }

    fn one_event_a_call(&self) -> bool {
        self.outside.weather().one_event_a_call
    }
}

fn undeclared() -> Output {
    Output::Emit(EventDraft {
        time: None,
        r#type: "nobody.asked".into(),
        subject: String::new(),
        tags: Vec::new(),
        content_type: None,
        data: Vec::new(),
        key: None,
    })
}

/// State of one function as the model keeps it: with what the event at hand writes.
pub struct ModelCalls<'a> {
    pub state: &'a mut BTreeMap<String, Vec<u8>>,
    pub written: &'a mut BTreeMap<String, Option<Vec<u8>>>,
    /// What goes before every key of this event.
    pub lane: String,
}

impl Calls for ModelCalls<'_> {
    fn state_get(&mut self, _: u32, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.state.get(&format!("{}{key}", self.lane)).cloned())
    }

    fn state_put(&mut self, _: u32, key: &str, value: &[u8]) -> Result<(), StateError> {
        let key = format!("{}{key}", self.lane);
        self.written.insert(key.clone(), Some(value.to_vec()));
        self.state.insert(key, value.to_vec());
        Ok(())
    }

    fn state_delete(&mut self, _: u32, key: &str) -> Result<(), StateError> {
        let key = format!("{}{key}", self.lane);
        self.written.insert(key.clone(), None);
        self.state.remove(&key);
        Ok(())
    }

    fn state_scan(&mut self, _: u32, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let prefix = format!("{}{prefix}", self.lane);
        let after = after.map(|after| format!("{}{after}", self.lane));
        let wanted = self.state.iter().filter(|(key, _)| key.starts_with(&prefix) && after.as_ref().is_none_or(|after| *key > after));
        Ok(wanted.take(limit as usize).map(|(key, value)| (key[self.lane.len()..].to_owned(), value.clone())).collect())
    }

    fn details(&mut self, _: Position) -> Option<Event> {
        None
    }

    fn log(&mut self, _: LogLevel, _: &str) {}
}
