//! Answers from the outside: whatever comes, and however often, a request has one.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::outbox::{FAILED, HERE, REPLIED, came, deployed, outbox, reach};
use crate::support::{Host, Service, of_type, say};

/// Connections on which nothing was said yet.
type Open = Arc<Mutex<Vec<TcpStream>>>;

/// A service that leaves the first request open, and answers the others with their number.
fn hesitating() -> (Service, Open) {
    let open = Open::default();
    let kept = open.clone();
    let service = Service::start(move |number, _, stream| match number {
        0 => kept.lock().expect("not poisoned").push(stream.try_clone().expect("a connection")),
        number => say(stream, 200, "", &number.to_string()),
    });
    (service, open)
}

#[test]
fn what_is_not_a_whole_answer_harms_nobody() {
    let service = Service::start(|number, asked, stream| match (asked.path.as_str(), number) {
        ("/endless", _) => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            while stream.write_all(format!("1000\r\n{}\r\n", "x".repeat(4_096)).as_bytes()).is_ok() {}
        }
        // Two answers to one question: the second is nobody's.
        ("/double", _) => drop(stream.write_all("HTTP/1.1 200 -\r\ncontent-length: 5\r\n\r\nfirst".repeat(2).as_bytes())),
        ("/head", _) => say(stream, 200, &format!("x-long: {}\r\n", "x".repeat(1 << 20)), "no"),
        ("/moved", _) => say(stream, 307, "location: http://169.254.169.254/\r\n", ""),
        (_, 0..3) => drop(stream.write_all(b"SSH-2.0-OpenSSH_9\r\n")),
        _ => say(stream, 200, "", "at last"),
    });
    let host = deployed(Host::start_saying(&HERE));
    reach(&host, "nonsense", &service.url("/"), &json!({}));
    came(&host, REPLIED, 1);
    reach(&host, "endless", &service.url("/endless"), &json!({}));
    reach(&host, "moved", &service.url("/moved"), &json!({}));
    reach(&host, "double", &service.url("/double"), &json!({}));
    reach(&host, "head", &service.url("/head"), &json!({}));
    let replies = came(&host, REPLIED, 4);
    let of = |subject: &str| replies.iter().find(|reply| reply["subject"] == subject).expect("a reply")["data"].clone();
    assert_eq!((&of("reach/nonsense")["body"], &of("reach/double")["body"]), (&json!("at last"), &json!("first")));
    let endless = of("reach/endless");
    assert_eq!((&endless["truncated"], endless["body"].as_str().map(str::len)), (&json!(true), Some(64 << 10)));
    // It is told where to, and nobody goes there.
    let moved = of("reach/moved");
    assert_eq!((&moved["status"], &moved["headers"]["location"]), (&json!(307), &json!("http://169.254.169.254/")));
    // Nobody reads a head that long, and the next try may be another's.
    host.wait_until("the long head is told", || outbox(&host)["requests"][0]["error"].is_string());
    let long = outbox(&host)["requests"][0].clone();
    assert_eq!(long["subject"], "reach/head");
    assert!(long["error"].as_str().is_some_and(|error| error.starts_with("protocol:")), "{long}");
}

#[test]
fn an_answer_that_does_not_end_is_waited_for_so_long_and_holds_up_no_other() {
    let service = Service::start(|number, _, stream| match number {
        // A byte now and then, for ever.
        0 => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n");
            while stream.write_all(b"x").is_ok() {
                std::thread::park_timeout(std::time::Duration::from_millis(100));
            }
        }
        number => say(stream, 200, "", &number.to_string()),
    });
    let host = deployed(Host::start_saying(&HERE));
    reach(&host, "slow", &service.url("/"), &json!({}));
    host.wait_until("it is asked", || service.asked().len() == 1);
    reach(&host, "quick", &service.url("/"), &json!({}));
    assert_eq!(came(&host, REPLIED, 1)[0]["subject"], "reach/quick");
    let slow = outbox(&host)["requests"][0].clone();
    assert_eq!((&slow["subject"], &slow["state"]), (&json!("reach/slow"), &json!("sending")));
    host.wait_until("it took too long", || outbox(&host)["requests"][0]["attempts"] != 0);
    let replies = came(&host, REPLIED, 2);
    assert_eq!((&replies[1]["subject"], &replies[1]["data"]["body"]), (&json!("reach/slow"), &json!("2")));
    assert_eq!(service.asked()[0].key(), service.asked()[2].key());
}

#[test]
fn a_request_whose_host_was_killed_before_the_answer_came_is_sent_again_under_its_key_and_answered_once() {
    let (service, open) = hesitating();
    let mut host = deployed(Host::start_saying(&HERE));
    reach(&host, "1", &service.url("/"), &json!({ "body": "same", "method": "POST" }));
    host.wait_until("it is asked", || service.asked().len() == 1);
    host.kill();
    host.restart();
    assert_eq!(came(&host, REPLIED, 1)[0]["data"]["body"], "1");
    let asked = service.asked();
    assert_eq!((asked.len(), asked[0].key(), &asked[0].body), (2, asked[1].key(), &asked[1].body));
    // Whoever was asked first answers too: nobody hears it.
    open.lock().expect("not poisoned").iter_mut().for_each(|stream| say(stream, 200, "", "late"));
    host.kill();
    host.restart();
    reach(&host, "2", &service.url("/"), &json!({}));
    assert_eq!(came(&host, REPLIED, 2)[1]["data"]["body"], "2");
    assert_eq!((outbox(&host)["waiting"].clone(), service.asked().len()), (json!(0), 3));
}

#[test]
fn a_reply_that_comes_after_the_operator_gave_the_request_up_does_not_count() {
    let (service, open) = hesitating();
    let host = deployed(Host::start_saying(&HERE));
    reach(&host, "1", &service.url("/"), &json!({}));
    host.wait_until("it is asked", || open.lock().expect("not poisoned").len() == 1);
    let position = outbox(&host)["requests"][0]["position"].as_str().expect("a position").to_owned();
    host.web.post(&format!("outbox/{position}/discard"), "application/json", "").expect(200);
    came(&host, FAILED, 1);
    // Of the connection, nothing is left open here: the answer ends with it.
    open.lock().expect("not poisoned").drain(..).for_each(|mut stream| say(&mut stream, 200, "", "late"));
    host.wait_until("nothing is under way", || outbox(&host)["hosts"] == json!([]));
    reach(&host, "2", &service.url("/"), &json!({}));
    let replies = came(&host, REPLIED, 1);
    assert_eq!((&replies[0]["subject"], &replies[0]["data"]["body"]), (&json!("reach/2"), &json!("1")));
    assert_eq!(of_type(&host.web, FAILED)[0]["id"], of_type(&host.web, "retold.request.made")[0]["id"]);
    let told = came(&host, "test.told", 2);
    let of: Vec<&Value> = told.iter().map(|told| &told["data"]["of"]).collect();
    assert_eq!(of, [FAILED, REPLIED]);
    let metrics = String::from_utf8(host.web.get("//metrics").expect(200).body).expect("text");
    assert!(metrics.contains("retold_requests_replied_total{namespace=\"main\"} 1"), "{metrics}");
}
