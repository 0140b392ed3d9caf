//! Appending: forms, conditions, identity, streams of lines.

use std::io::{BufReader, Write};

use super::running::{Running, event, reply};

const EVENTS: &str = "/v1/namespaces/main/events";
const JSON: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
const LINES: &str = "application/x-ndjson";

#[test]
fn an_event_is_appended_once_however_often_and_in_whatever_form_it_is_sent() {
    let host = Running::start();
    let first = host.append("1", r#","data":{"a":1}"#);
    assert_eq!((first.status, first.text()), (201, r#"{"positions":["1"],"cursor":"1.1","new":1}"#));
    let headers = [
        ("Content-Type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/shop"),
        ("ce-type", "order.placed"),
    ];
    let binary = host.send("POST", EVENTS, &headers, br#"{"a":1}"#);
    assert_eq!((binary.status, binary.text()), (200, r#"{"positions":["1"],"cursor":"1.1","new":0}"#));
    let one = event("1", r#","data":{"a":1}"#);
    let batch = host.post(EVENTS, BATCH, &format!("[{one},{}]", event("2", "")));
    assert_eq!((batch.status, batch.text()), (201, r#"{"positions":["1","2"],"cursor":"1.2","new":1}"#));
    assert_eq!(host.post(EVENTS, "application/json", &one).status, 200);
    assert_eq!(host.post(EVENTS, "application/json", &format!(" [{one}]")).status, 200);
    let lines = host.post(EVENTS, LINES, &format!("{one}\n{}", event("3", "")));
    assert_eq!((lines.status, lines.text()), (201, r#"{"events":2,"cursor":"1.3","new":1}"#));
    assert_eq!(host.post(EVENTS, LINES, "\n\n").text(), r#"{"events":0,"cursor":"1.0","new":0}"#);
}

#[test]
fn an_id_with_other_content_is_refused_and_names_where_it_stands() {
    let host = Running::start();
    host.append("1", r#","data":1"#);
    let refused = host.append("1", r#","data":2"#);
    assert_eq!((refused.status, refused.problem().as_str()), (409, "content-conflict"));
    assert_eq!(refused.json()["position"], "1");
}

#[test]
fn a_condition_is_held_against_types_subjects_and_tags() {
    let host = Running::start();
    host.append("1", r#","subject":"order/7","tags":"eu,vip""#);
    let under = |id: &str, condition: &str| host.post(&format!("{EVENTS}?{condition}"), JSON, &event(id, ""));
    let refused = under("2", "if-none-after=0&if-none-types=order.placed&if-none-subjects=order%2F7&if-none-tags=vip");
    assert_eq!((refused.status, refused.problem().as_str()), (409, "condition-failed"));
    assert_eq!(refused.json()["position"], "1");
    assert_eq!(under("2", "if-none-after=0&if-none-tags=vip,us").status, 201);
    assert_eq!(under("3", "if-none-after=1.1&if-none-subjects=order%2F7").status, 201);
    assert_eq!(under("4", "if-none-after=1").status, 409);
    assert_eq!(under("4", "if-none-types=order.placed").problem(), "invalid-parameter");
    assert_eq!(under("4", "if-none-afterr=1").problem(), "invalid-parameter");
    // What is known already gets its first answer, whatever came since.
    assert_eq!(under("3", "if-none-after=0").status, 200);
}

#[test]
fn a_batch_is_taken_whole_or_not_at_all() {
    let host = Running::start();
    let refused = host.post(EVENTS, BATCH, &format!("[{},{}]", event("1", ""), event("2", r#","time":"soon""#)));
    assert_eq!((refused.status, refused.problem().as_str()), (400, "invalid-event"));
    assert_eq!((refused.json()["index"].as_u64(), refused.json()["field"].as_str()), (Some(1), Some("time")));
    let refused = host.post(EVENTS, BATCH, &format!("[{},{}]", event("1", ""), event(&"x".repeat(300), "")));
    assert_eq!((refused.status, refused.json()["field"].as_str()), (400, Some("id")));
    let many: Vec<String> = (0..5_000).map(|id| event(&id.to_string(), "")).collect();
    let refused = host.post(EVENTS, BATCH, &format!("[{}]", many.join(",")));
    assert_eq!((refused.status, refused.problem().as_str()), (413, "too-large"));
    assert_eq!(host.host.namespace("main").map(|main| main.reader().head().0), Some(0));
}

#[test]
fn waiting_for_functions_where_there_are_none_is_over_at_once() {
    let host = Running::start();
    let reply = host.post(&format!("{EVENTS}?wait=handled&timeout=5s"), JSON, &event("1", ""));
    assert_eq!(
        (reply.status, reply.text()),
        (201, r#"{"positions":["1"],"cursor":"1.1","new":1,"handled":true,"derived":[],"parked":[],"waiting":[]}"#)
    );
    let refused = host.post(&format!("{EVENTS}?wait=handled"), LINES, &event("2", ""));
    assert_eq!((refused.status, refused.problem().as_str()), (400, "invalid-parameter"));
}

/// Lines with ids from `from` on.
fn many(from: usize, count: usize) -> String {
    (from..from + count).map(|id| event(&id.to_string(), r#","data":{"quantity":3,"note":"about as long as others are"}"#) + "\n").collect()
}

#[test]
fn a_long_stream_of_lines_is_taken_in_order_and_sending_it_again_adds_nothing() {
    let host = Running::start();
    let text = many(1, 20_000);
    let reply = host.post(EVENTS, LINES, &text);
    assert_eq!((reply.status, reply.text()), (201, r#"{"events":20000,"cursor":"1.20000","new":20000}"#));
    assert_eq!(host.get(&format!("{EVENTS}/12345")).json()["id"], "12345");
    let reply = host.post(EVENTS, LINES, &text);
    assert_eq!((reply.status, reply.text()), (200, r#"{"events":20000,"cursor":"1.20000","new":0}"#));
}

#[test]
fn a_stream_that_is_broken_at_a_line_leaves_those_before_it_and_none_after() {
    for bad in ["{\"specversion\":\"1.0\"}", "nonsense", &event("1", r#","data":"other""#), &event(&"x".repeat(300), "")] {
        let host = Running::start();
        let text = format!("{}{bad}\n{}", many(1, 7_654), many(10_001, 5_000));
        let reply = host.post(EVENTS, LINES, &text);
        let problem = reply.json();
        assert!((400..500).contains(&reply.status), "{problem}");
        assert_eq!(
            (problem["line"].as_u64(), problem["events"].as_u64(), problem["new"].as_u64()),
            (Some(7_655), Some(7_654), Some(7_654)),
            "{problem}"
        );
        assert_eq!(problem["cursor"], "1.7654");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.starts_with("line 7655: ")), "{problem}");
        assert_eq!(host.host.namespace("main").map(|main| main.reader().head().0), Some(7_654), "{bad}");
    }
}

#[test]
fn lines_that_come_slowly_stand_before_the_stream_ends() {
    let host = Running::start();
    let mut stream = host.connect();
    write!(stream, "POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {LINES}\r\nTransfer-Encoding: chunked\r\n\r\n")
        .expect("sent");
    let mut head = host.host.namespace("main").expect("main").head_changes();
    for id in 1..=3u64 {
        let line = event(&id.to_string(), "") + "\n";
        // Cut in the middle of a line, too.
        for part in [&line[..30], &line[30..]] {
            write!(stream, "{:x}\r\n{part}\r\n", part.len()).expect("sent");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async { head.wait_for(|head| head.0 == id).await.expect("the host lives").0 });
    }
    write!(stream, "0\r\n\r\n").expect("sent");
    assert_eq!(reply(&mut BufReader::new(stream)).text(), r#"{"events":3,"cursor":"1.3","new":3}"#);
}

#[test]
fn what_a_client_sent_before_it_vanished_stands() {
    let host = Running::start();
    let mut stream = host.connect();
    write!(stream, "POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {LINES}\r\nContent-Length: 1000000\r\n\r\n{}", many(1, 2))
        .expect("sent");
    let mut head = host.host.namespace("main").expect("main").head_changes();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async { drop(head.wait_for(|head| head.0 == 2).await.expect("the host lives")) });
    drop(stream);
    assert_eq!(host.post(EVENTS, LINES, &many(1, 3)).text(), r#"{"events":3,"cursor":"1.3","new":1}"#);
}
