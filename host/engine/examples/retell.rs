//! How fast the engine retells a log and compares the two, apart from the guest's own work:
//! `cargo run --release -p retold-engine --example retell [EVENTS]`.

use std::sync::Arc;

use retold_engine::model::{
    Answer, CallLimits, Calls, Digest, EventDraft, EventRef, FailurePolicy, FunctionKind, FunctionManifest, Guest, LimitsAsked, Manifest,
    NewEvent, Output, Position, Reaction, Start, Timestamp,
};
use retold_engine::run::{
    Calendar, Comparison, ComparisonStep, Ending, Guests, Reading, RetellPlan, Retelling, Retold, RetoldModule, Runner, Settled, Step,
};
use retold_engine::store::{Append, CursorMap, Deploy, DiskFolder, Folder, Options, Proposal, Store};

/// One event for each, of the same subject.
struct Pricing;

impl Guest for Pricing {
    fn handle(&self, _: &str, events: &[EventRef<'_>], _: &CallLimits, _: &mut dyn Calls) -> Answer {
        let draft = |event: &EventRef<'_>| EventDraft {
            r#type: "order.priced".into(),
            subject: event.subject.to_owned(),
            data: event.data[..event.data.len() / 2].to_vec(),
            ..EventDraft::default()
        };
        let outputs = events.iter().map(draft).zip(0..);
        Answer::Reactions(outputs.map(|(draft, cause)| Reaction { cause, output: Output::Emit(draft) }).collect())
    }
}

struct Native;

impl Guests for Native {
    fn guest(&self, _: u32) -> Option<Arc<dyn Guest>> {
        Some(Arc::new(Pricing))
    }
}

/// Nothing is scheduled.
struct Never;

impl Calendar for Never {
    fn next(&self, _: &str, _: &str, _: Timestamp) -> Option<Timestamp> {
        None
    }
}

fn manifest() -> Manifest {
    let pricing = FunctionManifest {
        name: "pricing".into(),
        kind: FunctionKind::Handler,
        subscribes: vec!["order.placed".into()],
        emits: vec!["order.priced".into()],
        decides: Vec::new(),
        sends: Vec::new(),
        start: Start::Beginning,
        failure_policy: FailurePolicy::Park,
        split: None,
        limits: LimitsAsked::default(),
        schedules: Vec::new(),
        hosts: Vec::new(),
        secrets: Vec::new(),
        timers: false,
    };
    Manifest { name: "shop".into(), version: "1.0.0".into(), functions: vec![pricing], schemas: Vec::new() }
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// What this thread has had of a processor: others may be at work on the machine.
fn cpu_ns() -> u128 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn housekeep(store: &mut Store) {
    while let Some(work) = store.reader().housekeeping_due() {
        let sealed = store.reader().housekeep(work).expect("a segment can be written");
        store.adopt(sealed).expect("a segment can be named");
    }
}

/// A log that was made live: what follows from an event comes some thousand positions behind it.
fn fill(store: &mut Store, events: u64) {
    store
        .commit(
            [Proposal::Deploy(Deploy {
                manifest: manifest(),
                digest: Digest::ZERO,
                component: Vec::new(),
                levels: Vec::new(),
                rollback: false,
                send: false,
            })],
            Timestamp(1),
        )
        .expect("deployed");
    let mut runner = Runner::new("pricing");
    let mut next = 0;
    while next < events {
        let end = (next + 4_000).min(events);
        let batch = (next..end).map(|number| NewEvent {
            id: number.to_string(),
            source: "/shop".into(),
            r#type: "order.placed".into(),
            subject: format!("order/{}", number % 10_007),
            content_type: "application/json".into(),
            data: format!("{{\"order\":{number},\"quantity\":{},\"unit_price\":1999,\"currency\":\"EUR\",\"customer\":\"C{:06}\",\"note\":\"leave it with the neighbours\"}}", number % 9, number % 1_009).into_bytes(),
            ..NewEvent::default()
        });
        store.commit([Proposal::Append(Append { events: batch.collect(), ..Append::default() })], Timestamp(next)).expect("appended");
        next = end;
        while let Step::Plan(ticket, plan) = {
            let snapshot = store.reader().snapshot().expect("a snapshot");
            runner.step(&Reading::new(&snapshot, &Native), Timestamp(next), &mut |_, _| {}).expect("a step")
        } {
            store.commit([Proposal::Reaction(*plan)], Timestamp(next)).expect("committed");
            runner.settled(ticket, Settled::Committed);
        }
        housekeep(store);
    }
}

fn main() {
    let events: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let path = std::env::temp_dir().join(format!("retold-retell-{}", std::process::id()));
    let folder = |name: &str| -> Arc<dyn Folder> { Arc::new(DiskFolder::create(path.join(name)).expect("a folder")) };
    let mut base = Store::open(folder("base"), &Options::default()).expect("a store");
    fill(&mut base, events);
    let target_folder = folder("target");
    let mut target = Store::open(target_folder.clone(), &Options::default()).expect("a store");
    let module = RetoldModule { manifest: manifest(), digest: Digest::ZERO, component: Vec::new() };
    let mut retelling = Retelling::new(RetellPlan { modules: vec![module], ..RetellPlan::default() }, Arc::new(Never));
    let snapshot = base.reader().snapshot().expect("a snapshot");

    let (began, cpu) = (now(), cpu_ns());
    let (mut telling, mut following, mut keeping) = (0, 0, 0);
    loop {
        let at = cpu_ns();
        let step = retelling.step(&snapshot, &target.reader(), &Native, 16_384, Ending::AtTheHead).expect("a step");
        telling += cpu_ns() - at;
        let at = cpu_ns();
        match step {
            Retold::Begin { deployments, recorded } => {
                drop(target.commit(deployments.into_iter().map(Proposal::Deploy), recorded).expect("deployed"));
            }
            Retold::Commits { commits, .. } => drop(target.follow(commits).expect("followed")),
            Retold::Level => break,
            other => panic!("{other:?}"),
        }
        following += cpu_ns() - at;
        let at = cpu_ns();
        housekeep(&mut target);
        keeping += cpu_ns() - at;
    }
    let per = |nanos: u128| nanos / u128::from(events);
    println!(
        "retelling: {} ns a source event on the clock; of the processor {}: told {}, followed {}, sealed {}; {} entries",
        per(began.elapsed().as_nanos()),
        per(cpu_ns() - cpu),
        per(telling),
        per(following),
        per(keeping),
        target.head()
    );

    let new = target.reader().snapshot().expect("a snapshot");
    let logs = [snapshot.log_identity(), Digest::of(b"another")];
    let mut map = CursorMap::open(&target_folder, 1, logs, new.head()).expect("a map");
    let mut comparison = Comparison::default();
    let (began, cpu) = (now(), cpu_ns());
    while comparison.step(&snapshot, &new, snapshot.head(), 131_072, Some(&mut map)).expect("a step") != ComparisonStep::Level {}
    comparison.keep(&mut map).expect("kept");
    let (took, cpu) = (began.elapsed().as_nanos(), cpu_ns() - cpu);
    let report = comparison.report(&snapshot, &new).expect("a report");
    assert_eq!((report.sources.kept, report.derived.equal), (events, events));
    println!(
        "comparison: {} ns an event of each log on the clock, {} of the processor; map {} bytes",
        took / u128::from(new.head().0),
        cpu / u128::from(new.head().0),
        target_folder.allocated("map-1.redb").expect("measured")
    );
    let mut behind = 0;
    for step in 0..1_000 {
        let had = Position(snapshot.head().0 * step / 1_000);
        let resume = map.resume(had, Position::START, 1_000).expect("an answer");
        behind = behind.max(had.0.saturating_sub(resume.after.0));
    }
    println!("a reader is told at most {behind} events again");
    drop((base, target, map));
    std::fs::remove_dir_all(path).expect("removed");
}
