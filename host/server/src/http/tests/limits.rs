//! How much one client may do before it is told to wait.

use std::io::{BufReader, Write};
use std::time::Duration;

use super::super::ServeOptions;
use super::running::{Reply, Running, event, reply};

const EVENTS: &str = "/v1/namespaces/main/events";

#[track_caller]
fn check_too_often(refused: &Reply) {
    assert_eq!((refused.status, refused.problem().as_str()), (429, "rate-reached"));
    let seconds: u32 = refused.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[test]
fn a_namespace_that_is_asked_too_often_says_when_to_ask_again_and_can_be_operated_h13() {
    let host = Running::with(ServeOptions { rate_per_namespace: "2/s".parse().ok(), ..ServeOptions::default() });
    assert_eq!(host.post("/v1/namespaces", "application/json", r#"{"name":"other"}"#).status, 201);
    let refused = (0..40).map(|_| host.get(EVENTS)).find(|reply| reply.status != 200).expect("more than two a second");
    check_too_often(&refused);
    assert_eq!(host.get("/v1/namespaces/other/events").status, 200);
    assert_eq!(host.get("/healthz").status, 200);
    for _ in 0..20 {
        assert_eq!(host.post("/v1/namespaces/main/functions/none/pause", "application/json", "").status, 404);
    }
    std::thread::sleep(Duration::from_millis(1_100));
    assert_eq!(host.get(EVENTS).status, 200);
    for number in 0..20 {
        assert_eq!(host.get(&format!("/v1/namespaces/none{}/events", number % 2)).status, 404, "what there is not is not counted");
    }
}

#[test]
fn a_flood_of_modules_is_refused_and_other_namespaces_take_theirs_w33() {
    let host = Running::start();
    assert_eq!(host.post("/v1/namespaces", "application/json", r#"{"name":"other"}"#).status, 201);
    let send = |namespace: &str| {
        host.send(
            "PUT",
            &format!("/v1/namespaces/{namespace}/modules/none?unheard-of=1"),
            &[("Content-Type", "application/wasm")],
            b"no module",
        )
    };
    let refused = (0..400).map(|_| send("main")).find(|reply| reply.status != 400).expect("two modules a second, for ever");
    check_too_often(&refused);
    assert_eq!(send("other").status, 400);
    assert_eq!(host.append("1", "").status, 201);
}

#[test]
fn a_stream_of_lines_that_comes_too_slowly_is_ended_and_what_came_of_it_stands_h2() {
    let host = Running::with(ServeOptions { lines_time_max: Duration::from_millis(600), ..ServeOptions::default() });
    let begin = || {
        let mut stream = host.connect();
        let head = "Host: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked";
        write!(stream, "POST {EVENTS} HTTP/1.1\r\n{head}\r\n\r\n").expect("sent");
        stream
    };
    let mut slow = begin();
    let line = event("1", "") + "\n";
    write!(slow, "{:x}\r\n{line}\r\n", line.len()).expect("sent");
    for _ in 0..20 {
        slow.write_all(b"1\r\n \r\n").expect("the host takes what it throws away");
        std::thread::sleep(Duration::from_millis(60));
    }
    let refused = reply(&mut BufReader::new(slow));
    assert_eq!((refused.status, refused.problem().as_str()), (408, "body-timeout"));
    assert_eq!(refused.json()["events"], 1);
    assert_eq!(host.get(&format!("{EVENTS}/1")).status, 200);
    // As long, and fast enough.
    let mut steady = begin();
    for number in 0..20 {
        let line = event(&format!("steady-{number}"), &format!(r#","data":"{}""#, "x".repeat(1_024))) + "\n";
        write!(steady, "{:x}\r\n{line}\r\n", line.len()).expect("sent");
        std::thread::sleep(Duration::from_millis(60));
    }
    steady.write_all(b"0\r\n\r\n").expect("sent");
    assert_eq!(reply(&mut BufReader::new(steady)).status, 201);
}
