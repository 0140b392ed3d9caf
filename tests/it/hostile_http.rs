//! Clients that mean ill, byte by byte. What each case is called stands in docs/threats.md.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::appending::event;
use crate::support::{Host, Web};

const HEAD: &str = "POST /v1/namespaces/main/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents+json\r\n";

fn connect(host: &Host) -> TcpStream {
    let stream = TcpStream::connect(host.url.trim_start_matches("http://")).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream
}

/// What the host says until it closes the connection, which it must.
#[track_caller]
fn said(host: &Host, bytes: &[u8]) -> String {
    let mut stream = connect(host);
    // The host may have closed it before all is sent.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("the connection stays open: {error}"),
        _ => String::from_utf8_lossy(&answer).into_owned(),
    }
}

fn statuses(said: &str) -> Vec<&str> {
    said.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)).collect()
}

/// The host refuses the bytes and closes the connection.
#[track_caller]
fn refused(host: &Host, bytes: &str) {
    let said = said(host, bytes.as_bytes());
    assert!(statuses(&said).iter().all(|status| *status == "400") && said.starts_with("HTTP/1.1 400"), "{bytes:?}: {said}");
}

/// How many events there are in the log. After all that was done to it, the host takes one more.
#[track_caller]
fn is_well(host: &Host) -> usize {
    host.web.append(&event("after all")).expect(201);
    let namespace = host.web.get("//v1/namespaces/main").expect(200).json();
    let head: usize = namespace["head"].as_str().and_then(|head| head.parse().ok()).unwrap_or_else(|| panic!("{namespace}"));
    head - 1
}

fn in_chunks(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

#[test]
fn heads_that_could_be_read_in_two_ways_are_refused_h6_h21() {
    let host = Host::start();
    let body = in_chunks(&event("smuggled").to_string());
    for line in [
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nX-Folded: 1\r\n 2",
        "Transfer-Encoding: chunked\r\nX-Nul: a\0b",
        "Transfer-Encoding: chunked\r\nX-Return: a\rb",
        "Transfer-Encoding: chunked\r\nX Space: 1",
        "Transfer-Encoding: chunked\r\n: no name",
        "Transfer-Encoding: chunked\r\nX\0Nul: 1",
        "Transfer-Encoding : chunked",
    ] {
        refused(&host, &format!("{HEAD}{line}\r\n\r\n{body}"));
    }
    // In HTTP/1.0 there are no chunks.
    refused(&host, &format!("{}Transfer-Encoding: chunked\r\n\r\n{body}", HEAD.replace("HTTP/1.1", "HTTP/1.0")));
    refused(&host, "GET /healthz\0 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(is_well(&host), 0);
}

#[test]
fn chunks_that_lie_are_refused_and_of_chunks_and_a_length_the_chunks_count_h6() {
    let host = Host::start();
    let text = event("smuggled").to_string();
    let size = text.len();
    for chunks in [
        format!("zz\r\n{text}\r\n0\r\n\r\n"),
        format!("-1\r\n{text}\r\n0\r\n\r\n"),
        format!("+{size:x}\r\n{text}\r\n0\r\n\r\n"),
        format!("0x{size:x}\r\n{text}\r\n0\r\n\r\n"),
        format!("fffffffffffffffff\r\n{text}\r\n0\r\n\r\n"),
        format!("{size:x}\n{text}\n0\n\n"),
        format!("5\r\n{text}\r\n0\r\n\r\n"),
        format!("{size:x};{}\r\n{text}\r\n0\r\n\r\n", "x".repeat(100_000)),
        format!("{size:x}\r\n{text}\r\n0\r\n{}\r\n", "X-Trailer: 1\r\n".repeat(1_000)),
    ] {
        refused(&host, &format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunks}"));
    }
    // Who went by the length would take the second request for what is left of the first one's body.
    let both = format!("{HEAD}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n{}", in_chunks(&event("first").to_string()));
    let second = format!("{HEAD}Content-Length: {size}\r\n\r\n{text}");
    let said = said(&host, format!("{both}{second}").as_bytes());
    assert_eq!(statuses(&said), ["201"], "one answer, and the connection is closed: {said}");
    assert_eq!(is_well(&host), 1);
}

#[test]
fn what_is_not_http_1_is_turned_away_h7_h22() {
    let host = Host::start();
    let preface = said(&host, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert_eq!(preface, "", "no frame of HTTP/2 is answered");
    let tls = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[0x61; 500]].concat();
    assert!(said(&host, &tls).starts_with("HTTP/1.1 400"), "a handshake of TLS is no request");
    for line in ["GET /healthz", "GET /healthz HTTP/2.0", "GET /healthz HTTP/1.2", "GET  /healthz HTTP/1.1", "GET /healthz HTTP/1.1 x"] {
        refused(&host, &format!("{line}\r\nHost: localhost\r\n\r\n"));
    }
    for hosts in ["", "Host: localhost\r\nHost: localhost\r\n"] {
        let said = said(&host, format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n").as_bytes());
        assert_eq!(statuses(&said), ["400"], "{hosts:?}: {said}");
    }
    let upgrade = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let said = said(&host, upgrade.as_bytes());
    assert_eq!(statuses(&said), ["200"], "it goes on as it was: {said}");
    assert_eq!(is_well(&host), 0);
}

#[test]
fn bodies_that_stop_coming_hold_nobody_up_h2() {
    let host = Host::start();
    let waiting: Vec<TcpStream> = (0..500)
        .map(|_| {
            let mut stream = connect(&host);
            write!(stream, "{HEAD}Content-Length: 8000000\r\n\r\n{{\"specversion\":").expect("sent");
            stream
        })
        .collect();
    for id in 0..50 {
        host.web.append(&event(&id.to_string())).expect(201);
    }
    drop(waiting);
    assert_eq!(is_well(&host), 50);
}

#[test]
fn no_name_leads_out_of_the_data_directory_h9() {
    let host = Host::start();
    let long = "x".repeat(65);
    for name in ["..", ".", "", "../up", "a/b", "a\\b", "a\0b", "a\nb", "%2e%2e", "main@1", "Ä", "A", &long] {
        let body = json!({ "name": name }).to_string();
        host.web.post("//v1/namespaces", "application/json", body).problem(400, "invalid-name");
    }
    for name in ["..", "..%2f..%2fup", "%2e%2e", "a%00b", "%c0%ae%c0%ae", "%zz"] {
        let send = |method: &str, path: &str, status: &str| {
            let head = format!("{method} /v1/namespaces/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
            let said = said(&host, format!("{head}Content-Type: application/wasm\r\nContent-Length: 8\r\n\r\n\0asm\x01\0\0\0").as_bytes());
            assert_eq!(statuses(&said), [status], "{method} {path}: {said}");
        };
        send("DELETE", name, "404");
        send("GET", &format!("{name}/events"), "404");
        send("GET", &format!("main/replays/{name}"), "404");
        send("DELETE", &format!("main/replays/{name}"), "404");
        send("PUT", &format!("main/modules/{name}"), "422");
    }
    let folders = std::fs::read_dir(host.data().join("namespaces")).expect("it is there");
    let folders: Vec<_> = folders.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(folders, ["main"]);
    assert_eq!(is_well(&host), 0);
}

#[test]
fn json_that_is_deep_is_refused_on_every_path_that_takes_json_h12() {
    let host = Host::start();
    let deep = format!("{}{}", "[".repeat(1_900), "]".repeat(1_900));
    let objects = |name: &str, count: usize| format!("{}1{}", format!("{{{name:?}:").repeat(count), "}".repeat(count));
    let json = "application/json";
    for (path, content_type, body) in [
        ("events", "application/cloudevents+json", &deep),
        ("events", "application/cloudevents-batch+json", &deep),
        ("events", "application/x-ndjson", &deep),
        ("events", "application/cloudevents+json", &objects("data", 100_000)),
        ("commands/a.do?subject=a", json, &deep),
        ("promote", json, &deep),
        ("modules/a/rollback", json, &deep),
        ("//v1/namespaces", json, &deep),
        ("//v1/namespaces", json, &objects("retell", 100_000)),
        ("//v1/namespaces", json, &format!(r#"{{"name":"a","retell":{}}}"#, objects("base", 100_000))),
    ] {
        let answer = host.web.post(path, content_type, body);
        assert!((400..500).contains(&answer.status) && answer.content_type == "application/problem+json", "{path}: {}", answer.text());
    }
    host.web.set_schema("a.done", objects("not", 30_000)).problem(422, "invalid-schema");
    assert_eq!(is_well(&host), 0);
}

#[test]
fn what_json_does_not_have_is_refused_and_what_it_has_is_kept_as_written_h12() {
    let host = Host::start();
    let post = |text: &[u8]| host.web.post("events", "application/cloudevents+json", text);
    let with = |id: &str, data: &str| format!(r#"{{"specversion":"1.0","id":"{id}","source":"/test","type":"a","data":{data}}}"#);
    for data in ["NaN", "-Infinity", "0x1", "01", "1.", ".5", "'a'", "1,", "{\"a\":1,}", "[1 2]", "\"\t\"", "undefined", ""] {
        post(with("refused", data).as_bytes()).problem(400, "malformed-request");
    }
    for text in
        [&b"{\"specversion\":\"1.0\",\"id\":\"\xff\"}"[..], b"{\"id\":\"\xc0\x80\"}", b"{\"id\":\"\xed\xa0\x80\"}", b"\xef\xbb\xbf{}"]
    {
        post(text).problem(400, "malformed-request");
    }
    post(with("\\ud800", "1").as_bytes()).problem(400, "malformed-request");
    post(format!("{}{{}}", with("trailing", "1")).as_bytes()).problem(400, "malformed-request");
    for (field, twice) in [("id", r#""id":"1","id":"2""#), ("extra", r#""id":"1","extra":"1","extra":"1""#)] {
        let problem = post(format!(r#"{{"specversion":"1.0","source":"/test","type":"a",{twice}}}"#).as_bytes());
        assert_eq!(problem.problem(400, "invalid-event")["field"], field);
    }
    let kept = ["9".repeat(400), "-0.0e-99999".to_owned(), r#"{"a":1,"a":[]}"#.to_owned(), r#""\ud800""#.to_owned()];
    for (id, data) in kept.iter().enumerate() {
        post(with(&id.to_string(), data).as_bytes()).expect(201);
        let text = host.web.get(&format!("events/{}", id + 1)).expect(200).text();
        assert!(text.contains(&format!("\"data\":{data}")), "{text}");
    }
    assert_eq!(is_well(&host), kept.len());
}

#[test]
fn times_and_places_beyond_all_bounds_are_refused_h20() {
    let host = Host::start();
    host.web.append(&event("1")).expect(201);
    for time in [
        json!("-0001-01-01T00:00:00Z"),
        json!("0001-01-01T00:00:00Z"),
        json!("99999-01-01T00:00:00Z"),
        json!("2013-02-30T00:00:00Z"),
        json!("2013-01-01T00:00:00+99:99"),
        json!("2013-01-01T25:00:00Z"),
        json!(1_000_000_000_000_000_000_u64),
        json!(null),
    ] {
        let mut bad = event("2");
        bad["time"] = time.clone();
        let answer = host.web.append(&bad);
        // What isn't there has no bounds.
        assert!(if time.is_null() { answer.status == 201 } else { answer.status == 400 }, "{time}: {}", answer.text());
    }
    let under = |id: &str, place: &str| {
        host.web.post(&format!("events?if-none-after={place}"), "application/cloudevents+json", event(id).to_string())
    };
    for place in ["18446744073709551616", "99999999999999999999", "-0", "0x1", "1e3", "%00", "1.18446744073709551616"] {
        host.web.get(&format!("events?after={place}")).problem(400, "invalid-parameter");
        under("3", place).problem(400, "invalid-parameter");
    }
    for (id, place) in [("last", "18446744073709551615"), ("of this log", "1.18446744073709551615")] {
        host.web.get(&format!("events?after={place}")).problem(400, "invalid-parameter");
        // Nothing can have come behind the last place that there could be.
        under(id, place).expect(201);
    }
    host.web.get("events?wait=99999999999999999999s").problem(400, "invalid-parameter");
    let mut last = event("3");
    last["time"] = json!("9999-12-31T23:59:59Z");
    host.web.append(&last).expect(201);
    assert_eq!(host.web.events("").last().expect("the last")["time"], last["time"]);
    assert_eq!(is_well(&host), 5);
}

#[test]
fn controls_in_attributes_are_refused_and_what_only_deceives_the_eye_is_kept_e4_h21() {
    let host = Host::start();
    let with = |id: &str, field: &str, value: &str| {
        let mut event = event(id);
        event[field] = json!(value);
        event
    };
    for field in ["id", "source", "type", "subject", "datacontenttype"] {
        for control in ["\0", "\r\nX-Injected: 1", "\u{1b}[2J", "\u{85}", "\u{7f}"] {
            let value = format!("application/json;{control}");
            let problem = host.web.append(&with("1", field, &value)).problem(400, "invalid-event");
            assert_eq!(problem["field"], field, "{value:?}: {problem}");
        }
    }
    for (number, value) in
        ["\u{202e}exe.fdp", "a\u{200b}b", "\u{feff}a", "<script>alert(1)</script>", "';--", "%00", "ﬁ"].iter().enumerate()
    {
        host.web.append(&with(&number.to_string(), "subject", value)).expect(201);
        assert_eq!(host.web.events("").last().expect("the last")["subject"], *value);
    }
    assert_eq!(is_well(&host), 7);
}

#[test]
fn an_event_of_the_largest_size_is_taken_and_a_byte_more_is_not_e3() {
    let host = Host::start();
    let send = |id: &str, bytes: usize| {
        let headers = [("ce-specversion", "1.0"), ("ce-id", id), ("ce-source", "/test"), ("ce-type", "a"), ("content-type", "text/plain")];
        host.web.send("POST", "events", &headers, &vec![b'x'; bytes])
    };
    send("none", 0).expect(201);
    send("most", 1 << 20).expect(201);
    let problem = send("more", (1 << 20) + 1).problem(413, "too-large");
    assert_eq!(problem["field"], "data", "{problem}");
    let all = host.web.events("");
    let sizes: Vec<usize> = all.iter().map(|event| event["data"].as_str().map_or(0, str::len)).collect();
    assert_eq!(sizes, [0, 1 << 20]);
}

#[test]
fn a_page_of_another_site_gets_no_permission_and_its_own_kinds_of_body_append_nothing_h16_h17() {
    let host = Host::start();
    let asks = "Origin: http://elsewhere.example\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: content-type\r\n";
    for request in [
        "OPTIONS /v1/namespaces/main/events",
        "OPTIONS /v1/namespaces/main/modules/a",
        "GET /v1/namespaces/main/events",
        "POST /v1/namespaces/main/commands/stock.take?subject=stock/1",
        "POST /v1/namespaces/main/functions/a/pause",
        "POST /v1/namespaces/main/promote",
    ] {
        let said = said(&host, format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{asks}\r\n").as_bytes());
        assert!(!said.to_ascii_lowercase().contains("access-control-"), "{request}: {said}");
        assert!(statuses(&said) == ["403"] && said.contains("foreign-origin"), "{request}: {said}");
    }
    // What a browser sends to another site without asking first.
    for content_type in ["text/plain", "text/plain;charset=utf-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"] {
        host.web.post("events", content_type, event("1").to_string()).problem(415, "unsupported-media-type");
    }
    host.web.send("POST", "events", &[], event("1").to_string().as_bytes()).problem(415, "unsupported-media-type");
    assert_eq!(is_well(&host), 0);
}

#[test]
fn no_answer_may_be_taken_for_a_page_e1() {
    let host = Host::start();
    let markup = json!({ "specversion": "1.0", "id": "<script>alert(1)</script>", "source": "/a", "type": "thing.happened", "subject": "\"><img onerror=alert(1)>", "data": "javascript:alert(1)" });
    host.web.append(&markup).expect(201);
    for path in [
        "/",
        "/openapi.json",
        "/metrics",
        "/v1/namespaces/main/events",
        "/v1/namespaces/main/%3Cscript%3E",
        "/v1/namespaces/main/events?types=%3Cscript%3E",
    ] {
        let said =
            said(&host, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).to_ascii_lowercase();
        let head = said.split_once("\r\n\r\n").map_or(said.as_str(), |(head, _)| head);
        assert!(head.contains("\r\nx-content-type-options: nosniff"), "{path}: {head}");
        assert!(head.contains("\r\ncontent-security-policy: default-src 'none'; frame-ancestors 'none'"), "{path}: {head}");
        assert!(!head.contains("text/html"), "{path}: {head}");
    }
}

#[test]
fn a_name_that_was_made_to_mean_this_machine_reaches_nothing_h15() {
    let host = Host::start();
    let ask = |name: &str| said(&host, format!("GET /v1/namespaces HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n").as_bytes());
    for name in ["evil.example", "evil.example:7070", "localhost.evil.example"] {
        let said = ask(name);
        assert!(statuses(&said) == ["403"] && said.contains("foreign-host"), "{name}: {said}");
    }
    assert_eq!(statuses(&ask("localhost")), ["200"]);
    let behind_a_proxy = Host::start_saying(&["--host-name", "events.example"]);
    let asked = said(&behind_a_proxy, b"GET /v1/namespaces HTTP/1.1\r\nHost: events.example\r\nConnection: close\r\n\r\n");
    assert_eq!(statuses(&asked), ["200"]);
}

#[test]
fn a_client_that_leaves_before_the_answer_finds_its_event_once_h18() {
    let host = Host::start();
    for id in 0..60 {
        let body = event(&id.to_string()).to_string();
        let request = format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len());
        // Some leave in the middle of a sentence.
        let most = if id % 3 == 0 { request.len() - 1 - id % 40 } else { request.len() };
        connect(&host).write_all(&request.as_bytes()[..most]).expect("sent");
    }
    for id in 0..60 {
        let answer = host.web.append(&event(&id.to_string()));
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    }
    let all = host.web.events("");
    let mut ids: Vec<usize> = all.iter().filter_map(|event| event["id"].as_str()?.parse().ok()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..60).collect::<Vec<_>>());
}

#[test]
fn a_connection_goes_on_after_a_refusal_for_which_the_body_was_not_read() {
    let host = Host::start();
    let mut stream = connect(&host);
    for number in 0..20 {
        let body = event("1").to_string();
        let head = format!(
            "POST /v1/namespaces/none/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents+json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        // In two pieces, as many clients send it.
        stream.write_all(head.as_bytes()).expect("sent");
        std::thread::sleep(Duration::from_millis(number % 4));
        stream.write_all(body.as_bytes()).unwrap_or_else(|error| panic!("request {number}: {error}"));
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).expect("an answer");
        assert!(answer[..length].starts_with(b"HTTP/1.1 404"), "request {number}: {}", String::from_utf8_lossy(&answer[..length]));
    }
}

#[test]
fn a_host_without_file_descriptors_answers_again_once_it_has_some_c11() {
    let host = Host::start_with_open_files(100);
    host.web.append(&event("1")).expect(201);
    let crowd: Vec<TcpStream> = (0..150).map(|_| connect(&host)).collect();
    // Those that were let in get an answer; the rest waits for a place in the kernel's queue.
    let mut first = &crowd[0];
    first.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    first.read_to_string(&mut answer).expect("an answer");
    assert_eq!(statuses(&answer), ["200"]);
    drop(crowd);
    let web = Web::new(&host.url);
    web.append(&event("2")).expect(201);
    let ready: Value = web.get("//readyz").expect(200).json();
    assert_eq!(ready["ready"], true, "{ready}");
    assert_eq!(is_well(&host), 2);
}
