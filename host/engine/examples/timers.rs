//! What a million pending timers cost an append and the memory, how fast they fire, and how fast requests come
//! and go, on a disk: `cargo run --release -p retold-engine --example timers DIRECTORY [TIMERS]`.

use std::path::Path;
use std::sync::Arc;

use retold_engine::model::{
    Digest, Emitted, FailurePolicy, FunctionKind, FunctionManifest, Kind, LimitsAsked, Manifest, NewEvent, Plan, PlanMode, Position,
    REQUEST_MADE, REQUEST_REPLIED, Start, TIMER_DUE, TIMER_KEY, Timestamp,
};
use retold_engine::store::{Append, Deploy, DiskFolder, Due, Options, OutboxFilter, Proposal, Reply, Store};

const BATCH: u64 = 1_024;

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn handler() -> FunctionManifest {
    FunctionManifest {
        name: "reminding".into(),
        kind: FunctionKind::Handler,
        subscribes: vec!["order.*".into()],
        emits: Vec::new(),
        decides: Vec::new(),
        sends: Vec::new(),
        start: Start::Beginning,
        failure_policy: FailurePolicy::Park,
        split: None,
        limits: LimitsAsked::default(),
        schedules: Vec::new(),
        hosts: vec!["*".into()],
        secrets: Vec::new(),
        timers: true,
    }
}

fn scattered(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 31)
}

fn entry(kind: Kind, number: u64, r#type: &str, extensions: &[(&str, String)]) -> Emitted {
    Emitted {
        kind,
        id: format!("{:032x}", scattered(number)),
        r#type: r#type.into(),
        subject: format!("order/{number}"),
        extensions: extensions.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        content_type: "application/json".into(),
        data: vec![b'x'; 40],
        cause: Position(2),
        causation_id: "1".into(),
        correlation_id: "1".into(),
        ..Emitted::default()
    }
}

fn react(store: &Store, emitted: Vec<Emitted>) -> Proposal {
    let row = store.reader().functions()["reminding"].clone();
    Proposal::Reaction(Plan {
        function: row.name.clone(),
        module: row.module,
        epoch: row.epoch,
        from: row.cursor,
        to: store.head(),
        stands_on: None,
        mode: PlanMode::Live,
        handled: Vec::new(),
        folded: Vec::new(),
        emitted,
        state: Vec::new(),
        state_digest: None,
        parked: Vec::new(),
        unparked: Vec::new(),
        halted: None,
    })
}

fn event(id: u64) -> Proposal {
    let event = NewEvent {
        id: format!("e{id}"),
        source: "/bench".into(),
        r#type: "order.placed".into(),
        subject: format!("order/{id}"),
        content_type: "application/json".into(),
        data: vec![b'x'; 200],
        ..NewEvent::default()
    };
    Proposal::Append(Append { events: vec![event], ..Append::default() })
}

fn commit(store: &mut Store, proposals: Vec<Proposal>, at: u64) {
    let answers = store.commit(proposals, Timestamp(at)).expect("the disk works").answers;
    answers.into_iter().for_each(|answer| drop(answer.expect("accepted")));
    while let Some(work) = store.reader().housekeeping_due() {
        let sealed = store.reader().housekeep(work).expect("written");
        store.adopt(sealed).expect("named");
    }
}

/// Median time of a durable append of one event, in microseconds.
fn append_median(store: &mut Store, from: u64) -> u128 {
    let mut times: Vec<u128> = (0..2_000)
        .map(|number| {
            let start = now();
            commit(store, vec![event(from + number)], 1);
            start.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1_024
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().expect("name a directory");
    let timers: u64 = arguments.next().map_or(1_000_000, |text| text.parse().expect("a number"));
    for (what, scatters) in [("due in the order of being set", false), ("due in any order", true)] {
        let folder = Path::new(&directory).join(format!("timers-{scatters}"));
        measure(&folder, timers, what, |number| if scatters { 1_000 + scattered(number) % timers } else { 1_000 + number });
    }
}

fn measure(folder: &Path, timers: u64, what: &str, due: impl Fn(u64) -> u64) {
    let disk = DiskFolder::create(folder).expect("a folder can be made");
    let mut store = Store::open(Arc::new(disk), &Options::default()).expect("it opens");
    let manifest = Manifest { name: "module".into(), version: "1.0.0".into(), functions: vec![handler()], schemas: Vec::new() };
    let deploy = Deploy { manifest, digest: Digest::ZERO, component: Vec::new(), levels: Vec::new(), rollback: false, send: true };
    commit(&mut store, vec![Proposal::Deploy(deploy), event(0)], 1);
    println!("{timers} timers, {what}");
    let (before, resident) = (append_median(&mut store, 1_000_000_000), memory_mib());
    let start = now();
    for batch in 0..timers.div_ceil(BATCH) {
        let numbers = batch * BATCH..((batch + 1) * BATCH).min(timers);
        let set = |number: u64| {
            let key = format!("remind/{:016x}", scattered(number));
            entry(Kind::Timer, number, "order.late", &[(TIMER_DUE, due(number).to_string()), (TIMER_KEY, key)])
        };
        let plan = react(&store, numbers.map(set).collect());
        commit(&mut store, vec![plan], 1);
    }
    println!("  set: {:.0} a second", timers as f64 / start.elapsed().as_secs_f64());
    // As the host does in idle moments: what a segment holds goes from the head.
    while store.delete_leftover_rows().expect("the disk works") {}
    let (after, grown) = (append_median(&mut store, 2_000_000_000), memory_mib());
    println!("  append p50: {before} µs before, {after} µs with them; resident {resident} MiB before, {grown} MiB with them");
    let (mut left, start, far) = (timers, now(), 10 * timers + 10_000);
    let mut finding = std::time::Duration::ZERO;
    while left > 0 {
        let look = now();
        let due = store.reader().snapshot().and_then(|snapshot| snapshot.due(Timestamp(far), BATCH as usize)).expect("read");
        finding += look.elapsed();
        assert!(!due.is_empty(), "some are lost");
        left -= due.len() as u64;
        commit(&mut store, vec![Proposal::Fire(due.into_iter().map(Due::Timer).collect())], far);
    }
    let all = start.elapsed();
    let rate = timers as f64 / all.as_secs_f64();
    println!(
        "  fired: {rate:.0} a second in batches of {BATCH}, {:.0} % of it to find them",
        100.0 * finding.as_secs_f64() / all.as_secs_f64()
    );
    let (requests, start) = (50 * BATCH, now());
    for batch in 0..50 {
        let made = |number: u64| {
            let url = format!("https://example.com/{number}");
            entry(Kind::Request, timers + batch * BATCH + number, REQUEST_MADE, &[("requestmethod", "POST".into()), ("requesturl", url)])
        };
        let plan = react(&store, (0..BATCH).map(made).collect());
        commit(&mut store, vec![plan], far);
        let page =
            store.reader().snapshot().and_then(|snapshot| snapshot.outbox(&OutboxFilter::default(), Position::START, BATCH as usize));
        let reply = |request: Position| Reply { request, r#type: REQUEST_REPLIED.into(), data: b"{}".to_vec(), time: Timestamp(far) };
        let replies = page.expect("read").requests.into_iter().map(|request| Proposal::Reply(reply(request.position))).collect();
        commit(&mut store, replies, far);
    }
    println!("  requests made, read and answered: {:.0} a second", requests as f64 / start.elapsed().as_secs_f64());
}
