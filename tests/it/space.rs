//! A disk without space: what is new is refused or waits, all else goes on, and nothing needs a restart.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Host, SmallDisk, guest};

/// From when there is space again.
const RECOVERY_TIME_MAX: Duration = Duration::from_secs(5);

/// So many events of this type and size, each of a subject of its own.
fn batch(r#type: &str, first: usize, count: usize, bytes: usize) -> String {
    let event = |number: usize| {
        json!({
            "specversion": "1.0", "id": format!("{type}-{number}"), "source": "/test", "type": r#type, "subject": number.to_string(),
            "data": { "x": "x".repeat(bytes) },
        })
    };
    Value::from((first..first + count).map(event).collect::<Vec<_>>()).to_string()
}

fn send(host: &Host, batch: &str) -> Answer {
    host.web.post("events", "application/cloudevents-batch+json", batch)
}

#[expect(clippy::disallowed_methods, reason = "how soon a host recovers is what is tested")]
fn now() -> Instant {
    Instant::now()
}

/// Metrics by name, of those without labels.
fn metric(host: &Host, name: &str) -> f64 {
    let page = host.web.get("//metrics").expect(200).text();
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}: {page}"))
}

#[test]
fn a_host_whose_disk_is_almost_full_reads_and_frees_and_writes_again_by_itself_once_there_is_space_c6() {
    let Some(disk) = SmallDisk::of_mib(96, "space") else { return };
    let mut host = Host::start_on_saying(&disk.path().join("data"), &["--reserve-space", "8MiB"]);
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    host.web.post("functions/counter/pause", "application/json", "").expect(200);
    send(&host, &batch("test.count", 0, 200, 1)).expect(201);
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"spare","fork":{"base":"main"}}"#).expect(201);
    // Other programs take some of it, clients what is left.
    let ballast = disk.fill(40);
    let mut acknowledged = 0;
    let refused = loop {
        let answer = send(&host, &batch("thing.made", acknowledged, 50, 4_000));
        if answer.status != 201 {
            break answer;
        }
        acknowledged += 50;
        assert!(acknowledged < 100_000, "it never fills");
    };
    let problem = refused.problem(507, "storage-full");
    assert!(problem["free_bytes"].as_u64() < problem["needed_bytes"].as_u64(), "{problem}");
    assert!(metric(&host, "retold_disk_free_bytes") >= f64::from(8 << 20), "the reserve is untouched: {problem}");
    assert_eq!(metric(&host, "retold_ready"), 0.0);
    let ready = host.web.get("//readyz").expect(503).json();
    assert_eq!((&ready["namespaces"][0]["writable"], &ready["disk"]["reserve_bytes"]), (&json!(false), &json!(8 << 20)), "{ready}");
    // Reading goes on, and so does what an operator says; what is new does not.
    assert_eq!(host.web.events("types=thing.made").len(), acknowledged);
    host.web.post("functions/counter/resume", "application/json", "").expect(200);
    host.web.deploy("other", &guest("faulty-kinds")).problem(507, "storage-full");
    host.web.command("thing.make", "1", "1", &json!({})).problem(507, "storage-full");
    host.web.set_schema("thing.made", "{}").problem(507, "storage-full");
    let line = json!({"specversion": "1.0", "id": "line", "source": "/test", "type": "thing.made", "data": {}});
    host.web.post("events", "application/x-ndjson", line.to_string()).problem(507, "storage-full");
    std::thread::park_timeout(Duration::from_millis(1_500));
    assert_eq!(host.web.function("counter")["counts"]["handled"], 0, "its plan would have to be written");
    host.web.delete("//v1/namespaces/spare").expect(200);
    // Space comes back, and nobody says a word to the host.
    std::fs::remove_file(&ballast).expect("removed");
    let began = now();
    host.wait_until("there is space", || send(&host, &batch("thing.made", acknowledged, 50, 4_000)).status == 201);
    host.wait_until_level("counter");
    assert!(began.elapsed() < RECOVERY_TIME_MAX, "{:?}", began.elapsed());
    acknowledged += 50;
    host.web.get("//readyz").expect(200);
    assert_eq!(host.web.events("types=thing.made").len(), acknowledged);
    assert_eq!(host.web.events("types=test.counted").len(), 200, "each once");
    // Another program takes all that there is, and the host is killed on top of it.
    let ballast = disk.fill(96);
    host.kill();
    host.restart();
    send(&host, &batch("thing.made", acknowledged, 50, 4_000)).problem(507, "storage-full");
    assert_eq!(host.web.events("types=thing.made").len(), acknowledged);
    std::fs::remove_file(&ballast).expect("removed");
    let began = now();
    host.wait_until("there is space", || send(&host, &batch("thing.made", acknowledged, 50, 4_000)).status == 201);
    assert!(began.elapsed() < RECOVERY_TIME_MAX, "{:?}", began.elapsed());
    assert_eq!(host.web.events("types=thing.made").len(), acknowledged + 50);
    assert_eq!(host.web.events("types=test.counted").len(), 200);
    host.kill();
}
