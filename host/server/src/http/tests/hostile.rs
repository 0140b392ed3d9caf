//! Clients that mean ill, or are broken. The case numbers are HARDENING's.

use std::io::{BufReader, Read, Write};
use std::time::Duration;

use super::super::ServeOptions;
use super::running::{Running, event, head, reply};

const EVENTS: &str = "/v1/namespaces/main/events";

/// Whether the host closes the connection, after whatever it still says.
fn is_closed(mut stream: std::net::TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_head_that_comes_too_slowly_ends_the_connection_h1_h3() {
    let host = Running::with(ServeOptions { header_time_max: Duration::from_millis(200), ..ServeOptions::default() });
    let (silent, mut partial, mut idle) = (host.connect(), host.connect(), host.connect());
    partial.write_all(b"GET / HTTP/1.1\r\nHost: ").expect("sent");
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut idle = BufReader::new(idle);
    assert_eq!(reply(&mut idle).status, 200);
    assert!(is_closed(silent) && is_closed(partial) && is_closed(idle.into_inner()));
}

#[test]
fn a_body_that_does_not_come_is_given_up_after_a_minute_h2() {
    assert_eq!(ServeOptions::default().body_time_max, Duration::from_secs(60));
    let host = Running::with(ServeOptions { body_time_max: Duration::from_millis(300), ..ServeOptions::default() });
    let mut stream = host.connect();
    write!(stream, "POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50000\r\n\r\n[")
        .expect("sent");
    let mut slow = stream.try_clone().expect("the same connection");
    // Something comes all the time, and it is never enough.
    std::thread::spawn(move || {
        while slow.write_all(b" ").is_ok() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
    let refused = reply(&mut BufReader::new(stream));
    assert_eq!((refused.status, refused.problem().as_str()), (408, "body-timeout"));
}

#[test]
fn heads_that_are_too_large_are_refused_h4() {
    let host = Running::start();
    assert_eq!(host.send("GET", "/", &[("X-Large", &"x".repeat(20_000))], b"").status, 431);
    let many: Vec<(String, &str)> = (0..70).map(|number| (format!("x-{number}"), "1")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(host.send("GET", "/", &many, b"").status, 431);
    let long = host.get(&format!("/{}", "x".repeat(100_000)));
    assert!(long.status == 414 || long.status == 431, "{}", long.status);
}

#[test]
fn bodies_that_are_too_large_are_refused_and_the_client_sees_why_h5() {
    let host = Running::start();
    let announced =
        format!("POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n");
    let refused = host.raw(announced.as_bytes());
    assert_eq!((refused.status, refused.problem().as_str()), (413, "too-large"));
    let mut stream = host.connect();
    write!(stream, "POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        .expect("sent");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..200 {
        stream.write_all(chunk.as_bytes()).expect("the host takes what it throws away");
    }
    stream.write_all(b"0\r\n\r\n").expect("sent");
    assert_eq!(reply(&mut BufReader::new(stream)).status, 413);
    let refused = host.send("POST", EVENTS, &[("Content-Type", "application/x-ndjson")], &vec![b'x'; 5 << 20]);
    assert_eq!((refused.status, refused.json()["line"].as_u64()), (413, Some(1)));
}

#[test]
fn all_bodies_together_are_bounded_h5() {
    let host = Running::with(ServeOptions { body_bytes_max: 1 << 20, ..ServeOptions::default() });
    let refused = host.post(EVENTS, "application/json", &event("1", &format!(r#","data":"{}""#, "x".repeat(1 << 20))));
    assert_eq!((refused.status, refused.problem().as_str(), refused.header("retry-after")), (503, "busy", Some("1")));
    assert_eq!(host.append("1", "").status, 201);
}

#[test]
fn requests_whose_end_is_unclear_are_refused_h6() {
    let host = Running::start();
    let body = event("smuggled", "");
    for lengths in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 5,6",
        "Content-Length: -1",
        "Transfer-Encoding: xchunked",
        "Content-Length : 5",
    ] {
        let mut stream = host.connect();
        write!(stream, "POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{lengths}\r\n\r\n{body}")
            .expect("sent");
        let mut from = BufReader::new(stream);
        assert_eq!(head(&mut from).0, 400, "{lengths}");
        assert!(is_closed(from.into_inner()), "{lengths}");
    }
    assert_eq!(host.host.namespace("main").map(|main| main.reader().head().0), Some(0));
}

#[test]
fn pipelined_requests_are_answered_in_order_h8() {
    let host = Running::start();
    let one = |id: &str| {
        let body = event(id, "");
        format!(
            "POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut stream = host.connect();
    stream.write_all((1..=20).map(|id| one(&id.to_string())).collect::<String>().as_bytes()).expect("sent");
    let mut from = BufReader::new(stream);
    for id in 1..=20 {
        assert_eq!(reply(&mut from).json()["positions"][0], id.to_string());
    }
}

#[test]
fn methods_and_upgrades_that_are_not_offered_are_refused_h8() {
    let host = Running::start();
    for method in ["TRACE", "OPTIONS", "PATCH", "BREW"] {
        let refused = host.send(method, EVENTS, &[], b"");
        assert_eq!((refused.status, refused.header("allow")), (405, Some("POST, GET, HEAD")), "{method}");
    }
    assert_eq!(host.raw(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n").status, 403);
    let upgrade = host.send("GET", "/healthz", &[("Connection", "Upgrade"), ("Upgrade", "websocket")], b"");
    assert_eq!(upgrade.status, 200);
}

#[test]
fn packed_bodies_are_not_unpacked_h10() {
    let host = Running::start();
    for (path, content_type) in
        [(EVENTS, "application/json"), (EVENTS, "application/x-ndjson"), ("/v1/namespaces/main/modules/x", "application/wasm")]
    {
        let method = if path == EVENTS { "POST" } else { "PUT" };
        let refused = host.send(method, path, &[("Content-Type", content_type), ("Content-Encoding", "gzip")], b"\x1f\x8b");
        assert_eq!((refused.status, refused.problem().as_str()), (415, "unsupported-media-type"), "{content_type}");
    }
}

#[test]
fn json_that_is_deep_or_wide_or_repeats_itself_is_refused_quickly_h12() {
    let host = Running::start();
    let deep = event("1", &format!(r#","data":{}{}"#, "[".repeat(500_000), "]".repeat(500_000)));
    let wide = event("1", &(0..100_000).map(|number| format!(r#","x{number}":1"#)).collect::<String>());
    let repeated = event("1", &r#","subject":"a""#.repeat(10_000));
    for (text, field) in [(deep, "data"), (wide, "x32"), (repeated, "subject")] {
        let refused = host.post(EVENTS, "application/json", &text);
        assert_eq!((refused.status, refused.json()["field"].as_str()), (400, Some(field)));
    }
    // Numbers are kept as they were written, whatever their size.
    assert_eq!(host.append("1", r#","data":1e999999"#).status, 201);
    assert!(host.get(&format!("{EVENTS}/1")).text().contains(r#""data":1e999999"#));
}

#[test]
fn a_follower_that_never_reads_is_let_go_h2_h14() {
    let host = Running::with(ServeOptions { stall_time_max: Duration::from_millis(300), ..ServeOptions::default() });
    let text: String = (0..3_000).map(|id| event(&id.to_string(), &format!(r#","data":"{}""#, "x".repeat(4_000))) + "\n").collect();
    assert_eq!(host.post(EVENTS, "application/x-ndjson", &text).status, 201);
    let mut stream = host.connect();
    write!(stream, "GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n").expect("sent");
    std::thread::sleep(Duration::from_millis(1_500));
    let open = |host: &Running| host.get("/metrics").text().contains("retold_http_connections_open 1\n");
    assert!(open(&host), "only the one that asks");
    assert!(is_closed(stream));
}

#[test]
fn more_connections_than_places_wait_their_turn_h3() {
    let host = Running::with(ServeOptions { connections_max: 2, ..ServeOptions::default() });
    let (first, second) = (host.connect(), host.connect());
    std::thread::sleep(Duration::from_millis(100));
    let mut third = host.connect();
    third.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the kernel takes it");
    third.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    assert!(third.read(&mut [0; 16]).is_err(), "no place yet");
    drop((first, second));
    third.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    assert_eq!(reply(&mut BufReader::new(third)).status, 200);
}

#[test]
fn a_hundred_requests_with_one_id_make_one_event_h19() {
    let host = Running::start();
    let replies: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..20).map(|_| scope.spawn(|| (0..5).map(|_| host.append("1", "").text().to_owned()).collect::<Vec<_>>())).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(replies.iter().filter(|reply| reply.contains(r#""new":1"#)).count(), 1);
    assert!(replies.iter().all(|reply| reply.contains(r#""positions":["1"]"#)));
}

#[test]
fn random_bytes_never_harm_the_host() {
    let host = Running::with(ServeOptions { header_time_max: Duration::from_millis(100), ..ServeOptions::default() });
    let mut seed = 0x9e3779b97f4a7c15u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let good = format!(
        "POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 70\r\n\r\n{}\n",
        event("1", "")
    );
    for _ in 0..300 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..1 + next() % 8 {
            let at = (next() % bytes.len() as u64) as usize;
            bytes[at] = next() as u8;
        }
        let mut stream = host.connect();
        let _ = stream.write_all(&bytes[..(next() % bytes.len() as u64) as usize + 1]);
    }
    assert_eq!(host.get("/healthz").status, 200);
}
