//! What runs, over history once more: nothing differs on a host in use, nor on one that was restored, and what was
//! damaged is found.

use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, ReadableTable, TableDefinition};
use retold_engine::model::Digest;
use serde_json::{Value, json};

use crate::support::{Host, Web, guest, host_with_ledger, ledger, outputs, pay};

fn host() -> Host {
    let host = Host::start();
    for module in ["faulty", "faulty-kinds"] {
        host.web.deploy(module, &guest(module)).expect(201);
    }
    host
}

fn send(web: &Web, number: usize) {
    let of = |r#type: &str, id: String| json!({ "specversion": "1.0", "id": id, "source": "/load", "type": r#type, "subject": format!("s/{}", number % 7), "data": { "do": "ok" } });
    let batch = json!([of("test.count", format!("c{number}")), of("test.show", format!("v{number}"))]);
    web.post("events", "application/cloudevents-batch+json", batch.to_string()).expect(201);
}

/// The exit code and the report of `retold verify --replay`.
fn verify(host: &Host, more: &[&str]) -> (Option<i32>, Value, String) {
    let output = host.retold(&[&["--json", "verify", "--replay"], more].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}")), said)
}

#[track_caller]
fn function<'a>(replay: &'a Value, name: &str) -> &'a Value {
    let all = replay["functions"].as_array().expect("functions");
    all.iter().find(|function| function["function"] == name).unwrap_or_else(|| panic!("no {name}: {replay}"))
}

#[track_caller]
fn clean(host: &Host, more: &[&str]) -> Value {
    let (code, replay, said) = verify(host, more);
    assert_eq!(code, Some(0), "{said}{replay}");
    assert_eq!((&replay["kind"], &replay["status"]), (&json!("verification"), &json!("done")), "{replay}");
    let counter = function(&replay, "counter");
    assert!(counter["outputs"]["equal"].as_u64() > Some(0) && counter["state"]["rows"]["equal"].as_u64() > Some(0), "{counter}");
    replay
}

/// Changes the last row of a table in a stopped host's namespace.
fn damage(host: &Host, file: &str, table: &str) {
    let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(table);
    let database = Database::open(host.data().join("namespaces/main").join(file)).expect("a database");
    let transaction = database.begin_write().expect("begun");
    {
        let mut table = transaction.open_table(table).expect("a table");
        let key = table.last().expect("read").expect("a row").0.value().to_vec();
        table.insert(key.as_slice(), b"damaged".as_slice()).expect("written");
    }
    transaction.commit().expect("committed");
}

/// A test that fails doesn't wait for a client that goes on.
struct Stopped<'a>(&'a AtomicBool);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn a_backup_of_a_host_in_use_is_restored_and_verified_and_its_views_are_the_originals_at_that_position() {
    let (host, folder) = (host(), std::env::temp_dir().join(format!("retold-verifying-{}", std::process::id())));
    let _ = std::fs::remove_dir_all(&folder);
    let to = folder.to_str().expect("a path");
    let stop = AtomicBool::new(false);
    let at = std::thread::scope(|scope| {
        let _stopped = Stopped(&stop);
        scope.spawn(|| (0..).take_while(|_| !stop.load(Ordering::Acquire)).for_each(|number| send(&host.web, number)));
        host.wait_until("some are counted", || host.web.events("types=test.counted").len() > 50);
        assert!(host.retold(&["backup", "main", "--to", to]).status.success());
        // The host in use finds itself as it should be, at one position.
        clean(&host, &[]);
        stop.store(true, Ordering::Release);
        let answer = host.retold(&["--json", "backup", "main", "--to", to]);
        serde_json::from_slice::<Value>(&answer.stdout).expect("JSON")["at"].as_str().expect("a position").to_owned()
    });
    let other = Host::start();
    let restored = other.retold(&["restore", "main", "--from", to]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    // Its states and views are made only now: they are waited for.
    let replay = clean(&other, &[]);
    let view = function(&replay, "faulty-rows");
    assert!(view["state"]["rows"]["equal"].as_u64() > Some(0), "{view}");
    // The original, up to there.
    assert!(host.retold(&["fork", "main", "--as", "then", "--at", &at]).status.success());
    let query = format!("min-position={at}&timeout=100s");
    assert_eq!(other.web.rows("faulty-rows", &query), host.web.namespace("then").rows("faulty-rows", &query));
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn state_that_is_not_what_history_makes_is_found_and_shown() {
    let mut host = host();
    (0..30).for_each(|number| send(&host.web, number));
    host.wait_until_level("counter");
    clean(&host, &["--function", "counter"]);
    host.terminate();
    damage(&host, "head.redb", "state");
    host.restart();
    let (code, replay, said) = verify(&host, &[]);
    assert_eq!(code, Some(1), "{replay}");
    assert!(said.contains("counter 1 row other than live"), "{said}");
    let found = &function(&replay, "counter")["state"];
    assert_eq!(found["rows"]["different"], 1, "{found}");
    assert!(found["first"][0]["live"].to_string().contains("damaged"), "{found}");
    let (code, only, said) = verify(&host, &["--function", "faulty-rows"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((only["functions"].as_array().map(Vec::len), &only["target"]), (Some(1), &json!("faulty-rows")), "{only}");
    // Nothing of it is lost with the host.
    host.kill();
    host.restart();
    let kept = host.web.get(&format!("replays/{}", replay["id"].as_str().expect("an id"))).expect(200).json();
    assert_eq!(function(&kept, "counter")["state"], function(&replay, "counter")["state"]);
    host.web.post("verify?function=nobody", "application/json", "").problem(404, "unknown-function");
}

#[test]
fn rows_of_a_view_that_are_not_what_history_makes_are_found_and_shown() {
    let mut host = host();
    (0..30).for_each(|number| send(&host.web, number));
    let shown_up_to_now = |web: &Web, id: &str| {
        let head = web.append(&json!({ "specversion": "1.0", "id": id, "source": "/load", "type": "test.other" })).expect(201).json();
        let at = head["positions"][0].as_str().expect("a position").to_owned();
        web.rows("faulty-rows", &format!("min-position={at}&timeout=100s"));
    };
    shown_up_to_now(&host.web, "before");
    host.terminate();
    let names = std::fs::read_dir(host.data().join("namespaces/main")).expect("a folder");
    let names = names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let file = names.filter(|name| name.starts_with("view")).collect::<Vec<_>>();
    assert_eq!(file.len(), 1, "{file:?}");
    damage(&host, &file[0], "rows");
    host.restart();
    // What it doesn't take moves the view on, and its file not.
    shown_up_to_now(&host.web, "after");
    let (code, replay, said) = verify(&host, &["--function", "faulty-rows"]);
    assert_eq!(code, Some(1), "{said}{replay}");
    let found = &function(&replay, "faulty-rows")["state"];
    assert_eq!(found["rows"]["different"], 1, "{found}");
    assert!(found["first"][0]["live"].to_string().contains("damaged"), "{found}");
}

/// Changes what the log of a stopped host says, and links the chain anew behind it, as one would who means to deceive.
fn forge(host: &Host, from: &[u8], to: &[u8]) {
    const LOG: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("log");
    const CHAIN_BYTES: usize = 32;
    let database = Database::open(host.data().join("namespaces/main/head.redb")).expect("a database");
    let transaction = database.begin_write().expect("begun");
    let mut forged = 0;
    {
        let mut log = transaction.open_table(LOG).expect("a table");
        let rows = log.iter().expect("read").map(|row| row.map(|(key, bytes)| (key.value(), bytes.value().to_vec())).expect("a row"));
        let rows: Vec<_> = rows.collect();
        let mut chain = Digest::ZERO;
        for (key, mut bytes) in rows {
            let end = bytes.len() - CHAIN_BYTES;
            for at in 0..end - from.len() {
                if bytes[at..].starts_with(from) {
                    bytes[at..at + to.len()].copy_from_slice(to);
                    forged += 1;
                }
            }
            chain = Digest::link(chain, &bytes[..end]);
            bytes[end..].copy_from_slice(&chain.0);
            log.insert(key, bytes.as_slice()).expect("written");
        }
    }
    transaction.commit().expect("committed");
    assert_eq!(forged, 1);
}

/// What a report says of booking: the version that ran before, how far, and its equal, new, missing, different outputs.
fn of_booking(replay: &Value) -> Vec<(Value, Value, [u64; 4])> {
    let all = replay["functions"].as_array().expect("functions").iter().filter(|function| function["function"] == "booking");
    all.map(|function| (function["former"]["version"].clone(), function["former"]["upto"].clone(), outputs(function))).collect()
}

#[test]
fn what_earlier_versions_made_is_held_against_their_own_code_and_what_was_changed_of_it_is_found() {
    let mut host = host_with_ledger(40, 0);
    let cursor = host.web.function("booking")["cursor"].clone();
    let switched = json!(cursor.as_str().and_then(|cursor| cursor.split_once('.')).expect("GENERATION.POSITION").1);
    host.web.deploy("ledger", &ledger("different")).expect(201);
    pay(&host.web, 40..70, 0);
    host.wait_until_level("booking");
    let (code, replay, said) = verify(&host, &["--function", "booking"]);
    assert_eq!(code, Some(0), "{said}{replay}");
    assert_eq!(of_booking(&replay), [(Value::Null, Value::Null, [30, 0, 0, 0]), (json!("1.0.0"), switched, [40, 0, 0, 0])], "{replay}");
    // Code that came back has what it made each time, and between them there is the other.
    assert!(host.retold(&["rollback", "ledger"]).status.success());
    pay(&host.web, 70..80, 0);
    host.wait_until_level("booking");
    let (code, replay, said) = verify(&host, &["--function", "booking"]);
    assert_eq!(code, Some(0), "{said}{replay}");
    let counts = || of_booking(&replay).into_iter().map(|(_, _, counts)| counts);
    assert_eq!(counts().collect::<Vec<_>>(), [[10, 0, 0, 0], [40, 0, 0, 0], [30, 0, 0, 0]], "{replay}");
    host.terminate();
    forge(&host, br#"{"payments":1,"balance":8}"#, br#"{"payments":1,"balance":9}"#);
    host.restart();
    let (code, replay, said) = verify(&host, &["--function", "booking"]);
    assert_eq!(code, Some(1), "{replay}");
    assert!(said.contains("booking 1.0.0 1 different"), "{said}");
    assert_eq!(of_booking(&replay)[1].2, [39, 0, 0, 1], "{replay}");
    // Nothing of it is lost with the host.
    host.kill();
    host.restart();
    let kept = host.web.get(&format!("replays/{}", replay["id"].as_str().expect("an id"))).expect(200).json();
    assert_eq!(of_booking(&kept), of_booking(&replay));
}
