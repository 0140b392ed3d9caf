//! Code that answers the same events in two ways is found, before it is deployed or at its first batch.

use serde_json::{Value, json};

use crate::support::{Host, guest};

fn asked(n: u32) -> Value {
    json!({"specversion": "1.0", "id": n.to_string(), "source": "/test", "type": "test.nondeterministic", "subject": format!("thing/{n}"), "data": {}})
}

fn batch() -> String {
    json!((0..20).map(asked).collect::<Vec<_>>()).to_string()
}

const BATCH: &str = "application/cloudevents-batch+json";
const COUNTED: &str = "types=test.nondeterministically-counted";

#[test]
fn a_module_that_counts_in_a_static_is_refused_where_there_is_history_to_show_it() {
    let host = Host::start();
    host.web.post("events", BATCH, batch()).expect(201);
    let problem = host.web.deploy("faulty-kinds", &guest("faulty-kinds")).problem(422, "module-refused");
    assert_eq!((&problem["reason"], &problem["function"]), (&json!("nondeterministic"), &json!("static-counter")), "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("statics") && detail.contains("static-counter"), "{detail}");
    host.web.get("modules/faulty-kinds").problem(404, "unknown-module");
    assert_eq!(host.web.events("").len(), 20, "nothing was made of the history");
}

#[test]
fn a_module_that_counts_in_a_static_halts_at_its_first_batch_and_nothing_of_it_is_kept() {
    let mut host = Host::start();
    host.web.deploy("faulty-kinds", &guest("faulty-kinds")).expect(201);
    host.web.post("events", BATCH, batch()).expect(201);
    for time in ["found", "found again after a restart"] {
        let halted = host.wait_for("static-counter", |now| now["status"] == "halted");
        assert_eq!(halted["halted"]["reason"], "nondeterministic", "{time}: {halted}");
        assert_eq!(halted["halted"]["position"], "2", "{time}: {halted}");
        let message = halted["halted"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("two answers"), "{time}: {message}");
        assert_eq!(host.web.events(COUNTED).len(), 0, "{time}");
        host.kill();
        host.restart();
    }
    // It is the function that halts: others go on, and resuming doesn't make the code better.
    host.web.command("test.decide", "account/1", "1", &json!({ "do": "ok" })).expect(200);
    host.web.post("functions/static-counter/resume", "application/json", "").expect(200);
    host.wait_for("static-counter", |now| now["status"] == "halted");
    assert_eq!(host.web.events(COUNTED).len(), 0);
}

#[test]
fn a_module_that_keeps_what_it_knows_in_state_is_deployed_on_any_history() {
    let host = Host::start();
    let count = |n: u32| json!({"specversion": "1.0", "id": n.to_string(), "source": "/test", "type": "test.count", "subject": format!("thing/{}", n % 3), "data": {}});
    host.web.post("events", BATCH, json!((0..300).map(count).collect::<Vec<_>>()).to_string()).expect(201);
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    host.wait_until_level("counter");
    assert_eq!(host.web.events("types=test.counted").len(), 300);
}
