//! What can only be refused is refused before history is replayed for it, and what became so meanwhile is
//! found before it is recorded.

use serde_json::{Value, json};

use crate::support::{Host, Web, guest, reworded};

fn pay(web: &Web, account: &str, id: &str, amount: u64) {
    web.command("payment.make", account, id, &json!({ "amount": amount })).expect(200);
}

fn replays(web: &Web) -> usize {
    web.get("replays").expect(200).json()["replays"].as_array().map_or(0, Vec::len)
}

/// Appends many events of one type, about a hundred things.
fn append_many(web: &Web, r#type: &str, count: u32, data: &Value) {
    let event = |number: u32| json!({ "specversion": "1.0", "id": number.to_string(), "source": format!("/many/{type}"), "type": r#type, "subject": format!("thing/{}", number % 100), "data": data });
    let lines: Vec<String> = (0..count).map(|number| event(number).to_string()).collect();
    web.post("events", "application/x-ndjson", lines.join("\n")).expect(201);
}

#[test]
fn a_deployment_that_can_only_be_refused_is_refused_before_anything_is_replayed() {
    let host = Host::start();
    let web = &host.web;
    let ledger = guest("faulty-upgrade/ledger");
    web.deploy("ledger", &ledger).expect(201);
    pay(web, "account/1", "1", 30);
    host.wait_until_level("booking");
    web.set_schema("stock.reserved", r#"{"type":"array"}"#).expect(201);
    let (events, begun) = (web.events("").len(), replays(web));

    let other = reworded(&ledger, &[("ledger", "ledges")]);
    let problem = web.deploy("ledges", &other).problem(409, "name-taken");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(r#"module "ledger""#)), "{problem}");
    let names = [("ledger", "ledges"), ("account", "accoups"), ("booking", "bookies"), ("balances", "balanced")];
    let problem = web.deploy("ledges", &reworded(&ledger, &names)).problem(409, "command-taken");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("payment.make")), "{problem}");
    web.deploy("ledger", &guest("faulty-upgrade/same-version")).problem(409, "version-taken");
    web.deploy("shop", &guest("shop")).problem(409, "schema-conflict");
    let problem = web.deploy("ledger", &guest("faulty-upgrade/needs-upcaster")).problem(422, "module-refused");
    assert_eq!((&problem["reason"], &problem["function"]), (&json!("no-upcaster"), &json!("booking")), "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("payment.made.v2") && detail.contains("1 stored events of type payment.made"), "{detail}");

    assert_eq!(replays(web), begun, "nothing was replayed for any of them");
    assert_eq!(web.events("").len(), events);
    assert_eq!(web.get("modules/ledger").expect(200).json()["version"], "1.0.0");
}

#[test]
fn a_rehearsal_of_what_would_be_refused_warns_of_it_and_still_reports() {
    let host = Host::start();
    let web = &host.web;
    web.deploy("ledger", &guest("faulty-upgrade/ledger")).expect(201);
    pay(web, "account/1", "1", 30);
    host.wait_until_level("booking");
    let rehearse = |name: &str| {
        let module = guest(name);
        web.send("PUT", "modules/ledger?rehearse=only", &[("content-type", "application/wasm")], &module).expect(200).json()
    };
    let warned = |report: &Value, says: &str| {
        let warnings = report["warnings"].as_array().cloned().unwrap_or_default();
        assert!(warnings.iter().filter_map(Value::as_str).any(|warning| warning.contains(says)), "{says}: {report}");
    };
    let report = rehearse("faulty-upgrade/needs-upcaster");
    warned(&report, "a deployment would be refused");
    warned(&report, "payment.made.v2");
    let booking = report["functions"].as_array().and_then(|all| all.iter().find(|function| function["function"] == "booking"));
    assert_eq!(booking.map(|booking| &booking["outputs"]["missing"]), Some(&json!(1)), "{report}");
    warned(&rehearse("faulty-upgrade/same-version"), r#"version "1.0.0" of module "ledger" is other code already"#);
    assert_eq!(rehearse("faulty-upgrade/good")["warnings"], json!([]));
    // The command line tells them with the report.
    let file = host.data().join("candidate.wasm");
    std::fs::write(&file, guest("faulty-upgrade/needs-upcaster")).expect("written");
    let told = host.retold(&["rehearse", "--name", "ledger", &file.display().to_string()]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("warning: a deployment would be refused") && told.contains("payment.made.v2"), "{told}");
}

/// Begins a deployment and stops it in the middle of its rehearsal.
fn half_way(host: &Host, name: &str, module: &[u8]) -> String {
    let path = format!("modules/{name}?budget=20&timeout=0s");
    let begun = host.web.send("PUT", &path, &[("content-type", "application/wasm")], module).expect(202).json();
    let id = begun["id"].as_str().expect("an id").to_owned();
    host.wait_for_replay(&id, |now| now["position"] != "0");
    host.web.post(&format!("replays/{id}/stop"), "application/json", "").expect(200);
    let stopped = host.wait_for_replay(&id, |now| now["status"] != "running");
    assert_eq!(stopped["status"], "stopped", "{stopped}");
    assert_ne!(stopped["position"], stopped["head"], "{stopped}");
    id
}

#[track_caller]
fn came_to_nothing(host: &Host, id: &str, reason: &str, says: &str) {
    host.web.post(&format!("replays/{id}/resume"), "application/json", "").expect(200);
    let ended = host.wait_for_replay(id, |now| !["running", "stopped"].contains(&now["status"].as_str().unwrap_or_default()));
    assert_eq!((&ended["status"], &ended["failed"]["reason"]), (&json!("failed"), &json!(reason)), "{ended}");
    assert!(ended["failed"]["message"].as_str().is_some_and(|message| message.contains(says)), "{ended}");
}

/// More than a replay takes in one step.
const MANY: u32 = 40_000;

#[test]
fn a_circle_of_upcasters_that_another_deployment_closes_is_found_before_anything_is_read_through_it() {
    let host = Host::start();
    append_many(&host.web, "test.show", MANY, &json!({ "do": "ok" }));
    let there = guest("faulty-kinds");
    let id = half_way(&host, "faulty-kinds", &there);
    let names = [
        ("faulty-kinds", "second-kinds"),
        ("faulty-account", "second-account"),
        ("faulty-rows", "second-rows"),
        ("faulty-upcaster", "second-upcaster"),
        ("new-reader", "two-reader"),
        ("static-counter", "second-counter"),
        ("test.decide", "test.resolv"),
        ("test.old", "test.was"),
        ("test.new", "test.old"),
        ("test.was", "test.new"),
    ];
    let back = reworded(&there, &names);
    host.web.send("PUT", "modules/second-kinds?rehearse=skip", &[("content-type", "application/wasm")], &back).expect(201);
    came_to_nothing(&host, &id, "refused", "leads back to that type");
    host.web.get("modules/faulty-kinds").problem(404, "unknown-module");
    let deployed = host.web.events("types=retold.module.deployed");
    assert_eq!(deployed.len(), 1, "{deployed:?}");
    append_many(&host.web, "test.old", 1, &json!({ "do": "ok" }));
    assert_eq!(host.web.events("types=test.old&upcast=true").len(), 1, "the log is read as ever");
}

#[test]
fn a_schema_that_an_operator_gives_during_a_rehearsal_is_not_overruled_by_it() {
    let host = Host::start();
    append_many(&host.web, "order.placed.v1", MANY, &json!({ "customer": "ada", "amount": 12.5 }));
    let id = half_way(&host, "shop", &guest("shop"));
    host.web.set_schema("stock.reserved", r#"{"type":"array"}"#).expect(201);
    came_to_nothing(&host, &id, "schema", "stock.reserved");
    host.web.get("modules/shop").problem(404, "unknown-module");
}
