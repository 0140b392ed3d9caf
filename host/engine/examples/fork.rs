//! What a fork of a long log takes, in time and on the disk, against a copy:
//! `cargo run --release -p retold-engine --example fork [EVENTS]`.

use std::path::Path;
use std::sync::Arc;

use retold_engine::model::{
    Digest, FailurePolicy, FunctionKind, FunctionManifest, LimitsAsked, Manifest, NewEvent, Plan, PlanMode, Position, Start, Timestamp,
};
use retold_engine::store::{Append, Deploy, DiskFolder, Folder, Options, Proposal, Store, fork};

const BATCH: u64 = 4_000;

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn handler() -> FunctionManifest {
    FunctionManifest {
        name: "reading".into(),
        kind: FunctionKind::Handler,
        subscribes: vec!["order.*".into()],
        emits: Vec::new(),
        decides: Vec::new(),
        sends: Vec::new(),
        start: Start::Beginning,
        failure_policy: FailurePolicy::Halt,
        split: None,
        limits: LimitsAsked::default(),
        schedules: Vec::new(),
        hosts: Vec::new(),
        secrets: Vec::new(),
        timers: false,
    }
}

/// Moves the function's cursor to the head.
fn read_on(store: &Store) -> Proposal {
    let row = store.reader().functions()["reading"].clone();
    Proposal::Reaction(Plan {
        function: row.name.clone(),
        module: row.module,
        epoch: row.epoch,
        from: row.cursor,
        to: store.head(),
        stands_on: None,
        mode: PlanMode::Live,
        handled: Vec::new(),
        emitted: Vec::new(),
        state: Vec::new(),
        state_digest: None,
        parked: Vec::new(),
        unparked: Vec::new(),
        halted: None,
        folded: Vec::new(),
    })
}

fn fill(store: &mut Store, events: u64) {
    let manifest = Manifest { name: "module".into(), version: "1.0.0".into(), functions: vec![handler()], schemas: Vec::new() };
    store
        .commit(
            [Proposal::Deploy(Deploy {
                manifest,
                digest: Digest::ZERO,
                component: vec![0; 1 << 20],
                levels: Vec::new(),
                rollback: false,
                send: false,
            })],
            Timestamp(1),
        )
        .expect("deployed");
    for first in (0..events).step_by(BATCH as usize) {
        let batch = (first..(first + BATCH).min(events)).map(|number| NewEvent {
            id: number.to_string(),
            source: "/shop".into(),
            r#type: "order.placed".into(),
            subject: format!("order/{}", number % 10_007),
            content_type: "application/json".into(),
            data: format!("{{\"number\":{number},\"filling\":\"{}\"}}", "x".repeat(120)).into_bytes(),
            ..NewEvent::default()
        });
        let append = Proposal::Append(Append { events: batch.collect(), ..Append::default() });
        store.commit([append, read_on(store)], Timestamp(2)).expect("appended");
        while let Some(work) = store.reader().housekeeping_due() {
            let sealed = store.reader().housekeep(work).expect("a segment can be written");
            store.adopt(sealed).expect("a segment can be named");
        }
    }
}

/// Bytes that the folder takes for itself: files of one name only.
fn own_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let files = std::fs::read_dir(path).expect("a folder");
    let facts = files.map(|file| file.and_then(|file| file.metadata()).expect("a file"));
    facts.filter(|facts| facts.nlink() == 1).map(|facts| facts.blocks() * 512).sum()
}

fn main() {
    let events: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2_000_000);
    let path = std::env::temp_dir().join(format!("retold-fork-{}", std::process::id()));
    let folder = |name: &str| Arc::new(DiskFolder::create(path.join(name)).expect("a folder"));
    let mut base = Store::open(folder("base"), &Options::default()).expect("a store");
    fill(&mut base, events);
    let whole = own_bytes(&path.join("base"));
    println!("{} events, {} segments, {} MiB", base.head(), base.reader().snapshot().expect("a snapshot").segments(), whole >> 20);
    for (name, at) in [("head", base.head().0), ("middle", events / 2), ("early", events / 20)] {
        let (began, new) = (now(), folder(name));
        let forked = fork(&base.reader(), Position(at), new.clone(), &Options::default()).expect("forked");
        let took = began.elapsed();
        let began = now();
        let opened = Store::open(new, &Options::default()).expect("it opens");
        let (open_took, own) = (began.elapsed(), own_bytes(&path.join(name)));
        assert_eq!(opened.head(), Position(at));
        println!(
            "fork at {at} ({name}): {took:.1?}, opened in {open_took:.1?}; {} segments shared, {} capped; own bytes {} KiB, 1 in {} of the base",
            forked.segments_linked,
            forked.segments_capped,
            own >> 10,
            whole / own.max(1)
        );
    }
    let (began, copy) = (now(), folder("copy"));
    for name in folder("base").list().expect("listed") {
        std::fs::copy(path.join("base").join(&name), copy.path().join(&name)).expect("copied");
        std::fs::File::open(copy.path().join(&name)).and_then(|file| file.sync_all()).expect("synced");
    }
    println!("a copy of its files: {:.1?}, {} MiB", began.elapsed(), own_bytes(copy.path()) >> 20);
    drop(base);
    std::fs::remove_dir_all(path).expect("removed");
}
