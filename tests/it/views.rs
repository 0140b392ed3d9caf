//! Views: rows that are always the fold of the log, read by key, by page and by question.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Host, Web, guest, reworded};

/// What is done to a stopped host's file.
type Damage = fn(&PathBuf);

const BATCH: &str = "application/cloudevents-batch+json";

fn faulty_kinds() -> Host {
    let host = Host::start();
    host.web.deploy("faulty-kinds", &guest("faulty-kinds")).expect(201);
    host
}

fn show(id: &str, subject: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": "test.show", "subject": subject, "data": data})
}

/// Counts `subjects` many subjects, `rounds` times each.
#[track_caller]
fn count(web: &Web, name: &str, subjects: u32, rounds: u32) -> String {
    let mut head = String::new();
    for round in 0..rounds {
        let events: Vec<Value> =
            (0..subjects).map(|n| show(&format!("{name}-{round}-{n}"), &format!("row/{n:04}"), &json!({ "do": "ok" }))).collect();
        let answer = web.post("events", BATCH, json!(events).to_string()).expect(201).json();
        head = answer["positions"].as_array().and_then(|all| all.last()).and_then(Value::as_str).expect("a position").to_owned();
    }
    head
}

fn rows_at(web: &Web, head: &str) -> Vec<(String, Value)> {
    web.rows("faulty-rows", &format!("min-position={head}&timeout=100s"))
}

fn view_files(host: &Host) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(host.data().join("namespaces/main")).expect("the namespace's folder");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("view-"))).collect()
}

#[test]
fn rows_are_read_by_key_and_in_pages_that_miss_none() {
    let host = faulty_kinds();
    let head = count(&host.web, "a", 250, 2);
    let row = host.web.get(&format!("views/faulty-rows/row/0007?min-position={head}")).expect(200).json();
    assert_eq!((&row["key"], &row["value"], &row["position"]), (&json!("row/0007"), &json!(2), &json!(head)), "{row}");
    assert_eq!(row["lag"], 0, "{row}");
    let (mut keys, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = host.web.get(&format!("views/faulty-rows?prefix=row/&limit=70{after}")).expect(200).json();
        keys.extend(page["rows"].as_array().expect("rows").iter().map(|row| row["key"].as_str().expect("a key").to_owned()));
        pages += 1;
        if page["more"] == false {
            assert_eq!(page["next"], Value::Null, "{page}");
            break;
        }
        after = format!("&after-key={}", page["next"].as_str().expect("a key"));
    }
    assert_eq!(pages, 4);
    assert_eq!(keys, (0..250).map(|n| format!("row/{n:04}")).collect::<Vec<_>>());
    let some = host.web.get("views/faulty-rows?prefix=row/001&after-key=row/0012&limit=3").expect(200).json();
    let keys: Vec<&str> = some["rows"].as_array().expect("rows").iter().filter_map(|row| row["key"].as_str()).collect();
    assert_eq!((keys, &some["more"]), (vec!["row/0013", "row/0014", "row/0015"], &json!(true)));
    let none = host.web.get("views/faulty-rows?prefix=rox").expect(200).json();
    assert_eq!((&none["rows"], &none["more"]), (&json!([]), &json!(false)), "{none}");
    let behind = host.web.get("views/faulty-rows?prefix=row/&after-key=zzz").expect(200).json();
    assert_eq!(behind["rows"], json!([]), "a key behind all others: {behind}");
}

#[test]
fn what_can_not_be_read_of_a_view_is_named() {
    let host = faulty_kinds();
    let head = count(&host.web, "a", 3, 1);
    rows_at(&host.web, &head);
    let web = &host.web;
    let problem = web.get("views/faulty-rows/row/nine").problem(404, "unknown-row");
    assert_eq!((&problem["key"], &problem["position"], &problem["lag"]), (&json!("row/nine"), &json!(head), &json!(0)), "{problem}");
    for limit in ["10001", "0", "-1", "99999999999999999999", "many", ""] {
        let problem = web.get(&format!("views/faulty-rows?limit={limit}"));
        if limit == "0" && problem.status == 200 {
            continue;
        }
        assert_eq!(problem.problem(400, "invalid-parameter")["field"], "limit", "limit={limit}");
    }
    web.get("views/faulty-rows?after=row/1").problem(400, "invalid-parameter");
    web.get("views/faulty-rows?min-position=soon").problem(400, "invalid-parameter");
    web.get("views/faulty-rows?timeout=301s").problem(400, "invalid-parameter");
    web.get("views/nothing").problem(404, "unknown-function");
    web.get("views/nothing/row/1").problem(404, "unknown-function");
    web.get("views/faulty-account").problem(404, "unknown-function");
    web.post("views/nothing/query?name=misbehave", "application/json", "\"count\"").problem(404, "unknown-function");
    web.post("views/nothing/rebuild", "application/json", "").problem(404, "unknown-function");
    // Further than the log: an answer within the time that it was given, and then it says where that ends.
    let problem = web.get("views/faulty-rows?min-position=1000000&timeout=100ms").problem(400, "invalid-parameter");
    let told = (&problem["field"], &problem["view"], &problem["position"], &problem["head"]);
    assert_eq!(told, (&json!("min-position"), &json!("faulty-rows"), &json!(head), &json!(head)), "{problem}");
    web.get("views/faulty-rows/row/0001?min-position=1000000&timeout=0s").problem(400, "invalid-parameter");
}

#[test]
fn who_appends_and_asks_with_the_position_reads_the_own_write() {
    let host = faulty_kinds();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let url = &host.url;
            scope.spawn(move || {
                let web = Web::new(url);
                for n in 1..=50 {
                    let (id, subject) = (format!("{writer}-{n}"), format!("writer/{writer}"));
                    let answer = web.append(&show(&id, &subject, &json!({ "do": "ok" }))).expect(201).json();
                    let position = answer["positions"][0].as_str().expect("a position");
                    let row = web.get(&format!("views/faulty-rows/{subject}?min-position={position}&timeout=100s")).expect(200).json();
                    assert_eq!(row["value"], n, "{row}");
                }
            });
        }
    });
}

#[test]
fn a_query_answers_on_one_snapshot_or_says_why_not() {
    let host = faulty_kinds();
    let head = count(&host.web, "a", 40, 1);
    let ask = |what: &str| host.web.post(&format!("views/faulty-rows/query?name=misbehave&min-position={head}"), "application/json", what);
    assert_eq!(ask("\"count\"").expect(200).json(), 40);
    #[track_caller]
    fn failed(answer: crate::support::Answer, reason: &str, says: &str) {
        let problem = answer.problem(500, "function-failed");
        assert_eq!((&problem["function"], &problem["reason"]), (&json!("faulty-rows"), &json!(reason)), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{problem} doesn't say {says:?}");
    }
    failed(ask("\"trap\""), "trap", "told to trap in a query");
    failed(ask("\"loop\""), "fuel", "fuel");
    failed(ask("\"memory\""), "memory", "memory-bytes");
    failed(ask("\"flood\""), "memory", "memory-bytes");
    failed(ask("\"write\""), "state", "");
    let problem = ask("\"refuse\"").expect(422).json();
    let expected = (&json!("urn:retold:problem:query-rejected"), &json!("told"), &json!("told to refuse"), &json!(7));
    assert_eq!((&problem["type"], &problem["code"], &problem["detail"], &problem["data"]), expected, "the view's own words");
    assert_eq!(ask("\"sing\"").problem(422, "query-rejected")["code"], "invalid-query");
    assert_eq!(ask("{").problem(422, "query-rejected")["code"], "invalid-query");
    let problem = host.web.post("views/faulty-rows/query?name=sing", "application/json", "1");
    assert!(matches!(problem.status, 404 | 422) && problem.text().contains("sing"), "{}", problem.text());
    host.web.get("views/faulty-rows/written-by-a-query").problem(404, "unknown-row");
    // Many at once, some of which never end by themselves: each has an answer, and the view goes on.
    std::thread::scope(|scope| {
        for n in 0..12 {
            let url = &host.url;
            scope.spawn(move || {
                let (what, expected) = if n % 3 == 0 { ("\"loop\"", 500) } else { ("\"count\"", 200) };
                let answer = Web::new(url).post("views/faulty-rows/query?name=misbehave", "application/json", what);
                assert!(answer.status == expected || answer.status == 503, "{}", answer.text());
            });
        }
    });
    let head = count(&host.web, "b", 40, 1);
    assert!(rows_at(&host.web, &head).iter().all(|(_, row)| *row == 2));
}

#[test]
fn a_view_whose_file_is_damaged_lost_or_of_another_kind_has_the_same_rows_after_a_restart() {
    let mut host = faulty_kinds();
    let head = count(&host.web, "a", 400, 3);
    let expected = rows_at(&host.web, &head);
    assert_eq!(expected.len(), 400);
    let damages: [(&str, Damage); 8] = [
        ("nothing was done to it", |_| {}),
        ("lost", |file| std::fs::remove_file(file).expect("removed")),
        ("empty", |file| std::fs::write(file, b"").expect("written")),
        ("another kind of file", |file| std::fs::write(file, "not a database ".repeat(1_000)).expect("written")),
        ("half of it", |file| {
            let whole = std::fs::read(file).expect("read");
            std::fs::write(file, &whole[..whole.len() / 2]).expect("written");
        }),
        ("bytes turned everywhere", |file| {
            let mut bytes = std::fs::read(file).expect("read");
            bytes.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55);
            std::fs::write(file, bytes).expect("written");
        }),
        ("bytes turned at its beginning", |file| {
            let mut bytes = std::fs::read(file).expect("read");
            bytes.iter_mut().take(512).skip(9).for_each(|byte| *byte = !*byte);
            std::fs::write(file, bytes).expect("written");
        }),
        ("another database", |file| {
            let head = file.with_file_name("head.redb");
            std::fs::copy(head, file).expect("copied");
        }),
    ];
    for (name, damage) in damages {
        assert!(host.terminate().success());
        let files = view_files(&host);
        assert_eq!(files.len(), 1, "{name}: {files:?}");
        damage(&files[0]);
        host.restart();
        assert_eq!(rows_at(&host.web, &head), expected, "{name}");
        assert_eq!(host.web.function("faulty-rows")["status"], "active", "{name}");
    }
    host.web.post("views/faulty-rows/rebuild", "application/json", "").expect(202);
    assert_eq!(rows_at(&host.web, &head), expected, "rebuilt on demand");
    let head = count(&host.web, "b", 400, 1);
    assert!(rows_at(&host.web, &head).iter().all(|(_, row)| *row == 4), "and it goes on");
    // With its module its file goes.
    host.web.delete("modules/faulty-kinds").expect(200);
    host.web.get("views/faulty-rows").problem(404, "unknown-function");
    for _ in 0..1_000 {
        if view_files(&host).is_empty() {
            return;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    panic!("still there: {:?}", view_files(&host));
}

#[test]
fn a_view_that_is_rebuilt_by_many_at_once_serves_all_the_while() {
    let host = faulty_kinds();
    let head = count(&host.web, "a", 500, 20);
    let expected = rows_at(&host.web, &head);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            let web = host.web.clone();
            let (head, expected) = (&head, &expected);
            scope.spawn(move || {
                for _ in 0..3 {
                    web.post("views/faulty-rows/rebuild", "application/json", "").expect(202);
                    assert_eq!(rows_at(&web, head), *expected);
                    web.post("functions/faulty-rows/pause", "application/json", "").expect(200);
                    web.post("functions/faulty-rows/resume", "application/json", "").expect(200);
                }
            });
        }
    });
    let head = count(&host.web, "b", 100, 1);
    let rows = rows_at(&host.web, &head);
    let sum = |rows: &[(String, Value)]| rows.iter().map(|(_, row)| row.as_u64().unwrap_or(0)).sum::<u64>();
    assert_eq!(sum(&rows), sum(&expected) + 100, "and it goes on");
}

#[test]
fn who_waits_for_a_view_is_answered_by_the_one_that_took_its_place() {
    let host = faulty_kinds();
    let before = count(&host.web, "a", 50, 2);
    let expected = rows_at(&host.web, &before);
    host.web.post("functions/faulty-rows/pause", "application/json", "").expect(200);
    host.web.post("views/faulty-rows/rebuild", "application/json", "").expect(202);
    let head = count(&host.web, "b", 50, 1);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| rows_at(&host.web, &head));
        // It asks for the one that stands still at the beginning by then; were it later, it would have an easy time.
        std::thread::sleep(Duration::from_millis(500));
        host.web.post("views/faulty-rows/rebuild", "application/json", "").expect(202);
        host.web.post("functions/faulty-rows/resume", "application/json", "").expect(200);
        let rows = waiting.join().expect("answered");
        assert_eq!(rows.len(), expected.len());
        assert_eq!(rows, rows_at(&host.web, &head));
    });
}

#[test]
fn a_view_killed_while_it_folds_has_counted_every_event_once() {
    let mut host = faulty_kinds();
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    let mut head = 0;
    for kill in 0..6_u32 {
        let lines: String = (0..5_000)
            .map(|n| {
                let subject = format!("row/{}", n % (7 + kill));
                *expected.entry(subject.clone()).or_default() += 1;
                show(&format!("{kill}-{n}"), &subject, &json!({ "do": "ok" })).to_string() + "\n"
            })
            .collect();
        let loaded = host.web.post("events", "application/x-ndjson", lines).expect(201).json();
        assert_eq!(loaded["events"], 5_000, "{loaded}");
        head += 5_000;
        if kill % 2 == 0 {
            host.wait_for("faulty-rows", |now| now["lag"].as_u64().is_some_and(|lag| lag < 4_000));
        }
        host.kill();
        host.restart();
    }
    let rows = rows_at(&host.web, &(head + 1).to_string());
    let found: BTreeMap<String, u64> = rows.into_iter().map(|(key, row)| (key, row.as_u64().expect("a count"))).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_view_halts_at_an_event_that_it_can_not_fold_serves_on_and_goes_on_when_it_is_mended() {
    let mut host = faulty_kinds();
    let head = count(&host.web, "a", 5, 1);
    rows_at(&host.web, &head);
    let bad = host.web.append(&show("bad", "row/0003", &json!({ "do": "trap" }))).expect(201).json()["positions"][0].clone();
    let behind = count(&host.web, "b", 5, 1);
    for time in ["at once", "after a restart"] {
        let now = host.wait_for("faulty-rows", |now| now["status"] == "halted");
        assert_eq!((&now["halted"]["position"], &now["halted"]["reason"]), (&bad, &json!("trap")), "{time}: {now}");
        assert_eq!(host.web.get("views/faulty-rows/row/0003").expect(200).json()["value"], 1, "{time}: it serves on");
        let rows = host.web.get("views/faulty-rows").expect(200).json();
        assert!(rows["rows"].as_array().is_some_and(|rows| rows.len() == 5 && rows.iter().all(|row| row["value"] == 1)), "{time}: {rows}");
        let problem = host.web.get(&format!("views/faulty-rows?min-position={behind}&timeout=0s")).problem(503, "view-behind");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("stuck at event")), "{time}: {problem}");
        if time == "at once" {
            host.kill();
            host.restart();
        }
    }
    // The mended view reads another type, and so has no trouble with that event.
    let versions = ("0.1.0-as-it-was-before-it-was-mended", "0.1.1-as-it-is-now-that-it-is-mended");
    let mended = reworded(&guest("faulty-kinds"), &[("test.show", "test.view"), versions]);
    host.web.deploy("faulty-kinds", &mended).expect(201);
    let mut event = show("good", "row/0001", &json!({ "do": "ok" }));
    event["type"] = json!("test.view");
    let head = host.web.append(&event).expect(201).json()["positions"][0].as_str().expect("a position").to_owned();
    assert_eq!(rows_at(&host.web, &head), [("row/0001".to_owned(), json!(1))]);
    assert_eq!(host.web.function("faulty-rows")["status"], "active");
    assert_eq!(view_files(&host).len(), 2, "the file of the code before is kept, for a way back");
}

#[test]
fn whatever_a_view_does_wrong_leaves_nothing_of_its_event_and_halts_at_it() {
    let mut host = Host::start();
    let module = guest("faulty-kinds");
    let mut halted = Vec::new();
    for (what, reason) in
        [("trap", "trap"), ("loop", "fuel"), ("memory", "memory"), ("reject", "reject"), ("flood", "state"), ("bad_index", "state")]
    {
        let name = what.replace('_', "-");
        host.web.post("//v1/namespaces", "application/json", json!({ "name": name }).to_string()).expect(201);
        let web = host.web.namespace(&name);
        web.deploy("faulty-kinds", &module).expect(201);
        count(&web, "a", 3, 1);
        let bad = web.append(&show("bad", "row/0001", &json!({ "do": what }))).expect(201).json()["positions"][0].clone();
        let now = Host::wait_in(&web, "faulty-rows", |now| now["status"] == "halted");
        assert_eq!((&now["halted"]["position"], &now["halted"]["reason"]), (&bad, &json!(reason)), "{what}: {now}");
        let rows = web.get("views/faulty-rows").expect(200).json();
        assert!(rows["rows"].as_array().is_some_and(|rows| rows.len() == 3 && rows.iter().all(|row| row["value"] == 1)), "{what}: {rows}");
        halted.push((name, bad));
    }
    // What was folded is kept by a stop, and nothing beyond it.
    host.terminate();
    host.restart();
    for (name, bad) in halted {
        let now = Host::wait_in(&host.web.namespace(&name), "faulty-rows", |now| now["status"] == "halted");
        assert_eq!(now["halted"]["position"], bad, "{name}: {now}");
    }
}
