//! Reading: pages, lines, streams, one event, causes.

use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use serde_json::Value;

use super::running::{Running, event, head};

const EVENTS: &str = "/v1/namespaces/main/events";

fn filled(count: usize) -> Running {
    let host = Running::start();
    let line = |id: usize| {
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/shop","type":"order.{}","subject":"order/{}","tags":"t{}","data":{id}}}"#,
            ["placed", "paid"][id % 2],
            id % 10,
            id % 3
        )
    };
    let text: String = (1..=count).map(|id| line(id) + "\n").collect();
    assert!(host.post(EVENTS, "application/x-ndjson", &text).status < 300);
    host
}

fn ids(page: &Value) -> Vec<u64> {
    let id = |event: &Value| event["id"].as_str().and_then(|id| id.parse().ok());
    page["events"].as_array().expect("events").iter().filter_map(id).collect()
}

#[test]
fn pages_follow_each_other_and_miss_nothing() {
    let host = filled(1_234);
    let (mut cursor, mut seen) = ("0".to_owned(), Vec::new());
    loop {
        let page = host.get(&format!("{EVENTS}?after={cursor}&limit=100")).json();
        assert_eq!(page["head"], "1234");
        cursor = page["cursor"].as_str().expect("a cursor").to_owned();
        if ids(&page).is_empty() {
            break;
        }
        seen.extend(ids(&page));
    }
    assert_eq!(seen, (1..=1_234).collect::<Vec<u64>>());
    assert_eq!(cursor, "1.1234");
}

#[test]
fn a_reader_gets_what_it_asks_for_and_a_cursor_past_the_rest() {
    let host = filled(60);
    let read = |query: &str| ids(&host.get(&format!("{EVENTS}?{query}")).json());
    assert_eq!(read("subjects=order%2F7"), [7, 17, 27, 37, 47, 57]);
    assert_eq!(read("subjects=order/7,order/8&types=order.paid&tags=t2"), [17, 47]);
    assert_eq!(read("types=order.*&limit=2&after=50"), [51, 52]);
    let page = host.get(&format!("{EVENTS}?types=nothing.such")).json();
    assert_eq!((page["cursor"].as_str(), ids(&page).len()), (Some("1.60"), 0));
    for (query, says) in [
        ("types=a*b", "pattern"),
        ("limit=0", "1 to 10000"),
        ("limit=20000", "1 to 10000"),
        ("after=61", "ends at 60"),
        ("after=x", "position such as"),
        ("type=a", "takes after, types"),
    ] {
        let refused = host.get(&format!("{EVENTS}?{query}"));
        assert_eq!((refused.status, refused.problem().as_str()), (400, "invalid-parameter"));
        assert!(refused.text().contains(says), "{}", refused.text());
    }
}

#[test]
fn lines_and_batches_hold_the_same_events_as_pages() {
    let host = filled(5_000);
    let read = |accept: &str, query: &str| host.send("GET", &format!("{EVENTS}{query}"), &[("Accept", accept)], b"");
    let page: Value = host.get(&format!("{EVENTS}?limit=5000")).json();
    let lines = read("application/x-ndjson", "");
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(page["events"].as_array(), Some(&lines));
    let batch = read("application/cloudevents-batch+json", "?limit=5000");
    assert_eq!(batch.json().as_array(), Some(&lines));
    assert_eq!(read("application/x-ndjson", "?limit=7&after=10").text().lines().count(), 7);
    assert_eq!(read("application/x-ndjson", "?after=5000").text(), "");
    // What was read can be sent again as it is.
    let text: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    assert_eq!(host.post(EVENTS, "application/x-ndjson", &text).text(), r#"{"events":5000,"cursor":"1.5000","new":0}"#);
}

#[test]
fn a_long_poll_answers_when_something_comes_or_when_its_time_is_over() {
    let host = filled(3);
    let empty = host.get(&format!("{EVENTS}?after=3&wait=50ms")).json();
    assert_eq!((ids(&empty).len(), empty["cursor"].as_str()), (0, Some("1.3")));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| host.get(&format!("{EVENTS}?after=3&types=wanted&wait=20s")).json());
        std::thread::sleep(Duration::from_millis(50));
        host.append("unwanted", "");
        host.post(EVENTS, "application/cloudevents+json", &event("9", "").replace("order.placed", "wanted"));
        assert_eq!(ids(&waiting.join().expect("an answer")), [9]);
    });
}

/// The next server-sent event: its id, event and data.
fn message(from: &mut impl BufRead) -> (String, String, Value) {
    let (mut id, mut name, mut data) = (String::new(), String::new(), Value::Null);
    for line in from.lines() {
        let line = line.expect("a line");
        match line.split_once(": ") {
            Some(("id", value)) => id = value.to_owned(),
            Some(("event", value)) => name = value.to_owned(),
            Some(("data", value)) => data = serde_json::from_str(value).expect("JSON"),
            None if line.is_empty() && !data.is_null() => return (id, name, data),
            // The frames of the chunked body.
            _ => {}
        }
    }
    panic!("the stream ended");
}

#[test]
fn a_follower_gets_what_is_there_then_what_comes_and_takes_up_where_it_was() {
    let mut host = filled(3);
    let follow = |host: &Running, last: &str| {
        let mut stream = host.connect();
        write!(stream, "GET {EVENTS}?after=0 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{last}\r\n").expect("sent");
        let mut from = BufReader::new(stream);
        let (status, headers) = head(&mut from);
        assert_eq!(status, 200);
        assert!(headers.contains(&("content-type".into(), "text/event-stream".into())));
        from
    };
    let mut stream = follow(&host, "");
    for id in 1..=3 {
        let (cursor, name, data) = message(&mut stream);
        assert_eq!((cursor, name.as_str(), data["id"].as_str()), (format!("1.{id}"), "", Some(id.to_string().as_str())));
    }
    let (id, name, data) = message(&mut stream);
    assert_eq!((id.as_str(), name.as_str(), data["head"].as_str(), data["cursor"].as_str()), ("", "head", Some("3"), Some("1.3")));
    host.append("4", "");
    let next = std::iter::repeat_with(|| message(&mut stream)).find(|(_, name, _)| name.is_empty()).expect("an event");
    assert_eq!((next.0.as_str(), next.2["id"].as_str()), ("1.4", Some("4")));
    // A second one takes up behind what it saw, whatever its address says.
    let (cursor, ..) = message(&mut follow(&host, "Last-Event-ID: 1.3\r\n"));
    assert_eq!(cursor, "1.4");
    // A stop ends the stream rather than the patience of whoever waits for it.
    host.stop_serving();
    assert!(stream.lines().map_while(Result::ok).any(|line| line == "0"), "the last chunk");
}

#[test]
fn one_event_and_its_causes_are_read_by_position() {
    let host = filled(5);
    let one = host.get(&format!("{EVENTS}/3"));
    assert_eq!((one.status, one.header("content-type")), (200, Some("application/cloudevents+json")));
    assert_eq!((one.json()["id"].as_str(), one.json()["position"].as_str()), (Some("3"), Some("3")));
    assert_eq!(host.get(&format!("{EVENTS}/1.3")).json(), one.json());
    for position in ["0", "6"] {
        assert_eq!(host.get(&format!("{EVENTS}/{position}")).problem(), "unknown-event");
        assert_eq!(host.get(&format!("{EVENTS}/{position}/causes")).problem(), "unknown-event");
    }
    assert_eq!(host.get(&format!("{EVENTS}/three")).problem(), "invalid-parameter");
    let causes = host.get(&format!("{EVENTS}/3/causes")).json();
    assert_eq!((&causes["event"], &causes["searched_to"]), (&one.json(), &Value::from("5")));
    assert_eq!((causes["causes"].as_array().map(Vec::len), causes["effects"].as_array().map(Vec::len)), (Some(0), Some(0)));
    assert_eq!(host.get(&format!("{EVENTS}/3/causes?limit=1")).json()["searched_to"], "4");
}
