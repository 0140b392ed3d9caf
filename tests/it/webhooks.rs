//! Webhooks out: a receiver that is slow, fails, wants no more, asks to wait, or was never asked; a host that
//! is killed while it sends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::consumers::{append, until};
use crate::support::{Answer, Answering, Host, Received, Receiver, Web};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A host that may send to this machine, with a secret.
fn host() -> (Host, std::path::PathBuf) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let secrets = std::env::temp_dir().join(format!("retold-test-secrets-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&secrets).expect("a folder");
    std::fs::write(secrets.join("HOOK"), format!("{SECRET}\n")).expect("written");
    let folder = secrets.to_str().expect("text");
    (Host::start_saying(&["--secrets", folder, "--allow-host", "127.0.0.1", "--allow-address", "127.0.0.1"]), secrets)
}

fn put(web: &Web, name: &str, body: &Value) -> Answer {
    web.send("PUT", &format!("consumers/{name}"), &[("content-type", "application/json")], body.to_string().as_bytes())
}

fn consumer(web: &Web, name: &str) -> Value {
    web.get(&format!("consumers/{name}")).expect(200).json()
}

fn signed(received: &Received) -> bool {
    let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).expect("base64");
    let (id, time) = (received.header("webhook-id").expect("an id"), received.header("webhook-timestamp").expect("a time"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(&received.body);
    received.header("webhook-signature") == Some(&format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

fn number_of(event: &Value) -> usize {
    event["id"].as_str().and_then(|id| id.parse().ok()).expect("a number")
}

/// First arrivals of each subject, in the order in which they were taken.
fn by_subject(taken: &[Received]) -> BTreeMap<String, Vec<usize>> {
    let (mut seen, mut orders) = (BTreeSet::new(), BTreeMap::<String, Vec<usize>>::new());
    for event in taken.iter().map(Received::json) {
        if seen.insert(number_of(&event)) {
            orders.entry(event["subject"].to_string()).or_default().push(number_of(&event));
        }
    }
    orders
}

#[test]
fn events_are_sent_signed_and_in_the_order_of_their_subject_to_one_who_is_slow_and_fails() {
    let (host, _secrets) = host();
    let tries = AtomicUsize::new(0);
    let receiver = Receiver::start(move |_| {
        let number = tries.fetch_add(1, Ordering::Relaxed);
        let status = if number % 7 == 3 { 500 } else { 204 };
        Answering::status(status).after(Duration::from_millis(number as u64 % 5 * 4))
    });
    let subjects: Vec<String> = (0..60).map(|number| format!("s/{}", number % 6)).collect();
    append(&host.web, 0, &subjects.iter().map(String::as_str).collect::<Vec<_>>());
    put(&host.web, "hook", &json!({ "endpoint": { "url": receiver.url(), "secret": "HOOK", "at_once": 4 } })).expect(201);
    until("all is delivered", || consumer(&host.web, "hook")["lag"] == 0);
    let taken = receiver.taken();
    assert_eq!(taken.len(), 60, "what was taken is not sent again");
    for (subject, order) in by_subject(&taken) {
        assert!(order.len() == 10 && order.is_sorted(), "{subject}: {order:?}");
    }
    let mut ids: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (received, _) in receiver.all() {
        assert!(signed(&received), "{received:?}");
        assert_eq!(received.header("content-type"), Some("application/cloudevents+json; charset=utf-8"));
        ids.entry(number_of(&received.json())).or_default().insert(received.header("webhook-id").expect("an id").to_owned());
    }
    assert!(ids.values().all(|ids| ids.len() == 1), "a repeat has the id of the first");
    assert_eq!(ids.values().flatten().collect::<BTreeSet<_>>().len(), 60);
    // What comes now goes at once.
    append(&host.web, 100, &["new"]);
    until("it is sent", || receiver.taken().len() == 61);
    // Nobody else fetches from it.
    host.web.post("consumers/hook/fetch", "application/json", "{}").problem(409, "endpoint-conflict");
}

#[test]
fn what_fails_to_the_end_is_set_aside_with_its_subject_and_the_others_go_on() {
    let (host, _secrets) = host();
    let receiver = Receiver::start(|received| Answering::status(if number_of(&received.json()) == 1 { 422 } else { 200 }));
    append(&host.web, 1, &["a", "b", "a", "b"]);
    put(&host.web, "hook", &json!({ "attempts": 2, "endpoint": { "url": receiver.url() } })).expect(201);
    until("1 and what is behind it are set aside", || consumer(&host.web, "hook")["parked"] == 2);
    until("the others are delivered", || consumer(&host.web, "hook")["lag"] == 0);
    let parked = host.web.get("consumers/hook/parked").expect(200).json();
    assert_eq!((&parked["parked"][0]["attempts"], &parked["parked"][1]["standing"]), (&json!(2), &json!("behind")));
    assert!(parked["parked"][0]["reason"].as_str().is_some_and(|reason| reason.contains("422")), "{parked}");
    receiver.answer(|_| Answering::status(200));
    host.web.post("consumers/hook/release", "application/json", "{}").expect(200);
    until("all is delivered", || receiver.taken().len() == 4);
    assert_eq!(by_subject(&receiver.taken())["\"a\""], [1, 3]);
}

#[test]
fn one_who_wants_no_more_gets_no_more_and_one_who_asks_to_wait_is_waited_for() {
    let (host, _secrets) = host();
    let receiver = Receiver::start(|_| Answering::status(410));
    append(&host.web, 1, &["a", "b"]);
    let settings = json!({ "attempts": 1, "endpoint": { "url": receiver.url(), "at_once": 1 } });
    put(&host.web, "hook", &settings).expect(201);
    let stopped = || consumer(&host.web, "hook")["endpoint"]["stopped"].as_str().map(str::to_owned);
    until("it is stopped", || stopped().is_some_and(|why| why.contains("410")));
    append(&host.web, 3, &["c"]);
    std::thread::park_timeout(Duration::from_millis(1_500));
    assert_eq!(receiver.all().len(), 1);
    // Set again it goes on, and the one refused is not counted as tried.
    let calls = AtomicUsize::new(0);
    receiver.answer(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Answering::status(429).with("Retry-After", "2"),
        _ => Answering::status(202),
    });
    put(&host.web, "hook", &settings).expect(200);
    assert_eq!(stopped(), None);
    until("all is delivered", || consumer(&host.web, "hook")["lag"] == 0);
    let (all, taken) = (receiver.all(), receiver.taken());
    assert_eq!((taken.len(), consumer(&host.web, "hook")["parked"].as_u64()), (3, Some(0)));
    let asked = all.iter().find(|(_, status)| *status == 429).expect("it asked").0.at;
    let next = taken.iter().map(|received| received.at).min().expect("one");
    assert!(next.duration_since(asked) >= Duration::from_millis(1_900), "{:?}", next.duration_since(asked));
}

#[test]
fn nothing_is_sent_where_nobody_wants_it_or_the_operator_does_not() {
    let (host, _secrets) = host();
    let receiver = Receiver::start(|_| Answering::status(200));
    let refused = |host: &Host, endpoint: &Value, reason: &str| {
        let problem = put(&host.web, "hook", &json!({ "endpoint": endpoint })).problem(422, "endpoint-refused");
        assert_eq!(problem["reason"], reason, "{problem}");
    };
    let port = receiver.address.port();
    refused(&host, &json!({ "url": "https://hooks.example.com/in" }), "host-not-allowed");
    refused(&host, &json!({ "url": "ftp://127.0.0.1/" }), "url");
    refused(&host, &json!({ "url": format!("http://127.0.0.1@other:{port}/") }), "url");
    refused(&host, &json!({ "url": receiver.url(), "secret": "NONE" }), "secret");
    refused(&host, &json!({ "url": "http://127.0.0.1:9/" }), "refused");
    // One that answers, and says nothing of wanting events.
    refused(&host, &json!({ "url": format!("{}/healthz", host.url) }), "handshake");
    assert_eq!(host.web.get("consumers").expect(200).json()["consumers"], json!([]));
    let own = Host::start_saying(&["--allow-host", "127.0.0.1", "--allow-host", "localhost"]);
    refused(&own, &json!({ "url": format!("http://127.0.0.1:{port}/") }), "address-not-allowed");
    refused(&own, &json!({ "url": format!("http://localhost:{port}/") }), "host-not-allowed".replace("host", "address").as_str());
    let shut = Host::start_saying(&["--allow-host", "127.0.0.1", "--allow-address", "127.0.0.1", "--no-requests"]);
    refused(&shut, &json!({ "url": receiver.url() }), "requests-off");
    assert_eq!(receiver.all().len(), 0);
}

#[test]
fn events_are_sent_in_each_form_that_the_specification_has() {
    let (host, _secrets) = host();
    append(&host.web, 1, &["ä b", "c", "d"]);
    let binary = Receiver::start(|_| Answering::status(200));
    put(&host.web, "binary", &json!({ "endpoint": { "url": binary.url(), "form": "binary", "secret": "HOOK" } })).expect(201);
    let batch = Receiver::start(|_| Answering::status(200));
    put(&host.web, "batch", &json!({ "endpoint": { "url": batch.url(), "form": "batch", "secret": "HOOK", "handshake": false } }))
        .expect(201);
    until("binary is delivered", || consumer(&host.web, "binary")["lag"] == 0);
    let all = binary.taken();
    let first = all.iter().find(|received| received.header("ce-id") == Some("1")).expect("it came");
    assert_eq!(first.header("ce-subject"), Some("%C3%A4%20b"));
    assert_eq!(first.header("ce-type"), Some("test.made"));
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!(first.json(), json!({ "n": 1 }));
    until("the batch is delivered", || consumer(&host.web, "batch")["lag"] == 0);
    let [one] = &batch.taken()[..] else { panic!("one request") };
    assert_eq!(one.header("content-type"), Some("application/cloudevents-batch+json; charset=utf-8"));
    assert_eq!(one.json().as_array().map(|events| events.iter().map(number_of).collect()), Some(vec![1, 2, 3]));
    assert!(signed(one) && all.iter().all(signed));
    // What a receiver here takes, another host of ours takes too.
    let other = Host::start();
    let forwarded = format!("{}/events", other.web.base);
    put(&host.web, "forward", &json!({ "endpoint": { "url": forwarded, "form": "batch", "handshake": false } })).expect(201);
    until("the other host has them", || other.web.events("types=test.*").len() == 3);
}

#[test]
fn a_host_that_is_killed_while_it_sends_sends_everything_and_keeps_the_order() {
    const EVENTS: usize = 200;
    let (mut host, _secrets) = host();
    let receiver = Receiver::start(|_| Answering::status(200).after(Duration::from_millis(3)));
    let subjects: Vec<String> = (0..EVENTS).map(|number| format!("s/{}", number % 9)).collect();
    append(&host.web, 0, &subjects.iter().map(String::as_str).collect::<Vec<_>>());
    put(&host.web, "hook", &json!({ "endpoint": { "url": receiver.url(), "secret": "HOOK", "at_once": 8 } })).expect(201);
    for kill in 0..4 {
        std::thread::park_timeout(Duration::from_millis(60 + 50 * kill));
        host.kill();
        host.restart();
    }
    until("all is delivered", || consumer(&host.web, "hook")["lag"] == 0);
    let taken = receiver.taken();
    let orders = by_subject(&taken);
    assert_eq!(orders.values().map(Vec::len).sum::<usize>(), EVENTS);
    for (subject, order) in orders {
        assert!(order.is_sorted(), "{subject}: {order:?}");
    }
    assert!(taken.len() < EVENTS + 4 * 8 + 1, "only what was under way is sent twice: {}", taken.len());
    assert_eq!(consumer(&host.web, "hook")["parked"], 0);
}

#[test]
fn an_endpoint_that_is_taken_away_is_sent_nothing_more_and_the_consumer_can_be_fetched_from() {
    let (host, _secrets) = host();
    let receiver = Receiver::start(|_| Answering::status(500));
    append(&host.web, 1, &["a"]);
    put(&host.web, "hook", &json!({ "attempts": 50, "endpoint": { "url": receiver.url() } })).expect(201);
    until("it was tried", || !receiver.all().is_empty());
    until("what went wrong is told", || {
        consumer(&host.web, "hook")["endpoint"]["trouble"].as_str().is_some_and(|told| told.contains("500"))
    });
    put(&host.web, "hook", &json!({ "attempts": 50 })).expect(200);
    let fetched = host.web.post("consumers/hook/fetch", "application/json", json!({ "wait": "20s" }).to_string()).expect(200).json();
    assert_eq!(fetched["events"].as_array().map(Vec::len), Some(1), "{fetched}");
    let tried = receiver.all().len();
    #[expect(clippy::disallowed_methods, reason = "a test waits a while")]
    let began = Instant::now();
    until("a while has passed", || began.elapsed() > Duration::from_secs(2));
    assert_eq!(receiver.all().len(), tried);
}
