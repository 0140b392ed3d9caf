//! What a function makes of events from before its deployment: held, or sent where the deployment says so.

use serde_json::{Value, json};

use crate::support::{Host, guest, guest_file};

/// A host with three events that `reach-out` would act on: by a timer, a command and a request.
fn host() -> Host {
    let host = Host::start();
    let acts = [
        json!({"do": "timer", "key": "k", "due": 253_402_300_000_000_000_u64}),
        json!({"do": "command_to_nobody"}),
        json!({"do": "request", "url": "https://api.test/"}),
    ];
    for (id, data) in acts.iter().enumerate() {
        let event =
            json!({"specversion": "1.0", "id": id.to_string(), "source": "/test", "type": "test.reach", "subject": "x", "data": data});
        host.web.append(&event).expect(201);
    }
    host
}

/// Timers set, commands made, requests that wait, outputs that are held.
fn acted(host: &Host) -> [u64; 4] {
    let function = host.wait_until_level("reach-out");
    let types = host.web.get("types").expect(200).json();
    let commands = types["types"].as_array().expect("a list").iter().find(|found| found["type"] == "test.to-nobody");
    let number = |value: &Value| value.as_u64().expect("a number");
    let waiting = number(&function["requests_waiting"]);
    [number(&function["timers"]), commands.map_or(0, |found| number(&found["count"])), waiting, number(&function["outputs_held"])]
}

#[test]
fn what_is_made_of_events_from_before_a_deployment_is_held_until_somebody_releases_it() {
    let host = host();
    host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    assert_eq!(acted(&host), [0, 0, 0, 3]);
    let listed = host.retold(&["outbox", "held", "reach-out"]);
    let listed = String::from_utf8(listed.stdout).expect("text");
    assert!(["timer", "command", "request"].iter().all(|kind| listed.contains(kind)), "{listed}");
    assert!(host.retold(&["outbox", "held", "reach-out", "--release"]).status.success());
    assert_eq!(acted(&host), [1, 1, 1, 0]);
    // What comes after the deployment was never held.
    let event = json!({"specversion": "1.0", "id": "3", "source": "/test", "type": "test.reach", "subject": "x", "data": {"do": "cancel", "key": "k"}});
    host.web.append(&event).expect(201);
    assert_eq!(acted(&host), [0, 1, 1, 0]);
}

#[test]
fn a_deployment_that_sends_acts_on_what_was_there_before_it() {
    let host = host();
    let file = guest_file("faulty-outside");
    let file = file.to_str().expect("a path");
    let only = host.web.send("PUT", "modules/faulty-outside?rehearse=only&send=true", &[], &guest("faulty-outside"));
    assert_eq!(only.problem(400, "invalid-parameter")["field"], "send");
    let deployed = host.retold(&["deploy", file, "--name", "faulty-outside", "--send"]);
    assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
    assert_eq!(acted(&host), [1, 1, 1, 0]);
}
