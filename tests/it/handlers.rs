//! Handlers through the real sandbox: outputs, state, causes, waiting.

use serde_json::{Value, json};

use crate::support::{Host, guest};

pub fn order(id: &str, quantity: u32) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/shop", "type": "order.placed", "subject": format!("order/{id}"), "data": {"quantity": quantity, "unit_price": 250}})
}

#[test]
fn an_appended_event_is_handled_and_its_output_tells_where_it_came_from() {
    let host = Host::start();
    let deployed = host.web.deploy("hello", &guest("hello")).expect(201).json();
    let answer = host.web.post("events?wait=handled", "application/cloudevents+json", order("7", 3).to_string()).expect(201).json();
    let derived = host.web.events("types=order.priced");
    assert_eq!(derived.len(), 1);
    let priced = &derived[0];
    assert_eq!(priced["data"], json!({"total": 750}));
    assert_eq!(priced["source"], "/functions/pricing");
    assert_eq!(priced["subject"], "order/7");
    assert_eq!(priced["causationid"], "7");
    assert_eq!(priced["correlationid"], "7");
    assert_eq!(answer["derived"], json!([priced["position"]]), "{answer}");
    // A client that asks again, because the answer got lost, gets the same one.
    let again = host.web.post("events?wait=handled", "application/cloudevents+json", order("7", 3).to_string()).expect(200).json();
    assert_eq!((&again["derived"], &again["positions"]), (&answer["derived"], &answer["positions"]));
    let why = host.retold(&["why", priced["position"].as_str().expect("a position"), "--json"]);
    let tree = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(why.status.success(), "{}", String::from_utf8_lossy(&why.stderr));
    for part in ["pricing", "hello", "0.1.0", deployed["digest"].as_str().expect("a digest"), "order.placed"] {
        assert!(tree.contains(part), "{part} is missing in {tree}");
    }
}

#[test]
fn state_outlives_the_host_and_counts_every_event_once() {
    let mut host = Host::start();
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    let count = |n: u32| json!({"specversion": "1.0", "id": n.to_string(), "source": "/test", "type": "test.count", "subject": format!("thing/{}", n % 3), "data": {}});
    for n in 0..30 {
        host.web.append(&count(n)).expect(201);
    }
    host.kill();
    host.restart();
    for n in 20..60 {
        // The first ten are repeats.
        host.web.append(&count(n)).expect(if n < 30 { 200 } else { 201 });
    }
    host.wait_until_level("counter");
    let counted = host.web.events("types=test.counted");
    for thing in 0..3 {
        let totals: Vec<u64> = counted
            .iter()
            .filter(|event| event["subject"] == format!("thing/{thing}"))
            .filter_map(|event| event["data"]["n"].as_u64())
            .collect();
        assert_eq!(totals, (1..=20).collect::<Vec<u64>>(), "thing/{thing}");
    }
}

#[test]
fn a_new_function_that_starts_at_the_beginning_reads_all_of_history() {
    let host = Host::start();
    let lines: String = (0..5_000)
        .map(|n| {
            json!({"specversion": "1.0", "id": n.to_string(), "source": "/test", "type": "test.count", "subject": "one", "data": {}})
                .to_string()
                + "\n"
        })
        .collect();
    let loaded = host.web.post("events", "application/x-ndjson", lines).expect(201).json();
    assert_eq!(loaded["events"], 5_000, "{loaded}");
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    host.wait_until_level("counter");
    let last = host.web.events("types=test.counted").pop().expect("counted");
    assert_eq!(last["data"]["n"], 5_000);
}

#[test]
fn events_that_cause_themselves_are_parked_after_sixty_four_hops() {
    let host = Host::start();
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    let event = json!({"specversion": "1.0", "id": "1", "source": "/test", "type": "test.loop", "subject": "circle", "data": {}});
    let answer = host.web.post("events?wait=handled&timeout=60s", "application/cloudevents+json", event.to_string()).expect(201).json();
    assert_eq!(answer["parked"].as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(host.web.events("types=test.loop").len(), 66, "the first, 64 hops, and the one that is parked");
    let parked = host.web.get("functions/echo-loop/parked").expect(200).json();
    assert_eq!(parked["parked"][0]["reason"], "hops", "{parked}");
}
