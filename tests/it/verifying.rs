//! What runs, over history once more: nothing differs on a host in use, nor on one that was restored, and what was
//! damaged is found.

use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, ReadableTable, TableDefinition};
use serde_json::{Value, json};

use crate::support::{Host, Web, guest};

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

#[test]
fn a_backup_of_a_host_in_use_is_restored_and_verified_and_its_views_are_the_originals_at_that_position() {
    let (host, folder) = (host(), std::env::temp_dir().join(format!("retold-verifying-{}", std::process::id())));
    let _ = std::fs::remove_dir_all(&folder);
    let to = folder.to_str().expect("a path");
    let stop = AtomicBool::new(false);
    let at = std::thread::scope(|scope| {
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
    let head = host.web.append(&json!({ "specversion": "1.0", "id": "last", "source": "/load", "type": "test.other" })).expect(201).json();
    let at = head["positions"][0].as_str().expect("a position").to_owned();
    host.web.rows("faulty-rows", &format!("min-position={at}&timeout=100s"));
    host.terminate();
    let names = std::fs::read_dir(host.data().join("namespaces/main")).expect("a folder");
    let names = names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let file = names.filter(|name| name.starts_with("view")).collect::<Vec<_>>();
    assert_eq!(file.len(), 1, "{file:?}");
    damage(&host, &file[0], "rows");
    host.restart();
    let (code, replay, said) = verify(&host, &["--function", "faulty-rows"]);
    assert_eq!(code, Some(1), "{said}{replay}");
    let found = &function(&replay, "faulty-rows")["state"];
    assert_eq!(found["rows"]["different"], 1, "{found}");
    assert!(found["first"][0]["live"].to_string().contains("damaged"), "{found}");
}
