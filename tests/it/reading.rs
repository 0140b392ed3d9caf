//! Reading: pages, filters, long polls, server-sent events.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::appending::event;
use crate::support::Host;

fn load(host: &Host, count: usize) {
    let lines: String = (1..=count)
        .map(|n| {
            let mut event = event(&n.to_string());
            event["type"] = json!(format!("thing.kind-{}", n % 4));
            event["subject"] = json!(format!("thing/{}", n % 10));
            event["tags"] = json!(if n % 6 == 0 { "six,even" } else { "any" });
            event.to_string() + "\n"
        })
        .collect();
    host.web.post("events", "application/x-ndjson", lines).expect(201);
}

fn positions(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["position"].as_str()?.parse().ok()).collect()
}

#[test]
fn filters_show_exactly_what_matches_in_order() {
    let host = Host::start();
    load(&host, 600);
    #[track_caller]
    fn check(host: &Host, query: &str, expected: impl Fn(u64) -> bool) {
        let expected: Vec<u64> = (1..=600).filter(|n| expected(*n)).collect();
        assert_eq!(positions(&host.web.events(query)), expected, "{query}");
    }
    check(&host, "types=thing.kind-1", |n| n % 4 == 1);
    check(&host, "types=thing.kind-1,thing.kind-2", |n| n % 4 == 1 || n % 4 == 2);
    check(&host, "types=thing.*&subjects=thing/3", |n| n % 10 == 3);
    check(&host, "tags=six,even", |n| n % 6 == 0);
    check(&host, "after=590", |n| n > 590);
    check(&host, "after=100&limit=5", |n| n > 100 && n <= 105);
    check(&host, "types=nothing.*", |_| false);
}

#[test]
fn pages_lead_from_one_to_the_next_without_a_gap() {
    let host = Host::start();
    load(&host, 250);
    let (mut after, mut seen) = ("0".to_owned(), Vec::new());
    loop {
        let page = host.web.get(&format!("events?limit=100&after={after}")).expect(200).json();
        let events = page["events"].as_array().expect("a list").clone();
        if events.is_empty() {
            break;
        }
        seen.extend(positions(&events));
        after = page["cursor"].as_str().expect("a cursor").to_owned();
    }
    assert_eq!(seen, (1..=250).collect::<Vec<_>>());
    let one = host.web.get("events/17").expect(200).json();
    assert_eq!(one["id"], "17");
    host.web.get("events/251").problem(404, "unknown-event");
}

#[test]
fn a_long_poll_answers_when_something_comes() {
    let host = Host::start();
    load(&host, 3);
    let waiting = std::thread::scope(|scope| {
        let poll = scope.spawn(|| host.web.get("events?after=3&wait=60").expect(200).json());
        host.web.append(&event("late")).expect(201);
        poll.join().expect("answered")
    });
    assert_eq!(waiting["events"][0]["id"], "late");
}

/// A stream of server-sent events, read line by line.
fn follow(host: &Host, path: &str, last: Option<&str>) -> BufReader<TcpStream> {
    let address = host.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("the host listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
    let last = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
    let request = format!("GET /v1/namespaces/main/{path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n{last}\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    BufReader::new(stream)
}

/// Reads until `count` lines begin with `prefix`; answers what follows it.
fn lines(stream: &mut BufReader<TcpStream>, prefix: &str, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < count {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).expect("the stream goes on") > 0, "the stream ended after {found:?}");
        if let Some(rest) = line.trim_end().strip_prefix(prefix) {
            found.push(rest.trim().to_owned());
        }
    }
    found
}

#[test]
fn a_follower_gets_each_event_once_also_after_it_was_cut_off() {
    let host = Host::start();
    load(&host, 5);
    let mut stream = follow(&host, "events", None);
    let ids = lines(&mut stream, "id:", 5);
    assert_eq!(ids, ["1.1", "1.2", "1.3", "1.4", "1.5"]);
    host.web.append(&event("live")).expect(201);
    assert_eq!(lines(&mut stream, "id:", 1), ["1.6"]);
    let live = lines(&mut stream, "data:", 1).pop().expect("data");
    assert!(live.contains("\"live\""), "{live}");
    drop(stream);
    let mut again = follow(&host, "events", Some(&ids[2]));
    let rest: Vec<Value> = lines(&mut again, "data:", 3).iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(positions(&rest), [4, 5, 6]);
}

#[test]
fn a_heartbeat_carries_the_head_so_that_a_follower_can_tell_it_missed_nothing() {
    let host = Host::start();
    load(&host, 4);
    let mut stream = follow(&host, "events?types=nothing.ever", None);
    assert_eq!(lines(&mut stream, "event:", 1), ["head"]);
    let head: Value = serde_json::from_str(&lines(&mut stream, "data:", 1)[0]).expect("JSON");
    assert_eq!((&head["head"], &head["cursor"]), (&json!("4"), &json!("1.4")));
}

#[test]
fn the_description_of_the_interface_covers_what_it_answers() {
    let host = Host::start();
    let description = host.web.get("//openapi.json").expect(200).json();
    assert_eq!(description["openapi"], "3.1.0");
    let paths = description["paths"].as_object().expect("paths");
    for path in ["/v1/namespaces/{ns}/events", "/v1/namespaces/{ns}/modules/{name}", "/healthz", "/metrics"] {
        assert!(paths.contains_key(path), "{path} is not in {:?}", paths.keys().collect::<Vec<_>>());
    }
    host.web.get("//healthz").expect(200);
    let metrics = host.web.get("//metrics").expect(200);
    assert!(metrics.content_type.starts_with("text/plain"), "{}", metrics.text());
    assert!(metrics.text().contains("retold_"), "{}", metrics.text());
}
