//! Components that import WASI get one in which nothing is left to chance.

use serde_json::{Value, json};

use crate::support::{Host, guest};

fn ask(host: &Host, id: &str, time: &str) -> Value {
    let event =
        json!({"specversion": "1.0", "id": id, "source": "/test", "type": "probe.asked", "subject": "probe", "time": time, "data": {}});
    host.web.post("events?wait=handled", "application/cloudevents+json", event.to_string()).expect(201);
    host.web.events("types=probe.answered").pop().expect("an answer")["data"].clone()
}

#[test]
fn a_wasi_component_sees_the_events_time_and_seeded_randomness_and_nothing_else() {
    let module = guest("wasi-probe");
    let host = Host::start();
    host.web.deploy("wasi-probe", &module).expect(201);
    let first = ask(&host, "1", "2013-01-01T10:00:00Z");
    assert_eq!(first["clock_micros"], 1_357_034_400_000_000_u64, "the clock is the event's time");
    assert_eq!(first["environment_variables"], 0);
    for outside in ["file", "directory", "socket"] {
        assert!(first[outside]["refused"].is_string(), "{outside}: {first}");
    }
    let second = ask(&host, "2", "2013-01-01T10:00:00Z");
    assert_ne!(first["random"], second["random"], "another event, another seed");
    // The same events on another host, in one batch, give the same bytes.
    let other = Host::start();
    for id in ["1", "2"] {
        let event = json!({"specversion": "1.0", "id": id, "source": "/test", "type": "probe.asked", "subject": "probe", "time": "2013-01-01T10:00:00Z", "data": {}});
        other.web.append(&event).expect(201);
    }
    other.web.deploy("wasi-probe", &module).expect(201);
    other.wait_until_level("probe");
    let answers: Vec<Value> = other.web.events("types=probe.answered").into_iter().map(|event| event["data"].clone()).collect();
    assert_eq!(answers, [first, second]);
    let lines = other.web.function("probe")["log"].to_string();
    assert!(lines.contains("asked at 1"), "standard output goes to the function's log: {lines}");
}
