//! Retellings that take their base's place, and those that must not; the host killed in the middle of it; and
//! readers who go on reading over all of it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Host, Web, host_with_ledger, ledger, pay, wait_until};

const KILLS: u64 = 10;

/// A module as a retelling is given it.
fn with(version: &str) -> Value {
    json!([{ "name": "ledger", "wasm": base64(&ledger(version)) }])
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |three: u32, at: u32| LETTERS[(three >> (18 - 6 * at)) as usize & 63] as char;
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = (0..3).fold(0, |three, at| three << 8 | u32::from(chunk.get(at).copied().unwrap_or_default()));
        (0..4).for_each(|at| text.push(if at as usize <= chunk.len() { letter(three, at) } else { '=' }));
    }
    text
}

fn generation(web: &Web) -> u64 {
    let namespaces = web.get("//v1/namespaces").expect(200).json();
    let main = namespaces["namespaces"].as_array().expect("a list").iter().find(|namespace| namespace["name"] == "main");
    main.and_then(|main| main["generation"].as_u64()).unwrap_or_else(|| panic!("{namespaces}"))
}

fn names(web: &Web) -> Vec<String> {
    let namespaces = web.get("//v1/namespaces").expect(200).json();
    let named = |namespace: &Value| namespace["name"].as_str().expect("a name").to_owned();
    namespaces["namespaces"].as_array().expect("a list").iter().map(named).collect()
}

/// Refused, with what to do; main is what it was.
#[track_caller]
fn refused(web: &Web, before: &[Value], answer: &crate::support::Answer, status: u16, kind: &str, says: &str) {
    let problem = answer.problem(status, kind);
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains(says), "{detail:?} doesn't say {says:?}");
    assert_eq!((web.events(""), generation(web)), (before.to_vec(), 1), "{detail}");
}

#[test]
fn what_can_not_be_promoted_is_refused_with_what_to_do_and_nothing_is_changed() {
    let host = host_with_ledger(40, 0);
    let web = &host.web;
    web.command("payment.make", "account/9", "poisoned", &json!({ "amount": 1, "poison": true })).expect(200);
    host.wait_until_level("booking");
    let before = web.events("");
    let refused = |answer, status, kind, says| refused(web, &before, &answer, status, kind, says);
    refused(web.promote(), 409, "generation-conflict", "retold retell");
    refused(web.promote_back(), 409, "generation-conflict", "no earlier generation");
    refused(web.namespace("nobody").promote(), 404, "unknown-namespace", "nobody");
    refused(web.namespace("nobody").promote_back(), 404, "unknown-namespace", "nobody");
    refused(web.get("diff/nobody"), 404, "unknown-namespace", "nobody");
    refused(web.post("modules/ledger/rollback", "application/json", ""), 409, "generation-conflict", "never had another");
    refused(web.post("modules/nobody/rollback", "application/json", ""), 404, "unknown-module", "nobody");
    refused(web.send("DELETE", "//v1/namespaces/main", &[], b""), 409, "generation-conflict", "can't be dropped");
    let retell =
        |base: &str| web.post("//v1/namespaces", "application/json", json!({ "name": "a", "retell": { "base": base } }).to_string());
    refused(retell("nobody"), 404, "unknown-namespace", "nobody");
    refused(web.retell("a", json!({ "without": ["nobody"] })), 404, "unknown-module", "nobody");
    refused(web.retell("main", json!({})), 409, "generation-conflict", "another name");
    refused(web.retell("a", json!({ "with": [{ "name": "ledger", "wasm": base64(b"no module") }] })), 415, "not-wasm", "");
    assert_eq!(names(web), ["main"], "nothing is left of what was refused");
    // One that was stopped, and is told again only when it is resumed; its own log takes nothing.
    web.retell("a", json!({})).expect(202);
    web.wait_until_retold("a");
    refused(retell("a"), 409, "generation-conflict", "there is a namespace");
    let other = json!({ "name": "b", "retell": { "base": "a" } }).to_string();
    refused(web.post("//v1/namespaces", "application/json", other), 409, "generation-conflict", "not live");
    refused(web.namespace("a").command("payment.make", "account/1", "x", &json!({ "amount": 1 })), 409, "read-only", "promote a");
    web.post("replays/a/stop", "application/json", "").expect(200);
    refused(web.namespace("a").promote(), 409, "generation-conflict", "replays resume a");
    // One that has failed.
    web.retell("failing", json!({ "with": with("halts") })).expect(202);
    let failed = web.ended_replay("failing");
    let message = failed["failed"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("booking can't handle the event at position"), "{failed}");
    refused(web.namespace("failing").promote(), 409, "generation-conflict", message);
    // What is gone, is gone.
    for name in ["a", "failing"] {
        web.send("DELETE", &format!("//v1/namespaces/{name}"), &[], b"").expect(200);
        refused(web.namespace(name).promote(), 404, "unknown-namespace", name);
    }
    assert_eq!(names(web), ["main"]);
}

#[test]
fn a_retelling_that_is_far_behind_is_not_promoted_until_it_is_level() {
    let mut host = host_with_ledger(12_000, 0);
    host.web.retell("late", json!({ "budget": 1 })).expect(202);
    let problem = host.web.namespace("late").promote().problem(409, "generation-conflict");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("behind main: wait until it is level")), "{problem}");
    host.web.post("replays/late/stop", "application/json", "").expect(200);
    let stopped = host.web.wait_for_replay("late", |replay| replay["status"] == "stopped");
    // It stands where it stands, whatever becomes of the host.
    for end in [Host::kill, |host: &mut Host| assert!(host.terminate().success())] {
        end(&mut host);
        host.restart();
        let still = host.web.wait_for_replay("late", |replay| replay["status"] == "stopped");
        assert_eq!((&still["position"], &still["retelling"]), (&stopped["position"], &stopped["retelling"]), "{still}");
    }
    host.web.send("DELETE", "//v1/namespaces/late", &[], b"").expect(200);
    assert_eq!(generation(&host.web), 1);
}

/// Source events by source and id, with what they hold.
fn sources(web: &Web) -> BTreeMap<String, Value> {
    let events = web.events("types=payment.made");
    let count = events.len();
    let by_id: BTreeMap<String, Value> =
        events.into_iter().map(|event| (format!("{} {}", event["source"], event["id"]), event["data"].clone())).collect();
    assert_eq!(by_id.len(), count, "none twice");
    by_id
}

#[test]
fn a_host_killed_while_a_retelling_is_made_or_promoted_has_the_old_log_or_the_new_one_whole() {
    let mut host = host_with_ledger(600, 0);
    let (mut payments, mut promoted, mut told) = (600, 0, 0);
    for kill in 0..KILLS {
        let (name, web, before) = (format!("next-{kill}"), host.web.clone(), generation(&host.web));
        let version = with(if kill % 4 < 2 { "good" } else { "ledger" });
        let expected = sources(&host.web);
        // Either at its beginning, or when it takes the place.
        let early = kill % 2 == 0;
        if !early {
            host.web.retell(&name, json!({ "with": version })).expect(202);
            host.web.wait_until_retold(&name);
        }
        std::thread::scope(|scope| {
            let (name, web) = (&name, &web);
            let asked = scope.spawn(move || {
                let request = json!({ "name": name, "retell": { "base": "main", "with": version } }).to_string();
                let headers = [("content-type", "application/json")];
                if early && web.try_send("POST", "//v1/namespaces", &headers, request.as_bytes()).is_err() {
                    return;
                }
                loop {
                    match web.namespace(name).try_send("POST", "promote", &headers, b"{}") {
                        Ok(answer) if answer.status == 200 => return,
                        Err(_) => return,
                        Ok(_) => std::thread::park_timeout(Duration::from_millis(5)),
                    }
                }
            });
            // At another moment each time; it doesn't matter which.
            std::thread::park_timeout(Duration::from_millis(if early { 20 + kill * 97 % 600 } else { kill * 11 % 60 }));
            host.kill();
            drop(asked.join());
        });
        host.restart();
        let after = generation(&host.web);
        assert!(after == before || after == before + 1, "{before} and then {after}");
        assert_eq!(sources(&host.web), expected, "one log or the other, whole");
        if after == before && names(&host.web).contains(&name) {
            // It goes on, and can take the place now.
            let level = host.web.wait_until_retold(&name);
            assert_eq!(level["retelling"]["kept"], payments, "{level}");
            host.web.namespace(&name).promote().expect(200);
        }
        if generation(&host.web) > before {
            (promoted, told) = (generation(&host.web) - 1, payments);
        }
        host.wait_until_level("booking");
        let receipts = || host.web.events("types=retold.generation.promoted");
        // What was cut off is recorded once the host is back.
        let receipts = wait_until(receipts, |receipts| receipts.len() as u64 >= promoted.min(1));
        if promoted > 0 {
            let receipt = &receipts.last().unwrap_or_else(|| panic!("no receipt of promotion {promoted}"))["data"];
            assert_eq!((&receipt["generation"], &receipt["kept"]), (&json!(promoted + 1), &json!(told)), "{receipt}");
        }
        assert_eq!(receipts.len() as u64, promoted.min(1), "one receipt in each log");
        pay(&host.web, payments..payments + 4, 0);
        payments += 4;
        host.wait_until_level("booking");
        assert_eq!(host.web.events("types=ledger.booked").len() as u64, payments);
        if kill % 3 == 2 && promoted > 0 {
            let old = format!("main@{}", generation(&host.web) - 1);
            host.web.send("DELETE", &format!("//v1/namespaces/{old}"), &[], b"");
        }
    }
    assert!(promoted > 0, "some of it came through");
}

#[test]
fn the_old_generation_can_be_read_and_takes_nothing_and_stays_while_a_fork_needs_it() {
    let mut host = host_with_ledger(60, 0);
    let fork = json!({ "name": "whatif", "fork": { "base": "main", "at": "30" } }).to_string();
    host.web.post("//v1/namespaces", "application/json", fork).expect(201);
    host.web.retell("other", json!({})).expect(202);
    host.web.wait_until_retold("other");
    let old_events = host.web.events("");
    host.web.retell("next", json!({ "with": with("different") })).expect(202);
    host.web.wait_until_retold("next");
    host.web.namespace("next").promote().expect(200);
    for time in ["now", "after a restart"] {
        let old = host.web.namespace("main@1");
        assert_eq!(old.events(""), old_events, "{time}");
        let event = json!({ "specversion": "1.0", "id": "x", "source": "/bank", "type": "payment.made", "subject": "account/1", "data": { "amount": 1 } });
        let says = |answer: crate::support::Answer| {
            let problem = answer.problem(409, "read-only");
            assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("promote --back main")), "{time}: {problem}");
        };
        says(old.append(&event));
        says(old.command("payment.make", "account/1", "y", &json!({ "amount": 1 })));
        says(old.deploy("ledger", &ledger("good")));
        says(old.post("modules/ledger/rollback", "application/json", ""));
        // Another retelling of it is of what is no longer live.
        let problem = host.web.namespace("other").promote().problem(409, "generation-conflict");
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains("main has got another log") && detail.contains("retell main again"))
        );
        let problem = host.web.send("DELETE", "//v1/namespaces/main@1", &[], b"").problem(409, "generation-conflict");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains("whatif") && detail.contains("drop these first"), "{detail}");
        if time == "now" {
            host.kill();
            host.restart();
        }
    }
    for name in ["whatif", "other", "main@1"] {
        host.web.send("DELETE", &format!("//v1/namespaces/{name}"), &[], b"").expect(200);
    }
    assert_eq!(names(&host.web), ["main"]);
    let problem = host.web.promote_back().problem(409, "generation-conflict");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("no earlier generation")), "{problem}");
    pay(&host.web, 60..64, 0);
    host.wait_until_level("booking");
    assert_eq!(host.web.events("types=ledger.booked").len(), 64);
}

/// What a reader was shown last of each event, by source and id.
type Seen = BTreeMap<(String, String), Value>;

fn see(seen: &mut Seen, event: &Value) {
    let text = |name: &str| event[name].as_str().expect("text").to_owned();
    seen.insert((text("source"), text("id")), event["data"].clone());
}

/// Whether a reader has seen all of a log as it is, but for what the host itself notes in it.
fn lacks(seen: &Seen, log: &[Value]) -> Vec<Value> {
    let mine = |event: &&Value| {
        let key = (event["source"].as_str().expect("text").to_owned(), event["id"].as_str().expect("text").to_owned());
        seen.get(&key) != Some(&event["data"])
    };
    log.iter().filter(mine).cloned().collect()
}

/// Reads page by page until it is told to stop and has reached the end. Answers what it saw, and its cursors.
fn read_pages(web: &Web, stop: &AtomicBool) -> (Seen, Vec<String>) {
    let (mut seen, mut cursors) = (Seen::new(), vec!["0".to_owned()]);
    loop {
        let ending = stop.load(Ordering::Acquire);
        let after = cursors.last().expect("one at least").clone();
        let page = web.get(&format!("events?limit=7&after={after}")).expect(200).json();
        let events = page["events"].as_array().expect("a list");
        events.iter().for_each(|event| see(&mut seen, event));
        let cursor = page["cursor"].as_str().expect("a cursor").to_owned();
        if events.is_empty() && cursor == after && ending {
            return (seen, cursors);
        }
        cursors.push(cursor);
    }
}

/// Follows the stream, comes again whenever it is cut off, until it has seen `last`.
fn follow(url: &str, last: &Mutex<Option<Value>>) -> Seen {
    let (mut seen, mut id) = (Seen::new(), None::<String>);
    let address = url.trim_start_matches("http://");
    loop {
        let mut stream = TcpStream::connect(address).expect("the host listens");
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a time-out");
        let resume = id.as_ref().map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let request = format!("GET /v1/namespaces/main/events HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n{resume}\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut lines = BufReader::new(stream).lines();
        let mut next = None;
        // A line that doesn't come in time, and the end of the stream, are the same: it comes again.
        while let Some(Ok(line)) = lines.next() {
            if let Some(text) = line.strip_prefix("id:") {
                next = Some(text.trim().to_owned());
            } else if let Some(data) = line.strip_prefix("data:")
                && let Ok(event) = serde_json::from_str::<Value>(data.trim())
                && event["specversion"].is_string()
            {
                see(&mut seen, &event);
                id = next.take().or(id);
            }
            let end = last.lock().expect("not poisoned").clone();
            if end.is_some_and(|end| lacks(&seen, &[end]).is_empty()) {
                return seen;
            }
        }
    }
}

#[test]
fn readers_miss_nothing_over_a_promotion_and_the_way_back_while_events_come() {
    let host = host_with_ledger(300, 0);
    let (stop_appending, stop_reading, last) = (AtomicBool::new(false), AtomicBool::new(false), Mutex::new(None));
    let (mut generations, mut payments) = (Vec::new(), 0);
    let ((paged, cursors), streamed) = std::thread::scope(|scope| {
        let web = host.web.clone();
        let appending = scope.spawn(|| {
            let web = web;
            let mut next = 300;
            while !stop_appending.load(Ordering::Acquire) {
                pay(&web, next..next + 3, 0);
                next += 3;
            }
            next
        });
        let reading = host.web.clone();
        let stop = &stop_reading;
        let paged = scope.spawn(move || read_pages(&reading, stop));
        let streamed = scope.spawn(|| follow(&host.url, &last));
        for (name, version) in [("next", "different"), ("third", "good")] {
            host.web.retell(name, json!({ "with": with(version) })).expect(202);
            host.web.wait_for_replay(name, |replay| replay["status"] == "level");
            let promoted = wait_until(|| host.web.namespace(name).promote(), |answer| answer.status == 200).json();
            generations.push(promoted["generation"].as_u64().expect("a generation"));
            let behind = host.web.events("").len() + 100;
            wait_until(|| host.web.events("").len(), |events| *events > behind);
            let back = host.web.promote_back().expect(200).json();
            generations.push(back["generation"].as_u64().expect("a generation"));
        }
        stop_appending.store(true, Ordering::Release);
        payments = appending.join().expect("it appended");
        host.wait_until_level("booking");
        *last.lock().expect("not poisoned") = Some(host.web.events("").pop().expect("events"));
        let streamed = streamed.join().expect("it followed");
        stop_reading.store(true, Ordering::Release);
        (paged.join().expect("it read"), streamed)
    });
    assert_eq!(generations, [2, 3, 4, 5]);
    let log = host.web.events("");
    let paid: Vec<&Value> = log.iter().filter(|event| event["type"] == "payment.made").collect();
    assert_eq!(paid.len() as u64, payments, "what was accepted anywhere is there, once");
    assert_eq!(log.iter().filter(|event| event["type"] == "ledger.booked").count() as u64, payments);
    assert_eq!(lacks(&paged, &log), Vec::<Value>::new(), "by pages");
    assert_eq!(lacks(&streamed, &log), Vec::<Value>::new(), "by stream");
    assert!(cursors.iter().any(|cursor| cursor.matches('.').count() == 3), "it was between two generations once: {cursors:?}");
    // Wherever a reader was, it comes to the end from there.
    for cursor in cursors.iter().step_by(cursors.len().div_ceil(20)) {
        let mut after = cursor.clone();
        let end = wait_until(
            || {
                let page = host.web.get(&format!("events?limit=1000&after={after}")).expect(200).json();
                page["cursor"].as_str().expect("a cursor").to_owned()
            },
            |_| true,
        );
        after = end;
        assert!(after.starts_with("5.") || after.matches('.').count() == 3, "{cursor} leads to {after}");
    }
}
