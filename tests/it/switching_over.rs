//! The step from one version of a module to another, and back: several at once, and the host killed in the
//! middle of it again and again.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Host, Web, amount, guest, host_with_ledger, ledger, of_function, pay, repository, wait_until};

const KILLS: u64 = 10;

/// What stands in the log of an account, against what must.
#[track_caller]
fn check_bookings(web: &Web, payments: u64) {
    for account in 0..4 {
        let booked = web.events(&format!("types=ledger.booked&subjects=account/{account}"));
        let mut balance = 0;
        let expected: Vec<(u64, u64)> = (account..payments)
            .step_by(4)
            .enumerate()
            .map(|(before, number)| {
                balance += amount(number);
                (before as u64 + 1, balance)
            })
            .collect();
        let number = |event: &Value, name: &str| event["data"][name].as_u64().expect("a number");
        let found: Vec<(u64, u64)> = booked.iter().map(|event| (number(event, "payments"), number(event, "balance"))).collect();
        assert_eq!(found, expected, "account/{account}");
    }
}

/// A day of flights, as events.
fn day() -> String {
    let csv = repository().join("guest-examples/flights/data/2013-01-01.csv");
    let table = flights_convert::Timetable::open(&csv).expect("the flights can be read");
    table.lines().map(|line| line + "\n").collect()
}

/// Waits until nothing is replayed any more.
#[track_caller]
fn wait_for_replays(web: &Web) {
    let replays = || web.get("replays").expect(200).json();
    let over = |replay: &Value| matches!(replay["status"].as_str(), Some("done" | "failed"));
    let replays = wait_until(replays, |replays| replays["replays"].as_array().expect("a list").iter().all(over));
    for replay in replays["replays"].as_array().expect("a list") {
        assert_eq!(replay["status"], "done", "what was cut off goes on: {replay}");
    }
}

#[test]
fn a_deployment_waits_for_nobody_but_another_of_its_own_module() {
    // Built before anything is under way.
    let [good, different, next] = [ledger("good"), ledger("different"), guest("flights-v2")];
    let host = host_with_ledger(100, 400 << 10);
    host.web.deploy("flights", &guest("flights")).expect(201);
    host.web.post("events", "application/x-ndjson", day()).expect(201);
    let level = || ["delays", "knock-on"].iter().for_each(|function| drop(host.wait_until_level(function)));
    level();
    let delayed = || host.web.events("types=flight.delayed").len();
    assert_eq!(delayed(), 158);
    let first = host.web.deploy_as("ledger", &good, "budget=20&timeout=0s").expect(202).json();
    let problem = host.web.deploy("ledger", &different).problem(409, "deploy-under-way");
    assert_eq!((&problem["module"], &problem["replay"]), (&json!("ledger"), &first["id"]));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(first["id"].as_str().expect("an id"))), "{problem}");
    // Another module takes its turn meanwhile, and so do events.
    let second = host.web.deploy_as("flights", &next, "timeout=300s").expect(201).json();
    assert_ne!(second["replay"]["id"], first["id"]);
    pay(&host.web, 100..120, 0);
    assert_eq!(host.web.post("events", "application/x-ndjson", day()).expect(200).json()["new"], 0);
    level();
    assert_eq!((delayed(), host.web.version("flights")), (158, json!("2.0.0")), "history stays as it is");
    let ended = host.web.ended_replay(first["id"].as_str().expect("an id"));
    assert_eq!((&ended["status"], host.web.version("ledger")), (&json!("done"), json!("2.0.0")), "{ended}");
    pay(&host.web, 120..140, 0);
    host.wait_until_level("booking");
    check_bookings(&host.web, 140);
    // Of two that come at the same moment one is first, and the other is told.
    host.web.post("modules/ledger/rollback", "application/json", "").expect(201);
    let statuses = std::thread::scope(|scope| {
        let two = [(); 2].map(|()| scope.spawn(|| host.web.deploy_as("ledger", &good, "timeout=300s").status));
        two.map(|deployment| deployment.join().expect("answered"))
    });
    assert!(matches!(statuses, [201, 409 | 200] | [409 | 200, 201]), "{statuses:?}");
    pay(&host.web, 140..144, 0);
    host.wait_until_level("booking");
    check_bookings(&host.web, 144);
}

#[test]
fn a_host_killed_while_a_version_takes_over_or_goes_back_runs_one_of_the_two_and_loses_nothing() {
    let mut host = host_with_ledger(200, 0);
    let mut payments = 200;
    for kill in 0..KILLS {
        let before = host.web.version("ledger");
        let forwards = before == "1.0.0";
        let web = host.web.clone();
        let good = ledger("good");
        std::thread::scope(|scope| {
            let asked = scope.spawn(move || {
                let (method, path, body) =
                    if forwards { ("PUT", "modules/ledger", &good[..]) } else { ("POST", "modules/ledger/rollback", &b""[..]) };
                web.try_send(method, path, &[("content-type", "application/wasm")], body)
            });
            let live = host.web.clone();
            scope.spawn(move || {
                let data = json!({ "amount": 1 });
                // Somebody pays meanwhile; it may be cut off, too.
                for number in 0..20 {
                    let path = format!("commands/payment.make?subject=account/live&id={kill}-{number}");
                    let _ = live.try_send("POST", &path, &[("content-type", "application/json")], data.to_string().as_bytes());
                }
            });
            // At another moment each time; it doesn't matter which.
            std::thread::park_timeout(Duration::from_millis(2 + kill * 67 % 400));
            host.kill();
            drop(asked.join());
        });
        host.restart();
        let asked_for = host.web.get("replays").expect(200).json()["replays"]
            .as_array()
            .is_some_and(|replays| replays.iter().any(|replay| replay["status"] != "done" && replay["status"] != "failed"));
        wait_for_replays(&host.web);
        let after = host.web.version("ledger");
        assert!(!asked_for || after != before, "what was under way goes on: {before} is still {after}");
        let deployed = host.web.events("types=retold.module.deployed").len() as u64;
        let history = host.web.get("modules?history=true").expect(200).json();
        let versions = history["modules"].as_array().expect("modules");
        assert_eq!(versions.len() as u64, deployed, "a line in the history for each switch: {history}");
        for two in versions.windows(2) {
            assert_ne!(two[0]["version"], two[1]["version"], "each switch once: {history}");
        }
        pay(&host.web, payments..payments + 8, 0);
        payments += 8;
        host.wait_until_level("booking");
        check_bookings(&host.web, payments);
        let live = host.web.events("types=payment.made&subjects=account/live").len();
        let booked = host.web.events("types=ledger.booked&subjects=account/live");
        assert_eq!((booked.len(), booked.last().map(|last| last["data"]["payments"].clone())), (live, (live > 0).then(|| json!(live))));
    }
}

#[test]
fn what_history_lacks_is_appended_once_if_that_is_asked_for() {
    let host = Host::start();
    let [fifteen, thirty] = ["flights", "flights-v2"].map(guest);
    host.web.deploy("flights", &thirty).expect(201);
    host.web.post("events", "application/x-ndjson", day()).expect(201);
    let level = || ["delays", "knock-on"].iter().for_each(|function| drop(host.wait_until_level(function)));
    level();
    let delayed = || host.web.events("types=flight.delayed").len();
    let late_by_thirty = delayed();
    // Without being asked to, a new version leaves history as it is.
    host.web.deploy("flights", &fifteen).expect(201);
    level();
    assert_eq!(delayed(), late_by_thirty);
    host.web.post("modules/flights/rollback", "application/json", "").expect(201);
    let deployed = host.web.deploy_as("flights", &fifteen, "backfill=true&timeout=300s").expect(201).json();
    level();
    assert_eq!(delayed(), 158, "as many as that version finds itself: {deployed}");
    let lacking = of_note(&deployed, "delays");
    assert!(lacking.contains(&format!("{} outputs", 158 - late_by_thirty)), "{lacking}");
    let all = host.web.events("").len();
    let again = host.web.deploy_as("flights", &fifteen, "backfill=true&timeout=300s").expect(200).json();
    assert_eq!(again["unchanged"], true);
    level();
    assert_eq!(host.web.events("").len(), all, "nothing twice");
    host.web.post("modules/flights/rollback", "application/json", "").expect(201);
    let deployed = host.web.deploy_as("flights", &fifteen, "backfill=true&timeout=300s").expect(201).json();
    level();
    assert_eq!((delayed(), host.web.events("").len()), (158, all + 2), "two switches, and nothing twice");
    assert!(of_note(&deployed, "delays").starts_with("0 outputs"), "{deployed}");
}

fn of_note(deployed: &Value, function: &str) -> String {
    of_function(&deployed["replay"], function)["note"].as_str().unwrap_or_default().to_owned()
}
