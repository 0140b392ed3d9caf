//! How many events a second the engine replays, apart from the guest's own work: state split by subject and
//! not, and outputs held against the record:
//! `cargo run --release -p retold-engine --example replay [EVENTS]`.

use std::sync::Arc;

use retold_engine::model::{
    Answer, CallLimits, Calls, Digest, EventDraft, EventRef, FailurePolicy, FunctionKind, FunctionManifest, Guest, LimitsAsked, Manifest,
    NewEvent, Output, Position, Reaction, Start, Timestamp,
};
use retold_engine::run::{Guests, Part, Prepared, Reading, Replay, ReplayOptions, ReplayStep, Replayed, Runner, Settled, Step};
use retold_engine::store::{Append, Deploy, DiskFolder, Folder, Options, Portion, Proposal, Store};

/// `prices` answers each event with one; the others add to a number: one read and one write of a row each.
struct Code;

impl Guest for Code {
    fn handle(&self, function: &str, events: &[EventRef<'_>], _: &CallLimits, calls: &mut dyn Calls) -> Answer {
        let mut reactions = Vec::new();
        let mut before = Vec::new();
        for (index, event) in events.iter().enumerate() {
            if function == "prices" {
                let draft = EventDraft {
                    r#type: "flight.priced".into(),
                    subject: event.subject.into(),
                    data: event.data[..32].to_vec(),
                    ..EventDraft::default()
                };
                reactions.push(Reaction { cause: index as u32, output: Output::Emit(draft) });
                continue;
            }
            let key = event.subject.rsplit('/').next().unwrap_or_default();
            if let Err(error) = calls.state_read(index as u32, key, &mut before) {
                return Answer::Unavailable(error.to_string());
            }
            let number = u64::from_le_bytes(before.as_slice().try_into().unwrap_or_default()) + event.data.len() as u64;
            if let Err(error) = calls.state_put(index as u32, key, &number.to_le_bytes()) {
                return Answer::Unavailable(error.to_string());
            }
        }
        Answer::Reactions(reactions.into())
    }
}

struct Native(Arc<dyn Guest>);

impl Guests for Native {
    fn guest(&self, _: u32) -> Option<Arc<dyn Guest>> {
        Some(self.0.clone())
    }
}

fn handler(name: &str, split: Option<u32>, emits: &[&str]) -> FunctionManifest {
    FunctionManifest {
        name: name.into(),
        kind: FunctionKind::Handler,
        subscribes: vec!["flight.departed".into()],
        emits: emits.iter().map(|text| (*text).to_owned()).collect(),
        decides: Vec::new(),
        sends: Vec::new(),
        start: Start::Beginning,
        failure_policy: FailurePolicy::Halt,
        split,
        limits: LimitsAsked::default(),
        schedules: Vec::new(),
        hosts: Vec::new(),
        secrets: Vec::new(),
        timers: false,
    }
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

fn fill(store: &mut Store, events: u64) {
    let functions = vec![handler("whole", None, &[]), handler("split", Some(1), &[]), handler("prices", None, &["flight.priced"])];
    let manifest = Manifest { name: "handlers".into(), version: "1.0.0".into(), functions, schemas: Vec::new() };
    store
        .commit(
            [Proposal::Deploy(Deploy {
                manifest,
                digest: Digest::ZERO,
                component: Vec::new(),
                levels: Vec::new(),
                rollback: false,
                send: false,
            })],
            Timestamp(1),
        )
        .expect("deployed");
    let mut runners = ["whole", "split", "prices"].map(Runner::new);
    let guests = Native(Arc::new(Code));
    let mut next = 0;
    while next < events {
        let batch = (next..(next + 4_000).min(events)).map(|number| NewEvent {
            id: number.to_string(),
            source: "/flights".into(),
            r#type: "flight.departed".into(),
            subject: format!("C{}/{}", number % 17, number % 1_009),
            content_type: "application/json".into(),
            data: format!("{{\"carrier\":\"C{}\",\"number\":{},\"from\":\"JFK\",\"to\":\"LAX\",\"delay\":{},\"distance\":2475,\"tail\":\"N{number:06}\",\"scheduled\":\"2013-01-01T05:15:00Z\"}}", number % 17, number % 1_009, number % 90).into_bytes(),
            ..NewEvent::default()
        });
        store.commit([Proposal::Append(Append { events: batch.collect(), ..Append::default() })], Timestamp(2)).expect("appended");
        next += 4_000;
        for runner in &mut runners {
            while let Step::Plan(ticket, plan) = {
                let snapshot = store.reader().snapshot().expect("a snapshot");
                runner.step(&Reading::new(&snapshot, &guests), Timestamp(2), &mut |_, _| {}).expect("the log can be read")
            } {
                store.commit([Proposal::Reaction(*plan)], Timestamp(2)).expect("committed");
                runner.settled(ticket, Settled::Committed);
            }
        }
        while let Some(work) = store.reader().housekeeping_due() {
            let sealed = store.reader().housekeep(work).expect("a segment can be written");
            store.adopt(sealed).expect("a segment can be named");
        }
    }
}

fn main() {
    let events: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let path = std::env::temp_dir().join(format!("retold-replay-{}", std::process::id()));
    let disk: Arc<dyn Folder> = Arc::new(DiskFolder::create(&path).expect("a folder"));
    let mut store = Store::open(disk, &Options::default()).expect("a store");
    fill(&mut store, events);
    for (name, lanes) in [("split", 1), ("split", 2), ("whole", 1), ("prices", 1), ("prices", 2)] {
        let guest: Arc<dyn Guest> = Arc::new(Code);
        let guests = Native(guest.clone());
        let row = store.reader().snapshot().expect("a snapshot").function(name).expect("deployed").clone();
        let identity = Digest::of(format!("{name} {lanes}").as_bytes());
        let replayed = Replayed { manifest: row.manifest.clone(), follows: Some(row), identity };
        let (file, _) = store.reader().open_shadow(name, identity, 64 << 20).expect("a shadow");
        let options = ReplayOptions { threads: lanes, ..ReplayOptions::default() };
        let snapshot = store.reader().snapshot().expect("a snapshot");
        let reading = Reading::new(&snapshot, &guests);
        let mut replay = Replay::new(&reading, &replayed, options, &file).expect("a replay");
        let portion = Portion { events: 128 * 1_024, bytes: 64 << 20 };
        let (began, mut prepare, mut fold, mut finish) = (now(), 0, 0, 0);
        loop {
            let start = cpu_ns();
            let prepared = replay.prepare(&reading, &replayed, &file, portion).expect("the log can be read");
            let Prepared::Parts(parts) = prepared else { break };
            let (prepared_at, guest) = (cpu_ns(), &*guest);
            let run = |part: &Part| (part.fold(guest, &mut |_, _| {}), cpu_ns());
            let (folded, (ahead, read)) = std::thread::scope(|scope| {
                let threads: Vec<_> = parts.iter().map(|part| scope.spawn(move || run(part))).collect();
                let (replay, replayed, store) = (&replay, &replayed, &store);
                let ahead = scope.spawn(move || {
                    let snapshot = store.reader().snapshot().expect("a snapshot");
                    let guests = Native(Arc::new(Code));
                    (replay.read_ahead(&Reading::new(&snapshot, &guests), replayed, portion).expect("the log can be read"), cpu_ns())
                });
                let folded = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>();
                (folded, ahead.join().expect("no panic"))
            });
            replay.take_ahead(ahead);
            prepare += read;
            fold += folded.iter().map(|(_, ns)| ns).sum::<u128>();
            let folded_at = cpu_ns();
            let step = replay.finish(&file, folded.into_iter().map(|(part, _)| part).collect()).expect("rows can be written");
            prepare += prepared_at - start;
            finish += cpu_ns() - folded_at;
            match step {
                ReplayStep::Went { .. } => {}
                ReplayStep::Level { .. } => break,
                step => panic!("{step:?}"),
            }
        }
        let (report, clock) = (replay.report(), began.elapsed());
        assert!(replay.position() > Position(events) && report.is_same() && report.events == events, "{report:?}");
        let per = |nanos: u128| nanos / u128::from(events);
        println!(
            "{name}, {lanes} lanes: {:.2} M events/s on the clock; of the processor, ns/event: read {}, fold {}, write {}; {} equal, {} rows",
            events as f64 / clock.as_secs_f64() / 1e6,
            per(prepare),
            per(fold),
            per(finish),
            report.equal,
            report.state_rows
        );
    }
    drop(store);
    std::fs::remove_dir_all(path).expect("removed");
}
