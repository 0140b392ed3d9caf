//! Appending: what is taken, what is refused and how, and that nothing is half done.

use serde_json::{Value, json};

use crate::support::{Host, Web};

pub fn event(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": "thing.happened", "subject": "thing/1", "data": {"n": 1}})
}

#[test]
fn an_event_is_taken_in_every_binding_and_reads_the_same() {
    let host = Host::start();
    let web = &host.web;
    web.append(&event("structured")).expect(201);
    web.post("events", "application/cloudevents-batch+json", json!([event("batch-1"), event("batch-2")]).to_string()).expect(201);
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "binary"),
        ("ce-source", "/test"),
        ("ce-type", "thing.happened"),
        ("ce-subject", "thing/1"),
        ("content-type", "application/json"),
    ];
    web.send("POST", "events", &headers, b"{\"n\": 1}").expect(201);
    web.post("events", "application/x-ndjson", format!("{}\n\n{}", event("line-1"), event("line-2"))).expect(201);
    let all = web.events("");
    let ids: Vec<&str> = all.iter().filter_map(|event| event["id"].as_str()).collect();
    assert_eq!(ids, ["structured", "batch-1", "batch-2", "binary", "line-1", "line-2"]);
    for (index, event) in all.iter().enumerate() {
        assert_eq!(event["position"], (index + 1).to_string());
        assert_eq!(event["data"], json!({"n": 1}));
        assert_eq!((&event["type"], &event["subject"], &event["source"]), (&json!("thing.happened"), &json!("thing/1"), &json!("/test")));
        assert!(event["recordedtime"].is_string(), "{event}");
    }
}

#[test]
fn data_of_any_kind_comes_back_byte_for_byte() {
    let host = Host::start();
    let bytes: Vec<u8> = (0..=255).collect();
    let headers = |kind| [("ce-specversion", "1.0"), ("ce-id", kind), ("ce-source", "/test"), ("ce-type", "t"), ("content-type", kind)];
    host.web.send("POST", "events", &headers("application/octet-stream"), &bytes).expect(201);
    host.web.send("POST", "events", &headers("text/plain"), "grüße \u{1F600}".as_bytes()).expect(201);
    host.web.send("POST", "events", &headers("application/json"), b"  {\"a\":1.0e2,\"a\":[]} ").expect(201);
    let all = host.web.events("");
    assert_eq!(all[0]["data_base64"].as_str().map(str::len), Some(344));
    assert_eq!(all[1]["data"], "grüße \u{1F600}");
    let raw = host.web.send("GET", "events", &[("accept", "application/x-ndjson")], b"").expect(200).text();
    assert!(raw.contains("{\"a\":1.0e2,\"a\":[]}"), "JSON stays as it was written: {raw}");
}

#[test]
fn a_repeat_gets_the_first_answer_and_other_content_under_the_same_id_is_refused() {
    let host = Host::start();
    let first = host.web.append(&event("1")).expect(201).json();
    let again = host.web.append(&event("1")).expect(200).json();
    assert_eq!(first["positions"], again["positions"]);
    let mut other = event("1");
    other["data"] = json!({"n": 2});
    let problem = host.web.append(&other).problem(409, "content-conflict");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("new id")), "{problem}");
    // A batch of known and new events appends the new ones, and one with a conflict nothing.
    let mixed =
        host.web.post("events", "application/cloudevents-batch+json", json!([event("1"), event("2")]).to_string()).expect(201).json();
    assert_eq!((&mixed["positions"], &mixed["new"]), (&json!(["1", "2"]), &json!(1)));
    host.web.post("events", "application/cloudevents-batch+json", json!([event("3"), other]).to_string()).problem(409, "content-conflict");
    assert_eq!(host.web.events("").len(), 2);
}

#[test]
fn a_hundred_posts_of_one_event_at_once_make_one_event() {
    let host = Host::start();
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let posts: Vec<_> = (0..100).map(|_| scope.spawn(|| Web::new(&host.url).append(&event("same")))).collect();
        posts.into_iter().map(|post| post.join().expect("answered").json()).collect()
    });
    assert!(answers.iter().all(|answer| answer["positions"] == json!(["1"])));
    assert_eq!(answers.iter().filter(|answer| answer["new"] == 1).count(), 1);
    assert_eq!(host.web.events("").len(), 1);
}

#[test]
fn a_condition_refuses_what_others_overtook() {
    let host = Host::start();
    host.web.append(&event("1")).expect(201);
    let decide = |id: &str, query: &str| host.web.post(&format!("events?{query}"), "application/cloudevents+json", event(id).to_string());
    decide("2", "if-none-after=1&if-none-types=thing.happened&if-none-subjects=thing/1").expect(201);
    let problem = decide("3", "if-none-after=1&if-none-types=thing.happened&if-none-subjects=thing/1").problem(409, "condition-failed");
    assert!(problem.to_string().contains('2'), "it names what came: {problem}");
    decide("4", "if-none-after=1&if-none-types=thing.other").expect(201);
    decide("5", "if-none-after=1&if-none-subjects=thing/2").expect(201);
    decide("6", "if-none-after=1").problem(409, "condition-failed");
    // Identity comes first: a full repeat gets its answer whatever came since.
    decide("2", "if-none-after=1&if-none-types=thing.happened").expect(200);
}

#[test]
fn bad_input_is_named_and_nothing_of_it_is_kept() {
    let host = Host::start();
    let web = &host.web;
    let with = |field: &str, value: Value| {
        let mut event = event("1");
        event[field] = value;
        event
    };
    let without = |field: &str| {
        let mut event = event("1");
        event.as_object_mut().expect("an object").remove(field);
        event
    };
    #[track_caller]
    fn check(web: &Web, body: &str, kind: &str, says: &str) {
        let problem = web.post("events", "application/cloudevents+json", body).problem(400, kind);
        let text = problem.to_string();
        assert!(text.contains(says), "{text} doesn't say {says:?}");
    }
    for field in ["id", "source", "type", "specversion"] {
        check(web, &without(field).to_string(), "invalid-event", field);
        check(web, &with(field, json!("")).to_string(), "invalid-event", field);
        check(web, &with(field, json!(7)).to_string(), "invalid-event", field);
    }
    check(web, &with("specversion", json!("0.3")).to_string(), "invalid-event", "1.0");
    for time in ["yesterday", "2013-13-01T00:00:00Z", "2013-01-01", "0000-00-00T00:00:00Z"] {
        check(web, &with("time", json!(time)).to_string(), "invalid-event", "time");
    }
    check(web, &with("Bad-Name", json!("x")).to_string(), "invalid-event", "Bad-Name");
    check(web, &with("type", json!("retold.module.deployed")).to_string(), "invalid-event", "retold.");
    check(web, &with("source", json!("/functions/pricing")).to_string(), "invalid-event", "/functions/");
    check(web, &with("id", json!("x".repeat(300))).to_string(), "invalid-event", "id");
    check(web, &with("data_base64", json!("AAAA")).to_string(), "invalid-event", "data");
    check(web, "{\"specversion\":", "malformed-request", "");
    check(web, "[]", "malformed-request", "");
    check(web, "", "malformed-request", "");
    check(web, &format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)), "malformed-request", "");
    let large = with("data", json!("x".repeat(1 << 20)));
    web.append(&large).problem(413, "too-large");
    web.post("events", "application/cloudevents+json", vec![b' '; 17 << 20]).problem(413, "too-large");
    web.post("events", "text/html", "<p>").problem(415, "unsupported-media-type");
    web.send("POST", "events", &[("content-type", "application/cloudevents+json"), ("content-encoding", "gzip")], b"x")
        .problem(415, "unsupported-media-type");
    web.namespace("nowhere").append(&event("1")).problem(404, "unknown-namespace");
    web.get("nothing").problem(404, "unknown-route");
    web.send("DELETE", "events", &[], b"").problem(405, "method-not-allowed");
    web.post("events?wait=soon", "application/cloudevents+json", event("1").to_string()).problem(400, "invalid-parameter");
    web.post("events?if-none-after=x", "application/cloudevents+json", event("1").to_string()).problem(400, "invalid-parameter");
    web.get("events?after=-1").problem(400, "invalid-parameter");
    web.get("events?limit=lots").problem(400, "invalid-parameter");
    assert_eq!(web.events("").len(), 0, "nothing of all that was kept");
}

#[test]
fn a_stream_broken_at_a_line_keeps_the_lines_before_it_and_none_after() {
    let host = Host::start();
    let line = |n: usize| event(&format!("line-{n}")).to_string();
    let lines = |range: std::ops::RangeInclusive<usize>| range.map(|n| line(n) + "\n").collect::<String>();
    let broken = format!("{}{{\"specversion\":\"1.0\"}}\n{}", lines(1..=1_500), lines(1_502..=3_000));
    let problem = host.web.post("events", "application/x-ndjson", broken).problem(400, "invalid-event");
    assert_eq!((&problem["line"], &problem["events"]), (&json!(1_501), &json!(1_500)), "{problem}");
    assert_eq!(host.web.events("").len(), 1_500);
    // A conflict with what is there stops it the same way; known lines before it are repeats.
    let mut other = event("line-700");
    other["type"] = json!("thing.else");
    let conflict = format!("{}{other}\n{}", lines(1..=2_000), lines(2_001..=2_600));
    let problem = host.web.post("events", "application/x-ndjson", conflict).problem(409, "content-conflict");
    assert_eq!((&problem["line"], &problem["events"], &problem["new"]), (&json!(2_001), &json!(2_000), &json!(500)), "{problem}");
    assert_eq!(host.web.events("").len(), 2_000);
}

#[test]
fn namespaces_are_logs_of_their_own() {
    let host = Host::start();
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"other"}"#).expect(201);
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"other"}"#).expect(200);
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"../up"}"#).problem(400, "invalid-name");
    let other = host.web.namespace("other");
    host.web.append(&event("1")).expect(201);
    other.append(&event("1")).expect(201);
    other.append(&event("2")).expect(201);
    assert_eq!((host.web.events("").len(), other.events("").len()), (1, 2));
    let listed = host.web.get("//v1/namespaces").expect(200).json().to_string();
    assert!(listed.contains("\"main\"") && listed.contains("\"other\""), "{listed}");
}
