//! Components that import WASI get one in which nothing is left to chance.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Host, guest, retold};

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

#[test]
fn who_waits_for_a_clock_that_stands_still_is_ended_by_number_and_others_go_on_w2() {
    let host = Host::start();
    host.web.deploy("wasi-probe", &guest("wasi-probe")).expect(201);
    let event = json!({"specversion": "1.0", "id": "1", "source": "/test", "type": "probe.asked", "subject": "patient", "time": "2013-01-01T10:00:00Z", "data": {"wait": true}});
    host.web.post("events?wait=handled&timeout=100s", "application/cloudevents+json", event.to_string()).expect(201);
    let parked = host.web.get("functions/probe/parked").expect(200).json();
    let message = parked["parked"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("more than 1048576 (limit `host-calls-per-call`)"), "{parked}");
    ask(&host, "2", "2013-01-01T10:00:00Z");
}

/// What the probe says of all that it can try, asked once of a host of its own.
fn all(module: &[u8], environment: &[(&str, &str)]) -> Value {
    let host = Host::start_with(environment);
    host.web.deploy("wasi-probe", module).expect(201);
    let event = json!({"specversion": "1.0", "id": "1", "source": "/test", "type": "probe.asked", "subject": "probe", "time": "2013-01-01T10:00:00Z", "data": {"all": true}});
    host.web.post("events?wait=handled", "application/cloudevents+json", event.to_string()).expect(201);
    host.web.events("types=probe.answered").pop().expect("an answer")["data"].clone()
}

#[test]
fn nothing_of_the_machine_is_seen_through_wasi_and_two_processes_give_the_same_bytes() {
    let module = guest("wasi-probe");
    let answer = all(&module, &[]);
    assert_eq!((&answer["environment_variables"], &answer["arguments"]), (&json!(0), &json!(0)), "{answer}");
    for outside in ["file", "directory", "socket"] {
        assert!(answer[outside]["refused"].is_string(), "{outside}: {answer}");
    }
    for outside in ["written_file", "listener", "datagram", "name", "current_directory"] {
        assert!(answer["more"][outside]["refused"].is_string(), "{outside}: {answer}");
    }
    assert_eq!(answer["more"]["input_bytes"], 0, "{answer}");
    assert!(!std::path::Path::new("/tmp/retold").exists(), "nothing was written");
    // Another process, in another environment, at another time.
    assert_eq!(all(&module, &[("PROBE", "seen"), ("TZ", "Asia/Tokyo")]), answer);
}

/// Lines of a function's log, as (number, level, message).
fn lines(host: &Host, query: &str) -> Vec<(u64, String, String)> {
    let page = host.web.get(&format!("functions/probe/logs?{query}")).expect(200).json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let lines = page["lines"].as_array().expect("lines").iter();
    lines.map(|line| (line["number"].as_u64().expect("a number"), text(&line["level"]), text(&line["message"]))).collect()
}

#[test]
fn standard_output_and_errors_are_the_functions_log_which_is_read_in_pages_and_followed() {
    let host = Host::start();
    host.web.deploy("wasi-probe", &guest("wasi-probe")).expect(201);
    ask(&host, "1", "2013-01-01T10:00:00Z");
    let of = |place: u32| [format!("asked at {place}"), "asked for the usual".to_owned()];
    let messages: Vec<String> = lines(&host, "").into_iter().map(|(_, _, message)| message).collect();
    assert_eq!(messages, of(2), "each line once");
    let mut follower = Command::new(retold())
        .args(["logs", "probe", "--follow"])
        .env("RETOLD_URL", &host.url)
        .stdout(Stdio::piped())
        .spawn()
        .expect("retold runs");
    let mut printed = BufReader::new(follower.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    // What was there, and then what comes: this waits for each line, however long it takes.
    for (id, place) in [("1", 2), ("2", 4), ("3", 6)] {
        if id != "1" {
            ask(&host, id, "2013-01-01T10:00:00Z");
        }
        for expected in of(place) {
            let line = printed.next().expect("a line");
            assert!(line.ends_with(&expected), "{line:?} is not {expected:?}");
        }
    }
    follower.kill().expect("the process is ours");
    follower.wait().expect("it ends");
    let all = lines(&host, "");
    assert_eq!(all.len(), 6);
    assert_eq!(lines(&host, &format!("after-line={}", all[1].0)), all[2..]);
    assert_eq!(lines(&host, &format!("after-line={}&limit=1", all[1].0)), all[2..3]);
    assert_eq!(lines(&host, "limit=2"), all[4..], "without a place, the last ones");
    assert_eq!(lines(&host, &format!("after-line={}", all[5].0)), []);
    assert!(lines(&host, "level=error").iter().all(|(_, level, _)| level == "error"));
    assert_eq!(lines(&host, "after-line=99999"), all, "a number of before a restart");
    host.web.get("functions/probe/logs?after-line=x").problem(400, "invalid-parameter");
    host.web.get("functions/probe/logs?level=loud").problem(400, "invalid-parameter");
    host.web.get("functions/probe/logs?limit=1001").problem(400, "invalid-parameter");
    host.web.get("functions/nobody/logs").problem(404, "unknown-function");
}
