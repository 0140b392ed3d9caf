//! A log as lines, and the same log of the lines.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Host, SmallDisk, Web, guest, retold};

/// A host whose log has entries of every kind and origin, all dealt with.
fn host() -> Host {
    let host = Host::start();
    for module in ["faulty", "faulty-outside", "shop"] {
        host.web.deploy(module, &guest(module)).expect(201);
    }
    let ask = |r#type: &str, id: &str, data: Value| {
        let event = json!({ "specversion": "1.0", "id": id, "source": "/test", "type": r#type, "subject": format!("s/{id}"),
            "time": "2026-01-02T03:04:05.678Z", "tags": "one,two", "zone": "eu", "correlationid": "flow", "causationid": "click", "data": data });
        let answer = host.web.post("events?wait=handled&timeout=100s", "application/cloudevents+json", event.to_string());
        answer.expect(201);
    };
    ask("test.count", "counted", json!({ "do": "ok", "exact": 1.0 }));
    ask("test.reach", "timer", json!({ "do": "timer", "key": "late", "due": 4_102_444_800_000_000u64 }));
    ask("test.reach", "request", json!({ "do": "request", "url": "http://127.0.0.1:9/" }));
    host.web.command("stock.receive", "stock/apple", "received", &json!({ "quantity": 5 })).expect(200);
    let bytes = json!({ "specversion": "1.0", "id": "bytes", "source": "/test", "type": "test.bytes", "datacontenttype": "image/png", "data_base64": "AP8BAg==" });
    host.web.append(&bytes).expect(201);
    host
}

/// The lines of an export, without the empty one at its end.
#[track_caller]
pub fn export(host: &Host, namespace: &str, more: &[&str]) -> String {
    let output = host.retold(&[&["export", namespace], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.strip_suffix('\n').expect("an empty line");
    assert!(lines.is_empty() || lines.ends_with("}\n"), "{lines}");
    lines.to_owned()
}

/// Of lines that a whole export has.
pub fn import_of(host: &Host, namespace: &str, lines: &str) -> Output {
    import(host, namespace, &format!("{}\n\n", lines.trim_end()))
}

fn import(host: &Host, namespace: &str, lines: &str) -> Output {
    let mut command = Command::new(retold());
    command.args(["--json", "import", namespace, "--url", &host.url]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("retold runs");
    // It may have read enough before the end.
    let _ = process.stdin.take().expect("a pipe").write_all(lines.as_bytes());
    process.wait_with_output().expect("it ends")
}

#[track_caller]
fn imported(host: &Host, namespace: &str, lines: &str) -> Value {
    let output = import_of(host, namespace, lines);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[track_caller]
fn refused(host: &Host, namespace: &str, lines: &str) -> String {
    let output = import_of(host, namespace, lines);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(host.web.get(&format!("//v1/namespaces/{namespace}")).status, 404, "nothing is there of it");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn what_is_exported_imported_and_exported_again_has_the_same_lines() {
    let host = host();
    let lines = export(&host, "main", &[]);
    for kind in
        ["\"entrykind\":\"timer\"", "\"entrykind\":\"request\"", "\"entrykind\":\"command\"", "/functions/", "retold.module.deployed"]
    {
        assert!(lines.contains(kind), "{kind} is not in it: {lines}");
    }
    let other = Host::start();
    let told = imported(&other, "main", &lines);
    assert_eq!((told["name"].as_str(), told["at"].as_str()), (Some("main"), Some(lines.lines().count().to_string().as_str())), "{told}");
    assert_eq!(export(&other, "main", &[]), lines);
    assert_eq!(export(&other, "main", &["--after", "3"]).lines().count(), lines.lines().count() - 3);
    // The same again doubles nothing.
    let again = import_of(&other, "main", &lines);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("isn't empty"), "{again:?}");
    // Nothing follows from what was imported, and code that comes now makes nothing twice.
    let count = |web: &Web, r#type: &str| web.events(&format!("types={type}")).len();
    let counted = count(&host.web, "test.counted");
    assert!(counted > 0);
    other.web.deploy("faulty", &guest("faulty")).expect(201);
    other.wait_until_level("counter");
    assert_eq!(count(&other.web, "test.counted"), counted);
    assert_eq!(other.web.get("timers").expect(200).json()["total"], 0);
    assert_eq!(other.web.append(&json!({ "specversion": "1.0", "id": "new", "source": "/test", "type": "test.bytes" })).status, 201);
    // A restart reads it like any other log.
    let mut other = other;
    let all = export(&other, "main", &[]);
    other.kill();
    other.restart();
    assert_eq!(export(&other, "main", &[]), all);
}

#[test]
fn a_line_that_no_export_wrote_is_refused_by_its_number_and_nothing_is_imported() {
    let host = Host::start();
    let line = |position: usize, id: &str, more: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","position":"{position}","recordedtime":"2026-11-21T05:18:37Z"{more}}}"#
        )
    };
    let with = |third: &str| [&line(1, "a", ""), &line(2, "b", ""), third, &line(4, "d", "")].join("\n");
    assert!(imported(&host, "whole", &with(&line(3, "c", "")))["at"] == "4");
    for (third, expected) in [
        ("{\"specversion\":", "not JSON"),
        (line(5, "c", "").as_str(), "3 comes next"),
        (line(2, "c", "").as_str(), "3 comes next"),
        (line(3, "a", "").as_str(), "came in an earlier line"),
        (line(3, "c", r#","causeposition":"3""#).as_str(), "causeposition"),
        (line(3, "", "").as_str(), "id"),
        (r#"{"specversion":"1.0","id":"c","source":"/s","type":"t"}"#, "position"),
    ] {
        let said = refused(&host, "bad", &with(third));
        assert!(said.contains("line 3") && said.contains(expected), "{third}: {said}");
    }
    // A log of many records, the last line of which is bad.
    let many: Vec<String> = (1..=5_000).map(|at| line(at, &at.to_string(), "")).collect();
    assert!(refused(&host, "bad", &(many.join("\n") + "\n{}")).contains("line 5001"));
    assert_eq!(imported(&host, "many", &many.join("\n"))["at"], "5000");
    assert_eq!(export(&host, "many", &[]).lines().count(), 5_000);
}

#[test]
fn an_export_that_broke_off_is_not_taken_for_a_whole_one() {
    let host = Host::start();
    for id in ["a", "b", "c"] {
        host.web.append(&json!({ "specversion": "1.0", "id": id, "source": "/test", "type": "test.one" })).expect(201);
    }
    let whole = export(&host, "main", &[]);
    let two: String = whole.split_inclusive('\n').take(2).collect();
    for (cut, line) in [("", 1), (two.as_str(), 3), (whole.as_str(), 4), (two.trim_end(), 3)] {
        let output = import(&host, "copy", cut);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(&format!("line {line}")) && said.contains("broke off"), "{said}");
        assert_eq!(host.web.get("//v1/namespaces/copy").status, 404);
    }
    assert!(import(&host, "copy", &format!("{whole}\n")).status.success());
    assert!(import(&host, "nothing", "\n").status.success(), "of a log without entries");
}

#[test]
fn an_import_for_which_there_is_no_space_is_refused_and_leaves_nothing_c6() {
    let Some(disk) = SmallDisk::of_mib(96, "import") else { return };
    let host = Host::start_on_saying(&disk.path().join("data"), &["--reserve-space", "8MiB"]);
    let text = "x".repeat(1 << 16);
    let line = |at: usize| {
        format!(
            r#"{{"specversion":"1.0","id":"{at}","source":"/s","type":"t","datacontenttype":"text/plain","position":"{at}","recordedtime":"2026-11-21T05:18:37Z","data":"{text}"}}"#
        )
    };
    let lines: Vec<String> = (1..=2_000).map(line).collect();
    let output = import_of(&host, "large", &lines.join("\n"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("storage-full"), "{said}");
    assert_eq!(host.web.get("//v1/namespaces/large").status, 404);
    host.web.get("//readyz").expect(200);
    assert_eq!(imported(&host, "small", &lines[..20].join("\n"))["at"], "20");
}
