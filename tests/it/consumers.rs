//! Consumers: members that share the work, leases that end, hosts that are killed, logs that take another's
//! place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Host, Web, guest};

pub fn event(number: usize, subject: &str) -> Value {
    json!({ "specversion": "1.0", "id": number.to_string(), "source": "/test", "type": "test.made", "subject": subject, "data": { "n": number } })
}

/// Appends events of these subjects, with ids from `first` on.
pub fn append(web: &Web, first: usize, subjects: &[&str]) {
    let events: Vec<Value> = subjects.iter().enumerate().map(|(index, subject)| event(first + index, subject)).collect();
    web.post("events", "application/cloudevents-batch+json", json!(events).to_string()).expect(201);
}

fn make(web: &Web, name: &str, body: &Value) -> Value {
    let answer = web.send("PUT", &format!("consumers/{name}"), &[("content-type", "application/json")], body.to_string().as_bytes());
    assert!(answer.status < 300, "{}", answer.text());
    answer.json()
}

fn post(web: &Web, name: &str, verb: &str, body: &Value) -> crate::support::Answer {
    web.post(&format!("consumers/{name}/{verb}"), "application/json", body.to_string())
}

fn fetch(web: &Web, name: &str, body: &Value) -> (String, Vec<u64>, Vec<u64>) {
    let fetched = post(web, name, "fetch", body).expect(200).json();
    let numbers = |list: &Value, of: fn(&Value) -> Option<u64>| list.as_array().expect("a list").iter().filter_map(of).collect();
    let ids = numbers(&fetched["events"], |event| event["id"].as_str()?.parse().ok());
    (fetched["lease"].as_str().unwrap_or_default().to_owned(), ids, numbers(&fetched["attempts"], Value::as_u64))
}

fn consumer(web: &Web, name: &str) -> Value {
    web.get(&format!("consumers/{name}")).expect(200).json()
}

fn positions(web: &Web) -> BTreeMap<u64, String> {
    let events = web.events("types=test.*");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    events.iter().map(|event| (text(&event["id"]).parse().expect("a number"), text(&event["position"]))).collect()
}

#[track_caller]
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test gives up after a while")]
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came to this: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn what_was_fetched_and_not_acknowledged_when_the_host_was_killed_is_given_again_and_nothing_else() {
    let mut host = Host::start();
    append(&host.web, 1, &["a", "a", "b", "c", "b", "d"]);
    let at = positions(&host.web);
    make(&host.web, "mail", &json!({ "lease": "2s" }));
    let (lease, given, _) = fetch(&host.web, "mail", &json!({ "member": "one", "limit": 5 }));
    assert_eq!(given, [1, 2, 3, 4, 5]);
    post(&host.web, "mail", "acknowledge", &json!({ "lease": lease, "positions": [at[&1], at[&3]] })).expect(200);
    host.kill();
    host.restart();
    // The lease outlives the host, and so does what was acknowledged under it.
    let (_, given, _) = fetch(&host.web, "mail", &json!({ "member": "two" }));
    assert_eq!(given, [6]);
    let left = post(&host.web, "mail", "acknowledge", &json!({ "lease": lease, "positions": [at[&4]] })).expect(200).json();
    assert_eq!(left["left"], 2);
    let (lease, given, attempts) = fetch(&host.web, "mail", &json!({ "member": "two", "limit": 2, "wait": "10s" }));
    assert_eq!((given, attempts), (vec![2, 5], vec![2, 2]));
    post(&host.web, "mail", "acknowledge", &json!({ "lease": lease })).expect(200);
    host.kill();
    host.restart();
    let (lease, given, attempts) = fetch(&host.web, "mail", &json!({ "wait": "10s" }));
    assert_eq!((given, attempts), (vec![6], vec![2]));
    post(&host.web, "mail", "acknowledge", &json!({ "lease": lease })).expect(200);
    let now = consumer(&host.web, "mail");
    assert_eq!((&now["lag"], &now["acknowledged"], &now["leased"]), (&json!(0), &json!(6), &json!(0)));
}

/// What became of each event: who holds it now, and how often it was acknowledged.
#[derive(Default)]
struct Ledger {
    acknowledged: BTreeMap<String, Vec<u64>>,
    out: BTreeSet<String>,
}

/// Fetches and acknowledges, and now and then falls silent for longer than its lease.
fn member(number: usize, url: &Mutex<String>, stop: &AtomicBool, ledger: &Mutex<Ledger>) {
    let mut turn = number;
    while !stop.load(Ordering::Acquire) {
        turn += 1;
        let web = Web::new(&url.lock().expect("an address"));
        let body = json!({ "member": format!("m{number}"), "limit": 7, "wait": "1s" }).to_string();
        let Ok(answer) = web.try_send("POST", "consumers/work/fetch", &[("content-type", "application/json")], body.as_bytes()) else {
            continue;
        };
        if answer.status != 200 {
            continue;
        }
        let fetched = answer.json();
        let events: Vec<Value> = fetched["events"].as_array().expect("events").clone();
        if events.is_empty() || turn.is_multiple_of(5) {
            continue;
        }
        for event in &events {
            let say = json!({ "lease": fetched["lease"], "positions": [event["position"]] }).to_string();
            // Told to nobody twice at once: the ledger is locked while the host decides.
            let mut ledger = ledger.lock().expect("not poisoned");
            let said = web.try_send("POST", "consumers/work/acknowledge", &[("content-type", "application/json")], say.as_bytes());
            let id = event["id"].as_str().expect("an id").to_owned();
            match said {
                Ok(answer) if answer.status == 200 => {
                    if ledger.out.insert(id.clone()) {
                        let of_subject = ledger.acknowledged.entry(event["subject"].to_string()).or_default();
                        of_subject.push(id.parse().expect("a number"));
                    }
                }
                Ok(answer) => {
                    answer.problem(409, "lease-conflict");
                }
                Err(_) => break,
            }
        }
    }
}

#[test]
fn members_share_the_work_and_each_subject_keeps_its_order_though_hosts_and_members_die() {
    const EVENTS: usize = 600;
    let mut host = Host::start();
    let subjects: Vec<String> = (0..EVENTS).map(|number| format!("s/{}", number % 13)).collect();
    append(&host.web, 0, &subjects.iter().map(String::as_str).collect::<Vec<_>>());
    make(&host.web, "work", &json!({ "lease": "300ms", "attempts": 100 }));
    let (url, stop, ledger) = (Mutex::new(host.url.clone()), AtomicBool::new(false), Mutex::new(Ledger::default()));
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (url, stop, ledger) = (&url, &stop, &ledger);
            scope.spawn(move || member(number, url, stop, ledger));
        }
        for kill in 0..4 {
            std::thread::park_timeout(Duration::from_millis(250 + 90 * kill));
            let mut url = url.lock().expect("an address");
            host.kill();
            host.restart();
            *url = host.url.clone();
        }
        until("all is acknowledged", || consumer(&host.web, "work")["lag"] == 0);
        stop.store(true, Ordering::Release);
    });
    let now = consumer(&host.web, "work");
    assert_eq!((&now["acknowledged"], &now["parked"]), (&json!(EVENTS), &json!(0)));
    let ledger = ledger.into_inner().expect("not poisoned");
    for (subject, order) in ledger.acknowledged {
        assert!(order.is_sorted(), "{subject}: {order:?}");
    }
}

#[test]
fn words_that_make_no_sense_are_refused_and_tell_why() {
    let host = Host::start();
    let web = &host.web;
    append(web, 1, &["a", "b", "c"]);
    let at = positions(web);
    web.get("consumers/none").problem(404, "unknown-consumer");
    post(web, "none", "fetch", &json!({})).problem(404, "unknown-consumer");
    let put = |name: &str, body: &Value| {
        web.send("PUT", &format!("consumers/{name}"), &[("content-type", "application/json")], body.to_string().as_bytes())
    };
    put("Mail", &json!({})).problem(400, "invalid-name");
    for (body, field) in [
        (json!({ "types": ["a*b"] }), "types"),
        (json!({ "attempts": 0 }), "attempts"),
        (json!({ "lease": "1ms" }), "lease"),
        (json!({ "lease": "soon" }), "lease"),
        (json!({ "expires": "1000d" }), "expires"),
        (json!({ "endpoint": { "url": "https://example.com", "form": "xml" } }), "endpoint.form"),
        (json!({ "endpoint": { "url": "https://example.com", "at_once": 0 } }), "endpoint.at_once"),
    ] {
        assert_eq!(put("mail", &body).problem(400, "invalid-consumer")["field"], field);
    }
    put("mail", &json!({ "tyeps": [] })).problem(400, "malformed-request");
    put("mail", &json!({ "start": "99" })).problem(400, "invalid-parameter");
    make(web, "mail", &json!({ "lease": "200ms", "attempts": 2 }));
    let (lease, _, _) = fetch(web, "mail", &json!({ "member": "one", "limit": 2 }));
    for (body, reason) in [
        (json!({ "lease": lease, "positions": [at[&3]] }), "never-given"),
        (json!({ "lease": lease, "positions": ["999"] }), "never-given"),
        (json!({ "lease": "1-0", "positions": [at[&1]] }), "unknown"),
        (json!({ "lease": lease, "member": "two" }), "others"),
    ] {
        assert_eq!(post(web, "mail", "acknowledge", &body).problem(409, "lease-conflict")["reason"], reason);
    }
    post(web, "mail", "acknowledge", &json!({ "lease": lease, "positions": ["1"], "upto": "2" })).problem(400, "malformed-request");
    post(web, "mail", "fetch", &json!({ "limit": 100_000 })).problem(400, "invalid-consumer");
    post(web, "mail", "fetch", &json!({ "member": "" })).problem(400, "invalid-consumer");
    // The lease is over and another has it: each on its last attempt, and so alone.
    let (other, given, _) = fetch(web, "mail", &json!({ "member": "two", "wait": "5s", "limit": 1 }));
    assert_eq!(given, [3]);
    post(web, "mail", "acknowledge", &json!({ "lease": other })).expect(200);
    let (_, given, _) = fetch(web, "mail", &json!({ "member": "two", "wait": "5s", "limit": 1 }));
    assert_eq!(given, [1]);
    let problem = post(web, "mail", "acknowledge", &json!({ "lease": lease, "positions": [at[&1]] })).problem(409, "lease-conflict");
    assert_eq!(problem["reason"], "held-by-another");
    assert_eq!(post(web, "mail", "extend", &json!({ "lease": lease })).problem(409, "lease-conflict")["reason"], "over");
    web.delete("consumers/mail").expect(200);
    web.delete("consumers/mail").problem(404, "unknown-consumer");
}

#[test]
fn what_is_set_aside_is_listed_released_and_skipped_and_an_unused_consumer_goes() {
    let host = Host::start();
    let web = &host.web;
    append(web, 1, &["a", "b", "a"]);
    let at = positions(web);
    make(web, "mail", &json!({ "attempts": 3 }));
    let (lease, _, _) = fetch(web, "mail", &json!({}));
    post(web, "mail", "give-back", &json!({ "lease": lease, "positions": [at[&1]], "reason": "no such address", "park": true }))
        .expect(200);
    post(web, "mail", "acknowledge", &json!({ "lease": lease })).problem(409, "lease-conflict");
    post(web, "mail", "acknowledge", &json!({ "lease": lease, "positions": [at[&2]] })).expect(200);
    let parked = web.get("consumers/mail/parked").expect(200).json();
    let standing: Vec<(&str, &str)> = parked["parked"]
        .as_array()
        .expect("parked")
        .iter()
        .map(|event| (event["id"].as_str().expect("an id"), event["standing"].as_str().expect("a standing")))
        .collect();
    assert_eq!(standing, [("1", "parked"), ("3", "behind")]);
    assert_eq!(parked["parked"][0]["reason"], "no such address");
    post(web, "mail", "release", &json!({ "position": at[&3] })).problem(409, "parked-conflict");
    assert_eq!(post(web, "mail", "release", &json!({ "position": at[&1], "skip": true })).expect(200).json()["released"], 1);
    assert_eq!(post(web, "mail", "release", &json!({ "subject": "a" })).expect(200).json()["released"], 1);
    assert_eq!(fetch(web, "mail", &json!({})).1, [3]);

    make(web, "passing", &json!({ "expires": "1s", "start": "now" }));
    // Who waits for events uses it; new ones come at once.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| fetch(web, "passing", &json!({ "wait": "20s" })));
        std::thread::park_timeout(Duration::from_millis(200));
        append(web, 4, &["z"]);
        assert_eq!(waiting.join().expect("no panic").1, [4]);
    });
    until("it is gone", || web.get("consumers/passing").status == 404);
    web.get("consumers/mail").expect(200);
}

#[test]
fn after_a_promotion_and_back_a_consumer_goes_on_misses_nothing_and_keeps_what_it_set_aside() {
    let mut host = Host::start();
    host.web.deploy("ledger", &guest("faulty-upgrade/ledger")).expect(201);
    append(&host.web, 1, &["a", "b", "c", "a", "erased", "d", "e"]);
    make(&host.web, "mail", &json!({ "types": ["test.*"], "attempts": 1 }));
    let (lease, given, _) = fetch(&host.web, "mail", &json!({ "limit": 4 }));
    assert_eq!(given, [1, 2, 3, 4]);
    let at = positions(&host.web);
    post(&host.web, "mail", "give-back", &json!({ "lease": lease, "positions": [at[&1]], "reason": "no" })).expect(200);
    post(&host.web, "mail", "acknowledge", &json!({ "lease": lease, "positions": [at[&2], at[&3]] })).expect(200);
    let (old_lease, given, _) = fetch(&host.web, "mail", &json!({ "limit": 2 }));
    assert_eq!(given, [5, 6]);
    let retell = json!({ "name": "again", "retell": { "base": "main", "forget": ["erased"] } });
    host.web.post("//v1/namespaces", "application/json", retell.to_string()).expect(202);
    promote_when_level(&host, "again");
    // A lease was for the other log.
    let problem = post(&host.web, "mail", "acknowledge", &json!({ "lease": old_lease })).problem(409, "lease-conflict");
    assert_eq!(problem["reason"], "unknown");
    assert_eq!(consumer(&host.web, "mail")["parked"], 2);
    // As if the host had been killed before the consumers came along: they come at the next start.
    host.kill();
    std::fs::remove_file(host.data().join("namespaces/again/consumers.redb")).expect("it was there");
    host.restart();
    let now = consumer(&host.web, "mail");
    assert_eq!(now["parked"], 2, "{now}");
    let (lease, given, _) = fetch(&host.web, "mail", &json!({}));
    assert!(given.ends_with(&[6, 7]) && !given.contains(&5) && !given.contains(&1) && !given.contains(&4), "{given:?}");
    post(&host.web, "mail", "acknowledge", &json!({ "lease": lease })).expect(200);
    host.kill();
    host.restart();
    append(&host.web, 8, &["f", "a"]);
    assert_eq!(fetch(&host.web, "mail", &json!({ "member": "new" })).1, [8]);
    host.web.namespace("main@1").post("consumers/mail/fetch", "application/json", "{}").problem(409, "read-only");
    // And back: the way is the same.
    host.web.post("promote", "application/json", json!({ "back": true }).to_string()).expect(200);
    assert_eq!(consumer(&host.web, "mail")["parked"], 3);
    let (_, given, _) = fetch(&host.web, "mail", &json!({}));
    assert!(given.contains(&8) && given.contains(&5) && !given.contains(&1), "{given:?}");
    post(&host.web, "mail", "release", &json!({})).expect(200);
    assert_eq!(fetch(&host.web, "mail", &json!({ "member": "two" })).1, [1, 4, 9]);
}

fn promote_when_level(host: &Host, name: &str) {
    until("the retelling is level", || {
        let answer = host.web.namespace(name).post("promote", "application/json", "{}");
        answer.status == 200
    });
}

#[test]
fn a_consumer_is_made_read_and_dropped_on_the_command_line() {
    let host = Host::start();
    append(&host.web, 1, &["a", "b"]);
    let said = |arguments: &[&str]| {
        let output = host.retold(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(said(&["consumers"]).contains("no consumers"));
    said(&["consumers", "create", "mail", "--types", "test.*,other", "--lease", "1m", "--attempts", "1"]);
    let fetched: Value = serde_json::from_str(&said(&["consumers", "fetch", "mail", "--member", "one", "--json"])).expect("JSON");
    let lease = fetched["lease"].as_str().expect("a lease");
    assert!(said(&["consumers", "mail"]).contains("2 events with it"));
    said(&["consumers", "extend", "mail", lease, "--for", "2m"]);
    let first = fetched["events"][0]["position"].as_str().expect("a position");
    assert!(said(&["consumers", "acknowledge", "mail", lease, "--positions", first]).contains("1 event still out"));
    said(&["consumers", "give-back", "mail", lease, "--reason", "not mine"]);
    assert!(said(&["consumers", "parked", "mail"]).contains("not mine"));
    assert!(said(&["consumers", "release", "mail", "--subject", "b"]).contains("1 event given again"));
    assert!(said(&["consumers"]).contains("mail"));
    assert!(said(&["consumers", "delete", "mail"]).contains("gone"));
    assert_eq!(host.retold(&["consumers", "show", "mail"]).status.code(), Some(3));
}
