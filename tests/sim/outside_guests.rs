//! Functions that live by timers and requests, in native code, and the outside that they talk to.

use std::collections::BTreeMap;
use std::sync::Arc;

use retold_engine::model::{
    Answer, CallLimits, Calls, Digest, EventDraft, EventRef, FailurePolicy, FunctionKind, FunctionManifest, Guest, LimitsAsked, Manifest,
    Missed, Output, REQUEST_FAILED, REQUEST_REPLIED, Reaction, RequestDraft, Schedule, Start, TimerDraft, Timestamp,
};
use retold_engine::run::{Calendar, Guests};
use retold_engine::store::{Deploy, Proposal};

pub const SECOND: u64 = 1_000_000;
/// Between two occurrences of the schedule.
pub const PERIOD: u64 = 700 * SECOND;
pub const TICK: &str = "tick";

/// Sets, replaces and cancels timers as events ask for it, and goes on when they fire.
const KEEPER: &str = "keeper";
/// Makes requests, and again a while after one has failed.
const CALLER: &str = "caller";
pub const FUNCTIONS: [&str; 2] = [CALLER, KEEPER];

fn manifest(name: &str, subscribes: &[&str], emits: &[&str], schedules: Vec<Schedule>) -> FunctionManifest {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    FunctionManifest {
        name: name.into(),
        kind: FunctionKind::Handler,
        subscribes: texts(subscribes),
        emits: texts(emits),
        decides: Vec::new(),
        sends: Vec::new(),
        start: Start::Beginning,
        failure_policy: FailurePolicy::Park,
        split: None,
        limits: LimitsAsked::default(),
        schedules,
        hosts: vec!["*.example.com".into()],
        secrets: Vec::new(),
        timers: true,
    }
}

pub fn schedule() -> Schedule {
    Schedule { key: TICK.into(), cron: "*/700".into(), time_zone: "UTC".into(), r#type: "order.ticked".into(), missed: Missed::All }
}

pub fn deploy() -> Proposal {
    let keeper = manifest(KEEPER, &["order.*", "reminder.due"], &["keeper.seen"], vec![schedule()]);
    let caller = manifest(CALLER, &["call.*", REQUEST_REPLIED, REQUEST_FAILED], &["caller.heard"], Vec::new());
    let manifest = Manifest { name: "desk".into(), version: "1.0.0".into(), functions: vec![keeper, caller], schemas: Vec::new() };
    let digest = Digest::of(b"desk");
    Proposal::Deploy(Deploy { manifest, digest, component: b"desk".to_vec(), levels: Vec::new(), rollback: false, send: false })
}

/// Times that are whole numbers of periods.
pub struct Periods;

impl Calendar for Periods {
    fn next(&self, _: &str, _: &str, after: Timestamp) -> Option<Timestamp> {
        Some(Timestamp(after.0 / PERIOD * PERIOD + PERIOD))
    }
}

pub struct Desk;

impl Guests for Desk {
    fn guest(&self, _: u32) -> Option<Arc<dyn Guest>> {
        Some(Arc::new(Desk))
    }
}

impl Guest for Desk {
    fn handle(&self, function: &str, events: &[EventRef<'_>], _: &CallLimits, calls: &mut dyn Calls) -> Answer {
        let mut reactions = Vec::new();
        for (index, event) in events.iter().enumerate() {
            let index = index as u32;
            // So that state, timers and requests are seen to be one commit.
            let before = calls.state_get(index, "count").expect("readable").map_or(0, |bytes| bytes[0]);
            calls.state_put(index, "count", &[before.wrapping_add(1)]).expect("within limits");
            let outputs = if function == KEEPER { keep(event) } else { call(event) };
            reactions.extend(outputs.into_iter().map(|output| Reaction { cause: index, output }));
        }
        Answer::Reactions(reactions.into())
    }
}

fn emit(r#type: &str, event: &EventRef<'_>) -> Output {
    let data = event.position.to_string().into_bytes();
    Output::Emit(EventDraft { r#type: r#type.into(), subject: event.subject.into(), data, ..EventDraft::default() })
}

fn keep(event: &EventRef<'_>) -> Vec<Output> {
    let number = |at: usize| event.data.get(at).copied().unwrap_or_default();
    let key = |nth: u8| format!("{}/{}", event.subject, nth % 3);
    let timer = |nth: u8, due: u64| {
        let data = vec![number(1), number(2) / 2, number(3) / 2];
        let (due, subject) = (Timestamp(due), event.subject.to_owned());
        Output::Schedule(TimerDraft { key: key(nth), due, r#type: "reminder.due".into(), subject, data })
    };
    let later = event.time.0 + u64::from(number(2)) * SECOND;
    match (event.r#type, number(0) % 6) {
        ("order.ticked", _) => vec![emit("keeper.seen", event)],
        ("order.placed", 0 | 1) => vec![timer(number(1), later)],
        ("order.placed", 2) => vec![timer(number(1), later), timer(number(1) + 1, later + SECOND), timer(number(1) + 2, later)],
        ("order.placed", 3) => vec![Output::Cancel(key(number(1)))],
        // Due before it is set.
        ("order.placed", 4) => vec![timer(number(1), event.time.0 - 9 * SECOND)],
        ("order.placed", _) => vec![timer(number(1), later), Output::Cancel(key(number(1) + 1))],
        // What fires may set the same again, another, or cancel one.
        ("reminder.due", _) if event.hops < 20 && number(1) > 2 => match number(2) % 3 {
            0 => vec![timer(number(0), later), emit("keeper.seen", event)],
            1 => vec![timer(number(0) + 1, later + 2 * SECOND)],
            _ => vec![Output::Cancel(key(number(0) + 1)), timer(number(0), later + SECOND)],
        },
        _ => vec![emit("keeper.seen", event)],
    }
}

fn call(event: &EventRef<'_>) -> Vec<Output> {
    let host = ["bank", "post", "slow"][event.data.first().copied().unwrap_or_default() as usize % 3];
    let request = Output::Request(RequestDraft {
        method: "POST".into(),
        url: format!("https://{host}.example.com/{}", event.subject),
        headers: vec![("x-key".into(), "{{secret:KEY}}".into())],
        body: event.data.to_vec(),
        key: None,
    });
    let again = || TimerDraft {
        key: format!("again/{}", event.causation_id),
        due: Timestamp(event.time.0 + 30 * SECOND),
        r#type: "call.again".into(),
        subject: event.subject.into(),
        data: vec![1],
    };
    match event.r#type {
        REQUEST_REPLIED => vec![emit("caller.heard", event)],
        REQUEST_FAILED if event.hops < 12 => vec![Output::Schedule(again()), emit("caller.heard", event)],
        REQUEST_FAILED => vec![emit("caller.heard", event)],
        _ => vec![request],
    }
}

/// What the outside saw: by idempotency key, how often.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    pub seen: BTreeMap<String, u64>,
}
