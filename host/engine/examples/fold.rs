//! How long the engine takes to fold an event into a view, apart from the guest's own work:
//! `cargo run --release -p retold-engine --example fold [EVENTS]`.

use std::sync::Arc;

use retold_engine::model::{
    Answer, CallLimits, Calls, Digest, EventRef, Failure, FailurePolicy, FunctionKind, FunctionManifest, Guest, GuestFault, LimitsAsked,
    Manifest, NewEvent, NotAnswered, Position, Reactions, Start, Timestamp,
};
use retold_engine::run::{Guests, Part, Prepared, Projector, Reading};
use retold_engine::store::{Append, Deploy, DiskFolder, Folder, Made, Options, Portion, Proposal, Store, ViewFile};

/// Adds to a number: one read and one write of a row for each event.
struct Adding;

impl Guest for Adding {
    fn handle(&self, _: &str, _: &[EventRef<'_>], _: &CallLimits, _: &mut dyn Calls) -> Answer {
        Answer::Reactions(Reactions::default())
    }

    fn project(&self, _: &str, events: &[EventRef<'_>], _: &CallLimits, calls: &mut dyn Calls) -> Result<Result<(), Failure>, NotAnswered> {
        let refused = |error| NotAnswered::Fault(GuestFault::StateRefused(error));
        for (index, event) in events.iter().enumerate() {
            let key = event.subject.rsplit('/').next().unwrap_or_default();
            let before = calls.state_get(index as u32, key).map_err(refused)?.unwrap_or_default();
            let before: [u8; 8] = before.try_into().unwrap_or_default();
            let next = u64::from_le_bytes(before) + event.data.len() as u64;
            calls.state_put(index as u32, key, &next.to_le_bytes()).map_err(refused)?;
        }
        Ok(Ok(()))
    }
}

struct Native(Arc<dyn Guest>);

impl Guests for Native {
    fn guest(&self, _: u32) -> Option<Arc<dyn Guest>> {
        Some(self.0.clone())
    }
}

fn view(name: &str, split: Option<u32>) -> FunctionManifest {
    FunctionManifest {
        name: name.into(),
        kind: FunctionKind::View,
        subscribes: vec!["flight.*".into()],
        emits: Vec::new(),
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
    let functions = vec![view("whole", None), view("split", Some(1))];
    let manifest = Manifest { name: "views".into(), version: "1.0.0".into(), functions, schemas: Vec::new() };
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
        while let Some(work) = store.reader().housekeeping_due() {
            let sealed = store.reader().housekeep(work).expect("a segment can be written");
            store.adopt(sealed).expect("a segment can be named");
        }
    }
}

fn main() {
    let events: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let path = std::env::temp_dir().join(format!("retold-fold-{}", std::process::id()));
    let disk: Arc<dyn Folder> = Arc::new(DiskFolder::create(&path).expect("a folder"));
    let mut store = Store::open(disk.clone(), &Options::default()).expect("a store");
    fill(&mut store, events);
    for (name, lanes) in [("whole", 1), ("split", 1), ("split", 2), ("split", 2)] {
        let snapshot = store.reader().snapshot().expect("a snapshot");
        let guest: Arc<dyn Guest> = Arc::new(Adding);
        let guests = Native(guest.clone());
        let reading = Reading::new(&snapshot, &guests);
        let row = snapshot.function(name).expect("deployed").clone();
        let identity = Digest::of(format!("{name} {lanes} {:?}", now()).as_bytes());
        let (file, _) =
            ViewFile::open(&disk, Made::View, name, identity, snapshot.log_identity(), snapshot.head(), 64 << 20).expect("a view's file");
        let mut projector = Projector::new(name, lanes);
        let portion = Portion { events: 128 * 1_024, bytes: 64 << 20 };
        let (began, mut prepare, mut fold, mut finish) = (now(), 0, 0, 0);
        loop {
            let start = cpu_ns();
            let prepared = projector.prepare(&reading, &row, &file, portion, Timestamp(3)).expect("the log can be read");
            let Prepared::Parts(parts) = prepared else { break };
            let (prepared_at, guest) = (cpu_ns(), &*guest);
            let run = |part: &Part| (part.fold(guest, &mut |_, _| {}), cpu_ns());
            let folded = std::thread::scope(|scope| {
                let threads: Vec<_> = parts.iter().map(|part| scope.spawn(move || run(part))).collect();
                threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
            });
            fold += folded.iter().map(|(_, ns)| ns).sum::<u128>();
            let folded_at = cpu_ns();
            projector.finish(&file, folded.into_iter().map(|(part, _)| part).collect(), Timestamp(3)).expect("rows can be written");
            prepare += prepared_at - start;
            finish += cpu_ns() - folded_at;
        }
        projector.flush(&file).expect("written");
        assert!(file.cursor() > Position(events));
        let per = |nanos: u128| nanos / u128::from(events);
        println!(
            "{name}, {lanes} lanes: {} ns/event on the clock; of the processor: read {}, fold {}, write {}; {} rows",
            per(began.elapsed().as_nanos()),
            per(prepare),
            per(fold),
            per(finish),
            file.snapshot().and_then(|snapshot| snapshot.count()).unwrap_or_default()
        );
    }
    drop(store);
    std::fs::remove_dir_all(path).expect("removed");
}
