//! Events that were set aside: released one by one and by newer code, skipped, and told of wherever somebody
//! may look.

use serde_json::{Value, json};

use crate::support::{Host, guest};

fn event(id: &str, subject: &str, what: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": "test.do", "subject": subject, "data": {"do": what}})
}

/// Positions of the parked events, with their reasons.
fn parked(host: &Host, function: &str) -> Vec<(String, String)> {
    let page = host.web.get(&format!("functions/{function}/parked")).expect(200).json();
    let text = |event: &Value, field: &str| event[field].as_str().expect("text").to_owned();
    page["parked"].as_array().expect("a list").iter().map(|event| (text(event, "position"), text(event, "reason"))).collect()
}

/// Three of one subject and one of another, all set aside.
fn with_parked() -> (Host, Vec<String>) {
    let host = Host::start();
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    let events = [event("1", "a", "reject"), event("2", "a", "ok"), event("3", "a", "ok"), event("4", "b", "trap")];
    let answer = host.web.post("events?wait=handled&timeout=100s", "application/cloudevents-batch+json", json!(events).to_string());
    let answer = answer.expect(201).json();
    let positions = answer["positions"].as_array().expect("positions").iter().map(|at| at.as_str().expect("text").to_owned()).collect();
    assert_eq!(host.web.function("misbehave")["parked"], 4);
    (host, positions)
}

#[test]
fn a_parked_event_is_released_or_skipped_alone_and_only_the_first_of_its_subject_is_tried() {
    let (host, at) = with_parked();
    let release = |body: Value| host.web.post("functions/misbehave/release", "application/json", body.to_string());
    let problem = release(json!({ "position": at[1] })).problem(409, "parked-conflict");
    assert_eq!((&problem["position"], &problem["first"]), (&json!(at[1]), &json!(at[0])), "{problem}");
    release(json!({ "position": "1" })).problem(409, "parked-conflict");
    release(json!({ "position": at[0], "subject": "a" })).problem(400, "malformed-request");
    release(json!({ "reason": "tried again without one" })).problem(400, "malformed-request");
    release(json!({ "skip": true, "reason": "x".repeat(1_025) })).problem(400, "invalid-parameter");
    // The first fails again, and holds the others back.
    release(json!({ "position": at[0] })).expect(200);
    host.wait_for("misbehave", |now| now["counts"]["failed_attempts"].as_u64() > Some(1) && now["released"] == 0);
    assert_eq!(parked(&host, "misbehave").len(), 4);
    let now = release(json!({ "position": at[0], "skip": true, "reason": "nobody wants it" })).expect(200).json();
    assert_eq!(now["parked"], 3, "{now}");
    let said = host.web.events("types=retold.parked.skipped").pop().expect("the log says so");
    assert_eq!(said["subject"], "misbehave");
    assert_eq!(said["data"], json!({ "function": "misbehave", "position": at[0], "reason": "nobody wants it" }));
    // What was behind it is the first now, and is tried alone.
    release(json!({ "position": at[1] })).expect(200);
    host.wait_for("misbehave", |now| now["parked"] == 2);
    let done = host.web.events("types=test.done");
    assert_eq!(done.iter().map(|event| &event["causeposition"]).collect::<Vec<_>>(), [&json!(at[1])]);
    assert_eq!(parked(&host, "misbehave"), [(at[2].clone(), "behind".to_owned()), (at[3].clone(), "trap".to_owned())]);
    release(json!({ "subject": "b", "skip": true })).expect(200);
    release(json!({})).expect(200);
    host.wait_for("misbehave", |now| now["parked"] == 0);
    assert_eq!(host.web.events("types=test.done").len(), 2);
}

#[test]
fn how_much_is_set_aside_since_when_and_why_is_told_wherever_one_looks() {
    let (host, at) = with_parked();
    let function = host.web.function("misbehave");
    assert_eq!(function["parked_reasons"], json!({ "behind": 2, "reject": 1, "trap": 1 }), "{function}");
    assert!(function["oldest_parked"].is_string(), "{function}");
    let ready = host.web.get("//readyz").expect(200).json();
    let main = &ready["namespaces"][0];
    assert_eq!((&main["parked"], &main["parked_reasons"]["trap"]), (&json!(4), &json!(1)), "{ready}");
    let metrics = host.web.get("//metrics").expect(200).text();
    for line in [
        "retold_function_parked_events{namespace=\"main\",function=\"misbehave\"} 4",
        "retold_function_released_events{namespace=\"main\",function=\"misbehave\"} 0",
        "retold_function_parked_events_by_reason{namespace=\"main\",function=\"misbehave\",reason=\"behind\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let told = |arguments: &[&str]| {
        let output = host.retold(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(told(&["parked"]).contains("2 behind, 1 reject, 1 trap"), "{}", told(&["parked"]));
    assert!(told(&["functions", "misbehave"]).contains("(2 behind, 1 reject, 1 trap)"));
    assert!(told(&["parked", "misbehave"]).contains("told to trap"));
    told(&["parked", "misbehave", "--skip", "--position", &at[3], "--reason", "a test"]);
    told(&["parked", "misbehave", "--skip", "--subject", "a"]);
    assert_eq!(told(&["parked"]), "nothing is set aside\n");
    assert_eq!(host.retold(&["parked", "misbehave", "--release", "--position", &at[0]]).status.code(), Some(3));
    assert_eq!(host.retold(&["parked", "misbehave", "--subject", "a"]).status.code(), Some(2));
}

#[test]
fn what_one_version_could_not_handle_is_handled_by_the_next_in_the_order_of_its_subject() {
    let host = Host::start();
    host.web.deploy("ledger", &guest("faulty-upgrade/trap")).expect(201);
    let pay = |id: &str, amount: u64, poison: bool| {
        host.web.command("payment.make", "account/1", id, &json!({ "amount": amount, "poison": poison })).expect(200);
    };
    pay("1", 10, false);
    pay("2", 20, true);
    pay("3", 30, false);
    host.wait_for("booking", |now| now["parked"] == 2);
    host.web.deploy("ledger", &guest("faulty-upgrade/ledger")).expect(201);
    assert_eq!(host.web.function("booking")["parked"], 2, "a new version alone tries nothing again");
    host.web.post("functions/booking/release", "application/json", "").expect(200);
    host.wait_for("booking", |now| now["parked"] == 0);
    let booked = host.web.events("types=ledger.booked");
    let balances: Vec<&Value> = booked.iter().map(|event| &event["data"]["balance"]).collect();
    assert_eq!(balances, [10, 30, 60]);
}
