//! `kill -9` in the middle of everything: what was acknowledged is there, once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::{Host, Web, guest};

const CLIENTS: usize = 4;
const KILLS: usize = 12;

/// What clients were told: event id -> position.
type Acknowledged = Mutex<BTreeMap<String, u64>>;

fn count(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": "test.count", "subject": format!("thing/{}", id.len()), "data": {}})
}

/// Appends batches until it is told to stop; repeats what was not answered, as a careful client does.
fn client(number: usize, url: &Mutex<String>, stop: &AtomicBool, acknowledged: &Acknowledged, next: &AtomicU64) {
    let mut unanswered: Option<Vec<Value>> = None;
    let mut web = Web::new(&url.lock().expect("an address"));
    while !stop.load(Ordering::Acquire) || unanswered.is_some() {
        let batch = unanswered.take().unwrap_or_else(|| {
            let first = next.fetch_add(20, Ordering::Relaxed);
            (first..first + 20).map(|n| count(&format!("{number}-{n}"))).collect()
        });
        let answer =
            web.try_send("POST", "events", &[("content-type", "application/cloudevents-batch+json")], json!(batch).to_string().as_bytes());
        match answer.map(|answer| (answer.status, answer)) {
            Ok((200 | 201, answer)) => {
                let positions = answer.json()["positions"].as_array().expect("positions").clone();
                let mut acknowledged = acknowledged.lock().expect("not poisoned");
                for (event, position) in batch.iter().zip(positions) {
                    let position = position.as_str().expect("a string").parse().expect("a number");
                    let before = acknowledged.insert(event["id"].as_str().expect("an id").to_owned(), position);
                    assert!(before.is_none_or(|before| before == position));
                }
            }
            _ => {
                unanswered = Some(batch);
                std::thread::park_timeout(std::time::Duration::from_millis(5));
                web = Web::new(&url.lock().expect("an address"));
            }
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_doubled_when_the_host_is_killed_again_and_again() {
    let mut host = Host::start();
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    let (url, stop, next) = (Mutex::new(host.url.clone()), AtomicBool::new(false), AtomicU64::new(0));
    let acknowledged = Acknowledged::default();
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (url, stop, acknowledged, next) = (&url, &stop, &acknowledged, &next);
            scope.spawn(move || client(number, url, stop, acknowledged, next));
        }
        for kill in 0..KILLS {
            // At another moment each time; it doesn't matter which.
            std::thread::park_timeout(std::time::Duration::from_millis(30 + 37 * kill as u64 % 150));
            host.kill();
            host.restart();
            *url.lock().expect("an address") = host.url.clone();
        }
        stop.store(true, Ordering::Release);
    });
    host.wait_until_level("counter");
    let all = host.web.events("");
    let sources: BTreeMap<&str, u64> = all
        .iter()
        .filter(|event| event["type"] == "test.count")
        .map(|event| (event["id"].as_str().expect("id"), event["position"].as_str().expect("position").parse().expect("number")))
        .collect();
    for (index, event) in all.iter().enumerate() {
        assert_eq!(event["position"], (index + 1).to_string(), "positions have no gap");
    }
    let acknowledged = acknowledged.into_inner().expect("not poisoned");
    assert!(acknowledged.len() > 100, "the clients got somewhere: {}", acknowledged.len());
    for (id, position) in &acknowledged {
        assert_eq!(sources.get(id.as_str()), Some(position), "{id} was acknowledged at {position}");
    }
    assert_eq!(sources.len(), acknowledged.len(), "every batch was acknowledged in the end");
    // One output for each event, and the counts of each subject without a gap.
    let mut totals: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in all.iter().filter(|event| event["type"] == "test.counted") {
        totals.entry(event["subject"].to_string()).or_default().push(event["data"]["n"].as_u64().expect("a count"));
    }
    assert_eq!(totals.values().map(Vec::len).sum::<usize>(), sources.len());
    for (subject, counted) in totals {
        assert_eq!(counted, (1..=counted.len() as u64).collect::<Vec<_>>(), "{subject}");
    }
}
