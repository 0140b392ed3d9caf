//! Who leaves in the middle of a change, and who comes in between: what was begun is done to its end and told, one change
//! after the other, and nothing that was acknowledged is lost.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::exporting::{export, import_of};
use crate::limits::{EVERYTHING, create};
use crate::support::{Host, Web, guest};

const JSON: &str = "application/json";

/// Sends a request and is gone soon after, before it is answered.
fn leave(host: &Host, token: &str, path: &str, body: &Value, after: Duration) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let who = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{who}Content-Type: {JSON}\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(host.url.trim_start_matches("http://")).expect("a connection");
    stream.write_all((head + &body).as_bytes()).expect("sent");
    thread::sleep(after);
    let _ = stream.shutdown(Shutdown::Both);
}

/// What comes of each moment to leave at.
fn moments() -> impl Iterator<Item = Duration> {
    [100, 300, 600, 1_000, 2_000, 4_000, 8_000].into_iter().map(Duration::from_micros)
}

/// Over once this is dropped, also where a test fails.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Appends until it is over, and answers the ids that were acknowledged.
fn append_until(web: &Web, over: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("kept-{number}");
        let event = json!({"specversion": "1.0", "id": id, "source": "/kept", "type": "test.kept", "subject": "kept", "data": {}});
        if matches!(web.append(&event).status, 200 | 201) {
            acknowledged.push(id);
        }
    }
    acknowledged
}

#[track_caller]
fn check_kept(web: &Web, acknowledged: &[String], when: &str) {
    let there: std::collections::BTreeSet<String> =
        web.events("types=test.kept").iter().filter_map(|event| Some(event["id"].as_str()?.to_owned())).collect();
    let lost: Vec<&String> = acknowledged.iter().filter(|id| !there.contains(*id)).collect();
    assert!(lost.is_empty(), "{when}: of {} acknowledged {} are lost, {:?} first", acknowledged.len(), lost.len(), lost[0]);
}

#[test]
fn a_change_is_told_by_the_log_also_where_whoever_asked_is_gone_h18() {
    let host = Host::start();
    let admin = create(&host, "", &["admin", "--allow", EVERYTHING]);
    let web = host.web.holding(&admin);
    web.deploy("hello", &guest("hello")).expect(201);
    let told = || web.events("types=retold.operator.acted").iter().filter(|event| event["subject"] == "pricing").count();
    let status = || web.function("pricing")["status"].clone();
    let mut made = 0;
    for moment in moments().chain(moments()) {
        for (verb, then) in [("pause", "paused"), ("resume", "active")] {
            leave(&host, &admin, &format!("/v1/namespaces/main/functions/pricing/{verb}"), &Value::Null, moment);
            host.wait_until("it is made, whoever is gone", || status() == then);
            made += 1;
        }
    }
    host.wait_until("all is told", || told() == made);
}

#[test]
fn a_fork_whose_maker_is_gone_is_made_once_and_keeps_what_it_took_h18() {
    let host = Host::start();
    let filler = "x".repeat(50_000);
    let events: Vec<Value> = (0..100)
        .map(|id| json!({"specversion": "1.0", "id": format!("{id}"), "source": "/s", "type": "test.large", "data": {"filler": filler}}))
        .collect();
    for portion in events.chunks(20) {
        host.web.post("events", "application/cloudevents-batch+json", Value::from(portion.to_vec()).to_string()).expect(201);
    }
    let mut kept = 0;
    for (number, moment) in moments().enumerate() {
        let name = format!("fork-{number}");
        let fork = json!({ "name": name, "fork": { "base": "main" } });
        let (web, over) = (host.web.namespace(&name), AtomicBool::new(false));
        let acknowledged = thread::scope(|scope| {
            let appending = scope.spawn(|| append_until(&web, &over));
            let until = Until(&over);
            leave(&host, "", "/v1/namespaces", &fork, moment);
            let again = host.web.post("//v1/namespaces", JSON, fork.to_string());
            assert!(matches!(again.status, 201 | 409), "{}", again.text());
            thread::sleep(Duration::from_millis(200));
            drop(until);
            appending.join().expect("it ends")
        });
        kept += acknowledged.len();
        check_kept(&web, &acknowledged, &name);
        host.web.delete(&format!("//v1/namespaces/{name}")).expect(200);
    }
    let left: Vec<_> =
        std::fs::read_dir(host.data().join("namespaces")).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["main"], "nothing is left of what was dropped");
    assert!(kept > 0, "nothing was appended");
}

#[test]
fn a_way_back_waits_for_the_promotion_whose_maker_is_gone_h18() {
    let host = Host::start();
    let over = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| {
        let appending = scope.spawn(|| append_until(&host.web, &over));
        let until = Until(&over);
        for moment in moments() {
            host.web.retell("better", json!({})).expect(202);
            host.wait_for_replay("better", |replay| replay["status"] == "level");
            leave(&host, "", "/v1/namespaces/better/promote", &json!({}), moment);
            let back = host.web.promote_back();
            assert!(matches!(back.status, 200 | 404 | 409), "{}", back.text());
            host.web.delete("//v1/namespaces/better");
        }
        drop(until);
        appending.join().expect("it ends")
    });
    assert!(acknowledged.len() > 20);
    check_kept(&host.web, &acknowledged, "promoted and back");
}

#[test]
fn what_is_appended_while_an_import_takes_an_empty_place_is_refused_or_kept_h18() {
    let from = Host::start();
    let event = |id: usize| json!({"specversion": "1.0", "id": id.to_string(), "source": "/s", "type": "test.old", "data": {}});
    let events: Vec<Value> = (0..50).map(event).collect();
    from.web.post("events", "application/cloudevents-batch+json", Value::from(events).to_string()).expect(201);
    let lines = export(&from, "main", &[]);
    let host = Host::start();
    for round in 0..12 {
        let name = format!("place-{round}");
        host.web.post("//v1/namespaces", JSON, json!({ "name": name }).to_string()).expect(201);
        let (web, begun) = (host.web.namespace(&name), AtomicBool::new(false));
        let acknowledged = thread::scope(|scope| {
            let importing = scope.spawn(|| {
                begun.store(true, Ordering::Relaxed);
                // Whichever comes first, the import or an event.
                import_of(&host, &name, &lines)
            });
            let appending: Vec<_> = (0..4)
                .map(|client| {
                    let (web, begun) = (web.clone(), &begun);
                    scope.spawn(move || {
                        while !begun.load(Ordering::Relaxed) {
                            thread::yield_now();
                        }
                        // Around the time when the import takes the place, which depends on the machine.
                        thread::sleep(Duration::from_millis(5 * client + 4 * round));
                        let id = format!("kept-{client}");
                        let event = json!({"specversion": "1.0", "id": id, "source": "/kept", "type": "test.kept", "data": {}});
                        (web.append(&event).status == 201).then_some(id)
                    })
                })
                .collect();
            importing.join().expect("it ends");
            appending.into_iter().filter_map(|client| client.join().expect("it ends")).collect::<Vec<_>>()
        });
        check_kept(&web, &acknowledged, &name);
    }
}

#[test]
fn a_namespace_that_many_make_at_once_is_made_by_one() {
    let host = Host::start();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let make = || Web::new(&host.url).post("//v1/namespaces", JSON, r#"{"name":"one"}"#).status;
        let making: Vec<_> = (0..16).map(|_| scope.spawn(make)).collect();
        making.into_iter().map(|one| one.join().expect("it ends")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 201)), "{statuses:?}");
}
