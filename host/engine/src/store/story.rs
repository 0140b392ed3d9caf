//! For unit tests: a small history that has something of everything, told commit by commit.

use std::sync::Arc;

use super::proposal::{Append, Control, Decision, Deploy, Proposal};
use super::snapshot::Snapshot;
use super::testing::{self, MemoryFolder};
use super::writer::Store;
use crate::model::{
    Commit, Digest, Emitted, EventDraft, FailurePolicy, FunctionKind, FunctionManifest, LimitsAsked, Manifest, NewEvent, ParkedEvent, Plan,
    PlanMode, Position, Processing, Record, Start, StatePart, StateWrite, Timestamp, WhichParked, state_digest,
};

/// One commit's proposals, made on what is there before.
pub type Chapter = fn(&Store) -> Vec<Proposal>;

pub const STORY: &[Chapter] = &[
    |_| vec![append(&["1", "2"])],
    |_| vec![deploy("shop", &[handler("straight"), handler("stateful"), handler("parking"), aggregate()])],
    |_| vec![append(&["4", "5", "6"])],
    |store| vec![react(store, "straight", 6, &[4, 5], |_| {})],
    |store| vec![react(store, "stateful", 6, &[], counted)],
    |store| vec![react(store, "parking", 6, &[], |plan| plan.parked = vec![parked(2), parked(5), parked(6)])],
    |store| vec![append(&["9"]), react(store, "straight", 8, &[6], |_| {}), append(&["11"])],
    |_| vec![control("straight", Control::Pause)],
    |_| vec![append(&["12"]), deploy("later", &[handler("late")]), append(&["14"])],
    |_| vec![control("straight", Control::Resume), control("parking", Control::Release(WhichParked::Subject("x/0".into())))],
    |store| vec![react(store, "stateful", 14, &[9, 11], counted)],
    |store| vec![release(store, 2)],
    |_| vec![control("parking", Control::Rewind(Position(5)))],
    |_| {
        vec![
            schema("t/0", Some("{}")),
            append(&["18"]),
            Proposal::Remove { module: "later".into(), levels: Vec::new() },
            schema("t/0", None),
        ]
    },
    |store| vec![decide(store, "c1"), decide(store, "c2")],
    |store| vec![react(store, "late", 14, &[], |_| {}), append(&["26", "27"])],
    |store| vec![react(store, "straight", 27, &[], |plan| plan.halted = Some(parked(27)))],
    |_| vec![append(&["28", "29", "30"])],
    |_| vec![control("parking", Control::Skip { which: WhichParked::One(Position(5)), reason: "of no use".into() }), append(&["32"])],
];

/// Tells the first `chapters`; what was committed is sealed after every `seal` of them, and merged.
pub fn tell(chapters: usize, seal: usize) -> (Store, MemoryFolder) {
    let folder = MemoryFolder::default();
    let mut store = testing::open(&folder);
    for (number, chapter) in STORY[..chapters].iter().enumerate() {
        let proposals = chapter(&store);
        tell_on(&mut store, number, proposals);
        if seal > 0 && (number + 1) % seal == 0 {
            seal_tail(&mut store);
        }
    }
    (store, folder)
}

/// Refusals are part of the story: a late plan of a function that is retired.
pub fn tell_on(store: &mut Store, number: usize, proposals: Vec<Proposal>) {
    store.commit(proposals, Timestamp(1_000 * (number as u64 + 1))).expect("nothing fails in memory");
}

pub fn seal_tail(store: &mut Store) {
    store.close_tail();
    while let Some(work) = store.reader().housekeeping_due() {
        let sealed = store.reader().housekeep(work).expect("written");
        store.adopt(sealed).expect("named");
    }
}

pub fn event(id: &str) -> NewEvent {
    let number = id.bytes().map(u64::from).sum::<u64>();
    NewEvent {
        id: id.into(),
        source: "/test".into(),
        r#type: format!("t/{}", number % 3),
        subject: format!("x/{}", number % 2),
        content_type: "text/plain".into(),
        data: id.as_bytes().to_vec(),
        tags: vec![format!("tag/{}", number % 4)],
        ..NewEvent::default()
    }
}

pub fn append(ids: &[&str]) -> Proposal {
    Proposal::Append(Append { events: ids.iter().map(|id| event(id)).collect(), ..Append::default() })
}

fn schema(r#type: &str, schema: Option<&str>) -> Proposal {
    Proposal::SetSchema { r#type: r#type.into(), schema: schema.map(str::to_owned) }
}

fn control(function: &str, control: Control) -> Proposal {
    Proposal::Control { function: function.into(), control }
}

pub fn deploy(module: &str, functions: &[FunctionManifest]) -> Proposal {
    deploy_version(module, "1.0.0", functions)
}

/// The code of the first version is the module's name.
pub fn deploy_version(module: &str, version: &str, functions: &[FunctionManifest]) -> Proposal {
    let manifest = Manifest { name: module.into(), version: version.into(), functions: functions.to_vec(), schemas: Vec::new() };
    let component = if version == "1.0.0" { module.to_owned() } else { format!("{module} {version}") };
    Proposal::Deploy(Deploy {
        manifest,
        digest: Digest::of(component.as_bytes()),
        component: component.into_bytes(),
        levels: Vec::new(),
        rollback: false,
        send: false,
    })
}

pub fn handler(name: &str) -> FunctionManifest {
    FunctionManifest {
        name: name.into(),
        kind: FunctionKind::Handler,
        subscribes: vec!["t/*".into()],
        emits: vec!["out".into()],
        decides: Vec::new(),
        sends: Vec::new(),
        start: if name == "late" { Start::Now } else { Start::Beginning },
        failure_policy: FailurePolicy::Park,
        split: None,
        limits: LimitsAsked::default(),
        schedules: Vec::new(),
        hosts: Vec::new(),
        secrets: Vec::new(),
        timers: false,
    }
}

fn aggregate() -> FunctionManifest {
    FunctionManifest { kind: FunctionKind::Aggregate, decides: vec!["do".into()], emits: vec!["done".into()], ..handler("decider") }
}

pub fn decide(store: &Store, id: &str) -> Proposal {
    let row = store.reader().functions()["decider"].clone();
    let made = |key: &str| EventDraft {
        time: None,
        r#type: "done".into(),
        subject: String::new(),
        tags: Vec::new(),
        content_type: None,
        data: b"d".to_vec(),
        key: Some(key.into()),
    };
    Proposal::Decide(Decision {
        function: row.name.clone(),
        module: row.module,
        epoch: row.epoch,
        command: NewEvent { r#type: "do".into(), subject: format!("s/{id}"), ..event(id) },
        time: Timestamp(5),
        events: vec![made("a"), made("b")],
        folded: store.head(),
        snapshot: None,
    })
}

/// A plan of the function to `to`, with an output for each cause.
pub fn react(store: &Store, function: &str, to: u64, causes: &[u64], change: impl FnOnce(&mut Plan)) -> Proposal {
    let row = store.reader().functions()[function].clone();
    let output = |cause: &u64| Emitted {
        id: format!("{function}-{cause}"),
        r#type: "out".into(),
        subject: format!("x/{}", cause % 2),
        tags: vec!["made".into()],
        content_type: "text/plain".into(),
        data: b"o".to_vec(),
        time: Timestamp(*cause),
        hops: 1,
        cause: Position(*cause),
        causation_id: cause.to_string(),
        correlation_id: cause.to_string(),
        ..Emitted::default()
    };
    let mut plan = Plan {
        function: function.into(),
        module: row.module,
        epoch: row.epoch,
        from: row.cursor,
        to: Position(to).max(row.cursor),
        stands_on: None,
        mode: PlanMode::Live,
        handled: Vec::new(),
        emitted: causes.iter().map(output).collect(),
        state: Vec::new(),
        state_digest: None,
        parked: Vec::new(),
        unparked: Vec::new(),
        halted: None,
        folded: Vec::new(),
    };
    change(&mut plan);
    Proposal::Reaction(plan)
}

/// What the one function with state writes, whenever it does.
fn writes() -> Vec<StateWrite> {
    vec![StateWrite { key: "count".into(), value: Some(b"1".to_vec()) }]
}

fn counted(plan: &mut Plan) {
    plan.set_state(writes());
}

fn release(store: &Store, position: u64) -> Proposal {
    react(store, "parking", 0, &[position], |plan| {
        plan.mode = PlanMode::Release;
        plan.unparked = vec![Position(position)];
    })
}

pub fn parked(position: u64) -> ParkedEvent {
    ParkedEvent {
        position: Position(position),
        subject: format!("x/{}", position % 2),
        reason: "trap".into(),
        message: "boom".into(),
        attempts: 2,
        since: Timestamp(7),
    }
}

/// The commits of a log, with the state parts that belong to them.
pub fn commits(store: &Store) -> Vec<Commit> {
    let mut commits = Vec::new();
    let snapshot = store.reader().snapshot().expect("a snapshot");
    let visit = &mut |record: &std::sync::Arc<Record>| {
        let mut state = StatePart::default();
        for entry in record.processing().expect("own bytes") {
            match entry {
                Processing::Reaction { function, state: Some(digest), .. } => {
                    assert_eq!(Some(digest), state_digest(&writes()));
                    state.writes.push((function, writes()));
                }
                Processing::Deployed { name, digest, .. } => state.modules.push((digest, name.into_bytes())),
                _ => {}
            }
        }
        commits.push(Commit { record: (**record).clone(), state });
        Ok(true)
    };
    snapshot.records(0, Position::START, visit).expect("read");
    commits
}

/// What is known of functions, modules and schemas: a text for each. Of a function whose state is being
/// made again it is what it will be when that is done.
pub fn known(snapshot: &Snapshot) -> Vec<String> {
    let functions = snapshot.functions().map(|row| {
        let cursor = row.rebuild.map_or(row.cursor, |rebuild| rebuild.until);
        let parked = snapshot.parked(row.ordinal, Position::START, 100).expect("read");
        let module = snapshot.module(row.module).map(|module| module.name.clone());
        format!(
            "{} {} {module:?} {:?} {} {cursor} {} {} {} {:?}",
            row.name, row.ordinal, row.status, row.start, row.stateful, row.parked, row.released, parked.events
        )
    });
    let modules = snapshot.modules().map(|module| {
        let component = snapshot.component(module.digest).expect("read");
        format!("{} {} {} {:?} {component:?}", module.ordinal, module.name, module.active, module.deployed_at)
    });
    functions.chain(modules).chain([format!("{:?}", snapshot.schemas())]).collect()
}

/// All records of the log, as they lie.
pub fn records(store: &Store) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let visit = &mut |record: &Arc<Record>| {
        records.push(record.bytes().to_vec());
        Ok(true)
    };
    store.reader().snapshot().expect("a snapshot").records(0, Position::START, visit).expect("read");
    records
}
