//! How much is kept of what is over: as much as `retold serve` is told, and parked events as long.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Host, guest, ledger, pay, retold, reworded};

fn parked(host: &Host) -> u64 {
    host.web.function("misbehave")["parked"].as_u64().expect("a count")
}

fn park(host: &Host, id: &str) {
    let event = json!({"specversion": "1.0", "id": id, "source": "/test", "type": "test.do", "subject": id, "data": {"do": "reject"}});
    host.web.append(&event).expect(201);
}

#[test]
fn parked_events_older_than_the_host_is_told_to_keep_them_are_dropped_and_the_log_says_so() {
    let mut host = Host::start();
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    ["a", "b", "c"].iter().for_each(|id| park(&host, id));
    host.wait_for("misbehave", |now| now["parked"] == 3);
    host.terminate();
    // Without a word they stay, however late it is, and with one as long as that says.
    for (arguments, many) in [(&["--clock-ahead", "2000h"][..], 4), (&["--clock-ahead", "47h", "--keep-parked", "2"], 5)] {
        host.say(arguments);
        host.restart();
        park(&host, &arguments.concat());
        host.wait_for("misbehave", |now| now["lag"] == 0);
        std::thread::park_timeout(std::time::Duration::from_secs(2));
        assert_eq!(parked(&host), many, "{arguments:?}");
        host.terminate();
    }
    host.say(&["--clock-ahead", "49h", "--keep-parked", "2"]);
    host.restart();
    assert_eq!(host.web.get("//v1/namespaces/main").expect(200).json()["keep"]["parked_days"], 2);
    // Those of later are not old yet.
    host.wait_until("the old ones are dropped", || parked(&host) == 2);
    let skipped = host.web.events("types=retold.parked.skipped");
    let reasons: Vec<&str> = skipped.iter().map(|event| event["data"]["reason"].as_str().expect("text")).collect();
    assert_eq!(reasons, ["set aside for more than 2 days: the host drops it (serve --keep-parked)"; 3]);
    assert!(skipped.iter().all(|event| event["subject"] == "misbehave" && event["data"]["position"].is_string()), "{skipped:?}");
}

#[test]
fn a_host_keeps_as_many_versions_and_replays_as_it_is_told_and_says_how_many() {
    let host = Host::start_saying(&["--keep-versions", "1", "--keep-replays", "2", "--keep-log-lines", "7"]);
    let keep = host.web.get("//v1/namespaces/main").expect(200).json()["keep"].clone();
    assert_eq!(keep, json!({ "versions": 1, "log_lines": 7, "replays": 2, "parked_days": null }));
    let third = reworded(&ledger("different"), &[("2.0.0", "3.0.0")]);
    for code in [ledger("ledger"), ledger("good"), third] {
        host.web.deploy("ledger", &code).expect(201);
        pay(&host.web, 0..4, 0);
        host.wait_until_level("booking");
    }
    let history = host.web.get("modules?history=true").expect(200).json();
    let kept: Vec<&Value> = history["modules"].as_array().expect("modules").iter().map(|version| &version["kept"]).collect();
    assert_eq!(kept, [&json!(false), &json!(true), &json!(false)], "{history}");
    let replays = host.web.get("replays").expect(200).json();
    assert_eq!(replays["replays"].as_array().map(Vec::len), Some(2), "{replays}");
}

#[test]
fn a_host_that_is_told_to_keep_nothing_or_what_is_no_number_does_not_start() {
    for words in [["--keep-parked", "0"], ["--keep-versions", "0"], ["--keep-log-lines", "all"], ["--keep-replays", "1000000000000"]] {
        let output = Command::new(retold()).arg("serve").args(words).output().expect("retold runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(words[0]), "{said}");
    }
}
