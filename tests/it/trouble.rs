//! A machine in trouble around a real process: disks that fail or are slow, no memory, signals.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Host, Injected, Web, guest};

const BATCH: &str = "application/cloudevents-batch+json";

/// Events of one subject with ids that nobody else uses.
fn batch(name: &str, count: usize, bytes: usize) -> String {
    let event = |number: usize| {
        json!({
            "specversion": "1.0", "id": format!("{name}-{number}"), "source": "/test", "type": "test.count", "subject": name,
            "data": { "x": "x".repeat(bytes) },
        })
    };
    Value::from((0..count).map(event).collect::<Vec<_>>()).to_string()
}

#[expect(clippy::disallowed_methods, reason = "how long something takes is what is tested")]
fn now() -> Instant {
    Instant::now()
}

fn pause(ms: u64) {
    std::thread::park_timeout(Duration::from_millis(ms));
}

/// Ids of what is in the log, each once.
#[track_caller]
fn stored(web: &Web) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for event in web.events("types=test.count") {
        let id = event["id"].as_str().expect("an id").to_owned();
        assert!(!ids.contains(&id), "{id} twice");
        ids.insert(id);
    }
    ids
}

/// Sends events until the host is gone; answers those that were acknowledged.
fn send_until_it_ends(host: &mut Host) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    for number in 0..10_000 {
        match host.web.try_send("POST", "events", &[("content-type", BATCH)], batch(&number.to_string(), 1, 10).as_bytes()) {
            Ok(answer) if answer.status == 201 => drop(acknowledged.insert(format!("{number}-0"))),
            Ok(answer) => assert!(matches!(answer.status, 500 | 503 | 507), "{}", answer.text()),
            Err(_) => break,
        }
    }
    acknowledged
}

#[test]
fn a_host_whose_disk_fails_ends_in_words_and_has_what_it_acknowledged_c5() {
    for what in ["fdatasync:error=EIO:when=6+", "pwrite64:error=EIO:when=40+"] {
        let mut host = Host::start();
        host.web.post("events", BATCH, batch("before", 3, 10)).expect(201);
        let Some(injected) = Injected::into(host.id(), what) else { return };
        let acknowledged = send_until_it_ends(&mut host);
        let status = host.ended();
        drop(injected);
        assert!(!status.success() && status.code().is_some(), "{what}: {status}");
        let said = host.said();
        assert!(said.contains("the storage failed") && said.contains("namespace main"), "{what}: {said}");
        host.restart();
        let stored = stored(&host.web);
        assert!(stored.is_superset(&acknowledged), "{what}: {acknowledged:?} in {stored:?}");
        assert!(stored.len() >= 3 && !acknowledged.is_empty(), "{what}: it had begun");
    }
}

#[test]
fn a_disk_that_takes_two_seconds_to_sync_makes_answers_late_or_busy_and_never_wrong_c7() {
    const CLIENTS: usize = 48;
    const MEMORY_KIB_MAX: u64 = 700 << 10;
    let host = Host::start();
    let Some(injected) = Injected::into(host.id(), "fdatasync:delay_enter=2000000") else { return };
    let began = now();
    host.web.post("events", BATCH, batch("first", 1, 10)).expect(201);
    assert!(began.elapsed() > Duration::from_millis(1_900), "it was acknowledged before it was synced: {:?}", began.elapsed());
    let answers = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (host, answers) = (&host, &answers);
            scope.spawn(move || {
                let name = format!("client-{number}");
                let answer = Web::new(&host.url).post("events", BATCH, batch(&name, 4, 1_000_000));
                if answer.status != 201 {
                    answer.problem(503, "busy");
                }
                answers.lock().expect("not poisoned").insert(name, answer.status);
            });
        }
        pause(6_000);
        let status = std::fs::read_to_string(format!("/proc/{}/status", host.id())).expect("it runs");
        let used = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        assert!(used.is_some_and(|kib| kib < MEMORY_KIB_MAX), "{used:?} KiB");
        // The disk is well again.
        drop(injected);
    });
    let (answers, stored) = (answers.into_inner().expect("not poisoned"), stored(&host.web));
    let busy = answers.values().filter(|status| **status == 503).count();
    assert!(busy > 0 && busy < CLIENTS, "{busy} of {CLIENTS} were told to come again");
    for (name, status) in answers {
        let there = (0..4).filter(|number| stored.contains(&format!("{name}-{number}"))).count();
        assert_eq!(there, if status == 201 { 4 } else { 0 }, "{name} was told {status}");
    }
}

#[test]
fn a_host_without_memory_ends_and_starts_again_with_what_it_acknowledged_c10() {
    let mut host = Host::start();
    host.web.post("events", BATCH, batch("before", 3, 10)).expect(201);
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.id())).expect("it runs");
    let used = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let most = (used.expect("a size") + (8 << 10)) << 10;
    let limited = Command::new("prlimit").args(["--pid", &host.id().to_string(), &format!("--as={most}")]).status();
    if !limited.is_ok_and(|status| status.success()) {
        eprintln!("skipped: prlimit can't bound the memory of another process here");
        return;
    }
    let acknowledged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (url, acknowledged) = (host.url.clone(), &acknowledged);
            scope.spawn(move || {
                let web = Web::new(&url);
                for turn in 0..200 {
                    let batch = batch(&format!("{number}/{turn}"), 4, 900_000);
                    match web.try_send("POST", "events", &[("content-type", BATCH)], batch.as_bytes()) {
                        Ok(answer) if answer.status == 201 => drop(acknowledged.fetch_add(4, Ordering::Relaxed)),
                        Ok(_) => {}
                        Err(_) => return,
                    }
                }
            });
        }
    });
    let status = host.ended();
    assert!(!status.success(), "{status}");
    host.restart();
    let stored = stored(&host.web).len() as u64;
    let least = 3 + acknowledged.load(Ordering::Relaxed);
    assert!((least..=least + 8 * 4).contains(&stored), "{stored} are there, {least} were acknowledged: {}", host.said());
    host.web.post("events", BATCH, batch("after", 1, 10)).expect(201);
}

#[test]
fn a_second_signal_ends_a_host_at_once_c12() {
    let mut host = Host::start();
    host.web.post("events", BATCH, batch("before", 3, 10)).expect(201);
    // A request that is never whole, for which a graceful stop would wait.
    let mut half = TcpStream::connect(host.url.trim_start_matches("http://")).expect("connected");
    let head =
        "POST /v1/namespaces/main/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    half.write_all(head.as_bytes()).expect("sent");
    pause(200);
    host.signal(Signal::TERM);
    pause(500);
    assert!(!host.has_ended(), "it waits for the request");
    let began = now();
    host.signal(Signal::TERM);
    let status = host.ended();
    assert!(began.elapsed() < Duration::from_secs(2) && status.code() == Some(130), "{status} after {:?}", began.elapsed());
    host.restart();
    assert_eq!(stored(&host.web).len(), 3);
}

/// Signals that come as soon as anybody can know that there is a host: one that is not caught yet would end it as a crash does.
#[test]
fn a_host_that_is_told_to_stop_as_soon_as_it_listens_stops_gracefully_c12() {
    std::thread::scope(|scope| {
        for signal in [Signal::TERM, Signal::INT].repeat(2) {
            scope.spawn(move || {
                let mut host = Host::start();
                for _ in 0..15 {
                    host.signal(signal);
                    let status = host.ended();
                    assert!(status.success(), "{signal:?}: {status}");
                    host.restart();
                }
            });
        }
    });
}

#[test]
fn a_host_that_stood_still_goes_on_and_nothing_happens_twice_c14() {
    const CLIENTS: usize = 4;
    let host = Host::start();
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    let acknowledged = AtomicU64::new(0);
    let over = now() + Duration::from_secs(7);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (url, acknowledged) = (host.url.clone(), &acknowledged);
            scope.spawn(move || {
                let web = Web::new(&url);
                for turn in 0.. {
                    web.post("events", BATCH, batch(&format!("{client}/{turn}"), 10, 10)).expect(201);
                    acknowledged.fetch_add(10, Ordering::Relaxed);
                    if now() > over {
                        break;
                    }
                }
            });
        }
        for still_ms in [100, 3_000, 50] {
            pause(700);
            host.signal(Signal::STOP);
            pause(still_ms);
            host.signal(Signal::CONT);
        }
    });
    host.wait_until_level("counter");
    assert_eq!(stored(&host.web).len() as u64, acknowledged.load(Ordering::Relaxed));
    let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in host.web.events("types=test.counted") {
        counts.entry(event["subject"].to_string()).or_default().push(event["data"]["n"].as_u64().expect("a count"));
    }
    assert_eq!(counts.values().map(Vec::len).sum::<usize>() as u64, acknowledged.load(Ordering::Relaxed));
    assert!(counts.values().all(|numbers| numbers.iter().copied().eq(1..=10)), "each once, in order");
}
