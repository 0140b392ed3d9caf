//! `retold rebuild`: what follows from the log is the same again, whatever became of it; and what is refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use redb::{Database, ReadableTable, TableDefinition};
use serde_json::{Value, json};

use crate::support::{Host, guest, retold};

const STATE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("state");
const LOG: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("log");
const IDS: TableDefinition<u64, &[u8]> = TableDefinition::new("ids");

fn run(verb: &str, data: &Path, more: &[&str]) -> Output {
    Command::new(retold()).args(["--json", verb]).args(more).arg("--data").arg(data).output().expect("retold runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

fn event(number: usize) -> [Value; 2] {
    let of = |r#type: &str, id: String, data: Value| json!({ "specversion": "1.0", "id": id, "source": "/load", "type": r#type, "subject": format!("s/{}", number % 7), "data": data });
    [of("test.count", format!("c{number}"), json!({ "do": "ok" })), of("test.show", format!("v{number}"), json!({ "do": "ok" }))]
}

/// A host with functions of every kind, and enough of a history for some of it to be sealed.
fn host() -> Host {
    let host = Host::start();
    for module in ["faulty", "faulty-kinds"] {
        host.web.deploy(module, &guest(module)).expect(201);
    }
    let filling = |batch: usize| {
        let event = |index: usize| json!({ "specversion": "1.0", "id": format!("f{batch}-{index}"), "source": "/load", "type": "thing.made", "data": "x".repeat(10_000) });
        (0..200).map(event).collect::<Vec<_>>()
    };
    for batch in 0..30 {
        let read = (0..20).flat_map(|index| event(batch * 20 + index));
        let lines: Vec<String> = read.chain(filling(batch)).map(|event| event.to_string()).collect();
        host.web.post("events", "application/x-ndjson", lines.join("\n")).expect(201);
    }
    host.wait_until_level("counter");
    host.wait_until("history is sealed", || !files(&host, "segment-").is_empty());
    host
}

/// Files of the namespace whose names begin so and that are whole.
fn files(host: &Host, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(host.data().join("namespaces/main")).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)) && !is_new(path)).collect()
}

fn is_new(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "new")
}

/// All that readers see: the log, and the rows of a view at its end.
fn seen(host: &Host) -> (Vec<u8>, Value) {
    host.wait_until_level("counter");
    let exported = host.retold(&["export", "main"]);
    assert!(exported.status.success(), "{}", said(&exported));
    let head = exported.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    (exported.stdout, json!(host.web.rows("faulty-rows", &format!("min-position={head}&timeout=100s"))))
}

fn change(file: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(file).expect("a database");
    let transaction = database.begin_write().expect("begun");
    change(&transaction);
    transaction.commit().expect("committed");
}

fn head(host: &Host) -> PathBuf {
    host.data().join("namespaces/main/head.redb")
}

/// Of an index, of a function's state, and of a view: each is other than it was, and none of it is the log.
fn damage(host: &Host) {
    change(&files(host, "segment-")[0], |transaction| {
        let mut ids = transaction.open_table(IDS).expect("a table");
        let key = ids.first().expect("read").expect("a row").0.value();
        ids.remove(key).expect("removed");
    });
    change(&head(host), |transaction| {
        let mut state = transaction.open_table(STATE).expect("a table");
        let key = state.last().expect("read").expect("a row").0.value().to_vec();
        state.insert(key.as_slice(), b"damaged".as_slice()).expect("written");
    });
    let views = files(host, "view-");
    assert!(!views.is_empty());
    views.iter().for_each(|view| std::fs::write(view, b"nothing of a view").expect("written"));
}

#[test]
fn an_index_state_and_rows_that_were_damaged_are_what_they_were_after_a_rebuild_also_one_that_was_killed_before_c8() {
    let mut host = host();
    let before = seen(&host);
    let refused = run("rebuild", host.data(), &["main"]);
    assert!(!refused.status.success() && said(&refused).contains("in use by another host"), "{}", said(&refused));
    host.terminate();
    damage(&host);
    let mut killed = 0;
    for wait_ms in [1, 30, 90, 200, 400] {
        let found = run("verify", host.data(), &[]);
        assert!(!found.status.success() && said(&found).contains("`retold rebuild` makes it again"), "{}", said(&found));
        let mut rebuild = Command::new(retold());
        rebuild.args(["rebuild", "main", "--data"]).arg(host.data()).stdout(std::process::Stdio::null());
        let mut process = rebuild.spawn().expect("retold runs");
        std::thread::park_timeout(Duration::from_millis(wait_ms));
        process.kill().expect("it is ours");
        if process.wait().expect("it ends").success() {
            break;
        }
        killed += 1;
    }
    assert!(killed > 1, "only {killed} were killed before their end");
    // What no log speaks of and can't be read is named, and left.
    let consumers = host.data().join("namespaces/main/consumers.redb");
    std::fs::write(&consumers, b"nothing of a consumer").expect("written");
    let rebuilt = run("rebuild", host.data(), &["main"]);
    assert!(rebuilt.status.success(), "{}", said(&rebuilt));
    let told = answer(&rebuilt);
    assert_eq!((&told["namespace"], &told["rebuilding"]), (&json!("main"), &json!(["counter"])), "{told}");
    assert!(told["lost"][0].as_str().is_some_and(|lost| lost.contains("consumers")) && told["lost"][1].is_null(), "{told}");
    std::fs::remove_file(consumers).expect("removed");
    assert!(told["segments"].as_u64() > Some(0) && told["modules"] == 2 && told["without_code"] == json!([]), "{told}");
    let whole = run("verify", host.data(), &[]);
    assert!(whole.status.success(), "{}", said(&whole));
    assert_eq!(answer(&whole)["logs"][0]["chain"], told["chain"]);
    host.restart();
    assert!(seen(&host) == before, "readers see something else than before");
    let replay = host.retold(&["--json", "verify", "--replay"]);
    assert!(replay.status.success(), "{}", said(&replay));
    // A known id is known.
    let again = host.web.append(&event(3)[0]);
    assert_eq!((again.status, seen(&host) == before), (200, true));
}

#[test]
fn a_rebuild_of_a_damaged_log_of_nobodys_or_of_nothing_is_refused_in_words_c8() {
    let mut host = Host::start();
    for number in 0..3 {
        host.web.append(&event(number)[0]).expect(201);
    }
    host.terminate();
    let unknown = run("rebuild", host.data(), &["nobody"]);
    assert!(unknown.status.code() == Some(3) && said(&unknown).contains("there are: main"), "{}", said(&unknown));
    change(&head(&host), |transaction| {
        let mut log = transaction.open_table(LOG).expect("a table");
        let mut bytes = log.get((2, 2)).expect("read").expect("the second commit").value().to_vec();
        let end = bytes.len() - 1;
        bytes[end] ^= 1;
        log.insert((2, 2), bytes.as_slice()).expect("written");
    });
    let file = std::fs::read(head(&host)).expect("read");
    let refused = run("rebuild", host.data(), &["main"]);
    let said_so = said(&refused);
    for part in ["head.redb is damaged at position 2", "restore it from a backup", "is as it was"] {
        assert!(!refused.status.success() && said_so.contains(part), "{said_so}");
    }
    assert!(std::fs::read(head(&host)).expect("read") == file, "nothing was changed");
    let nowhere = host.data().join("nowhere");
    let none = run("rebuild", &nowhere, &["main"]);
    assert!(!none.status.success() && said(&none).contains("there is no folder") && !nowhere.exists(), "{}", said(&none));
}
