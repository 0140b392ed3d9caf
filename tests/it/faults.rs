//! What a guest may do wrong, and what then becomes of its event, of others, of the host.

use serde_json::{Value, json};

use crate::support::{Host, guest};

fn event(id: &str, subject: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": "test.do", "subject": subject, "data": data})
}

/// Events before, of, and after the fault: only it and what comes later of its subject are set aside.
#[track_caller]
fn check(host: &Host, name: &str, data: Value, reason: &str, says: &str) {
    let (bad, good) = (format!("{name}/bad"), format!("{name}/good"));
    let batch = json!([
        event(&format!("{name}-1"), &good, &json!({"do": "ok"})),
        event(&format!("{name}-2"), &bad, &data),
        event(&format!("{name}-3"), &bad, &json!({"do": "ok"})),
        event(&format!("{name}-4"), &good, &json!({"do": "ok"})),
    ]);
    let answer =
        host.web.post("events?wait=handled&timeout=100s", "application/cloudevents-batch+json", batch.to_string()).expect(201).json();
    assert_eq!(answer["parked"].as_array().map(Vec::len), Some(2), "{name}: {answer}");
    assert_eq!(answer["derived"].as_array().map(Vec::len), Some(2), "{name}: {answer}");
    let parked = host.web.get("functions/misbehave/parked").expect(200).json();
    let mine: Vec<&Value> = parked["parked"].as_array().expect("a list").iter().filter(|event| event["subject"] == bad.as_str()).collect();
    assert_eq!(mine[0]["reason"], reason, "{name}: {parked}");
    let message = mine[0]["message"].as_str().unwrap_or_default();
    assert!(message.contains(says), "{name}: {message:?} doesn't say {says:?}");
    assert_eq!(mine[1]["reason"], "behind", "{name}: {parked}");
}

#[test]
fn a_guests_fault_costs_its_own_event_and_says_what_it_was() {
    let host = Host::start();
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    check(&host, "trap", json!({"do": "trap"}), "trap", "told to trap");
    check(&host, "loop", json!({"do": "loop"}), "fuel", "fuel");
    check(&host, "memory", json!({"do": "memory"}), "memory", "memory-bytes");
    check(&host, "recursion", json!({"do": "deep_recursion"}), "trap", "recursion");
    check(&host, "flood", json!({"do": "flood", "count": 10_000}), "output", "outputs-per-call");
    check(&host, "big", json!({"do": "big_output"}), "output", "data");
    check(&host, "undeclared", json!({"do": "undeclared"}), "undeclared", "test.undeclared");
    check(&host, "cause", json!({"do": "bad_cause"}), "output", "cause");
    check(&host, "index", json!({"do": "bad_state_index"}), "state", "outside the batch");
    check(&host, "details", json!({"do": "bad_details"}), "trap", "");
    check(&host, "state-flood", json!({"do": "state_flood"}), "state", "state-writes-per-call");
    check(&host, "reject", json!({"do": "reject"}), "reject", "");
    check(&host, "retry", json!({"do": "retry"}), "retry", "");
    check(&host, "nonsense", json!({"do": "no such thing"}), "reject", "test.do");
    // The host is well, and so is the function.
    host.web.get("//readyz").expect(200);
    assert_eq!(host.web.function("misbehave")["status"], "active");
}

#[test]
fn parked_events_are_tried_again_in_order_when_released_and_new_ones_wait_behind_them() {
    let host = Host::start();
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    let send = |id: &str, data: Value| {
        host.web.post("events?wait=handled&timeout=100s", "application/cloudevents+json", event(id, "one", &data).to_string()).expect(201)
    };
    send("1", json!({"do": "reject"}));
    send("2", json!({"do": "ok", "n": 2}));
    assert_eq!(host.web.function("misbehave")["parked"], 2);
    // Released, the first fails again and holds the second back.
    host.web.post("functions/misbehave/release", "application/json", r#"{"subject":"one"}"#).expect(200);
    host.wait_until("the first was tried again", || {
        host.web.get("functions/misbehave/parked").expect(200).json()["parked"][0]["attempts"] == 2
    });
    assert_eq!(host.web.events("types=test.done").len(), 0);
    let now = host.web.function("misbehave");
    assert_eq!((&now["counts"]["failed_attempts"], &now["parked"]), (&json!(2), &json!(2)), "{now}");
    send("3", json!({"do": "ok", "n": 3}));
    assert_eq!(host.web.function("misbehave")["parked"], 3);
    let ready = host.web.get("//readyz").expect(200).text();
    assert!(ready.contains("oldest_parked"), "{ready}");
}
