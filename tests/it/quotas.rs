//! What an operator says of how much one namespace may take, on the real binary.

use serde_json::{Value, json};

use crate::handlers::order;
use crate::limits::{EVERYTHING, create};
use crate::support::{Answer, Host, Web, guest};

fn set(web: &Web, quota: &Value) -> Answer {
    web.send("PUT", "quota", &[("content-type", "application/json")], quota.to_string().as_bytes())
}

/// The path of a namespace itself.
fn itself(web: &Web) -> String {
    format!("//v1/namespaces/{}", web.base.rsplit('/').next().expect("a name"))
}

/// What a namespace may have now.
#[track_caller]
fn quota(web: &Web) -> Value {
    web.get(&itself(web)).expect(200).json()["quota"].clone()
}

#[track_caller]
fn told(host: &Host, arguments: &[&str]) -> String {
    let output = host.retold(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn one_namespace_has_a_quota_of_its_own_through_a_restart_until_it_is_taken_back_e6() {
    let mut host = Host::start_saying(&["--quota-events", "3"]);
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"shop"}"#).expect(201);
    let shop = host.web.namespace("shop");
    assert_eq!(quota(&shop), json!({ "events": 3, "bytes": null, "rate": null, "own": [] }));
    let shown = told(&host, &["namespaces", "quota", "shop", "--events", "5", "--bytes", "1GiB"]);
    assert_eq!(
        shown, "shop may have\n  events  5 events\n  bytes   1.0 GiB\n  rate    no bound, as all namespaces of this host\n",
        "it is told what came of it"
    );
    for id in 0..5 {
        shop.append(&order(&id.to_string(), 1)).expect(201);
    }
    shop.append(&order("5", 1)).problem(507, "quota-reached");
    let metrics = host.web.get("//metrics").expect(200).text();
    assert!(metrics.contains("\nretold_namespace_quota_events{namespace=\"shop\"} 5\n"), "{metrics}");
    // The others have what all have.
    for id in 0..3 {
        host.web.append(&order(&id.to_string(), 1)).expect(201);
    }
    host.web.append(&order("3", 1)).problem(507, "quota-reached");
    host.kill();
    host.restart();
    let shop = host.web.namespace("shop");
    assert_eq!(quota(&shop), json!({ "events": 5, "bytes": 1 << 30, "rate": null, "own": ["events", "bytes"] }));
    let problem = shop.append(&order("5", 1)).problem(507, "quota-reached");
    assert!(problem["detail"].as_str().expect("text").contains("retold namespaces quota"), "{problem}");
    // By the command line a bound of which nothing is said stays.
    told(&host, &["namespaces", "quota", "shop", "--rate", "900/s"]);
    assert_eq!(quota(&shop), json!({ "events": 5, "bytes": 1 << 30, "rate": "900/s", "own": ["events", "bytes", "rate"] }));
    // In force with the next request, each time. PUT says all.
    set(&shop, &json!({ "events": null })).expect(200);
    shop.append(&order("5", 1)).expect(201);
    assert_eq!(quota(&shop), json!({ "events": null, "bytes": null, "rate": null, "own": ["events"] }));
    let shown = told(&host, &["--json", "namespaces", "quota", "shop", "--default"]);
    assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON"), json!({ "events": 3, "bytes": null, "rate": null, "own": [] }));
    shop.append(&order("6", 1)).problem(507, "quota-reached");
}

#[test]
fn below_what_is_there_a_quota_loses_nothing_and_what_waits_goes_on_when_it_is_raised_e6_w25() {
    let host = Host::start();
    let deployed = host.web.deploy("hello", &guest("hello")).expect(201).json();
    let function = deployed["functions"][0].as_str().expect("a function").to_owned();
    host.web.post(&format!("functions/{function}/pause"), "application/json", "").expect(200);
    for id in 0..5 {
        host.web.append(&order(&id.to_string(), 1)).expect(201);
    }
    let head = host.web.get(&itself(&host.web)).expect(200).json()["head"].clone();
    set(&host.web, &json!({ "events": 2 })).expect(200);
    host.web.append(&order("5", 1)).problem(507, "quota-reached");
    host.web.post(&format!("functions/{function}/resume"), "application/json", "").expect(200);
    std::thread::park_timeout(std::time::Duration::from_millis(700));
    let waiting = host.web.function(&function);
    assert!(waiting["parked"] == 0 && waiting["lag"] != 0, "{waiting}");
    assert_eq!(host.web.events("types=order.placed").len(), 5, "what is there is read: {head}");
    // What is full can be forked, read there and dropped.
    let fork = json!({ "name": "whatif", "fork": { "base": "main" } });
    host.web.post("//v1/namespaces", "application/json", fork.to_string()).expect(201);
    let whatif = host.web.namespace("whatif");
    assert_eq!(quota(&whatif)["own"], json!([]), "a fork has what all have");
    set(&whatif, &json!({ "bytes": 1 })).expect(200);
    whatif.append(&order("6", 1)).problem(507, "quota-reached");
    whatif.send("DELETE", &itself(&whatif), &[], b"").expect(200);
    set(&host.web, &json!({ "events": 100 })).expect(200);
    host.wait_until_level(&function);
    assert_eq!(host.web.events("types=order.priced").len(), 5);
}

#[test]
fn a_rate_of_its_own_holds_one_namespace_and_leaves_the_others_theirs_e6_h13() {
    let host = Host::start_saying(&["--rate-per-namespace", "1000/s"]);
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"shop"}"#).expect(201);
    let shop = host.web.namespace("shop");
    set(&shop, &json!({ "rate": "1/s" })).expect(200);
    assert_eq!(quota_within_rate(&host), json!("1/s"));
    let refused = (0..20).map(|_| shop.get("events")).find(|answer| answer.status == 429).expect("one a second");
    refused.problem(429, "rate-reached");
    for _ in 0..20 {
        host.web.get("events").expect(200);
    }
    // Who says what it may have is not held to it.
    set(&shop, &json!({ "rate": null })).expect(200);
    host.wait_until("it may be asked again", || shop.get("events").status == 200);
    for _ in 0..20 {
        shop.get("events").expect(200);
    }
}

/// As the list of namespaces tells it, which is nobody's own.
fn quota_within_rate(host: &Host) -> Value {
    let all = host.web.get("//v1/namespaces").expect(200).json();
    let shop = all["namespaces"].as_array().expect("namespaces").iter().find(|one| one["name"] == "shop").cloned();
    shop.expect("it is listed")["quota"]["rate"].clone()
}

#[test]
fn only_who_operates_the_host_says_what_a_namespace_may_have_and_the_log_tells_it_e6() {
    let host = Host::start();
    let admin = create(&host, "", &["admin", "--allow", EVERYTHING]);
    let web = host.web.holding(&admin);
    web.post("//v1/namespaces", "application/json", r#"{"name":"shop"}"#).expect(201);
    let shop = web.namespace("shop");
    set(&shop, &json!({ "events": 1000, "rate": "500/s" })).expect(200);
    // A tenant that operates its namespace does not lift what holds it for the others' sake.
    let tenant = create(&host, &admin, &["tenant", "--namespace", "shop", "--allow", EVERYTHING]);
    let tenant = host.web.holding(&tenant).namespace("shop");
    set(&tenant, &json!({ "events": null })).problem(403, "forbidden");
    tenant.send("DELETE", "quota", &[], b"").problem(403, "forbidden");
    assert_eq!(quota(&tenant)["events"], 1000, "it sees it");
    let acts: Vec<Value> = shop.events("types=retold.operator.acted");
    let told = acts.iter().find(|act| act["data"]["operation"] == "setQuota").expect("it is told");
    assert_eq!(told["data"]["quota"], json!({ "events": 1000, "bytes": null, "rate": "500/s", "own": ["events", "rate"] }));
    assert_eq!((&told["subject"], &told["data"]["token"]["name"]), (&json!("setQuota"), &json!("admin")));
    assert_eq!(acts.iter().filter(|act| act["data"]["operation"] == "setQuota").count(), 1, "what was refused changed nothing");
    for bad in [json!({ "events": 0 }), json!({ "events": "many" }), json!({ "rate": "500" }), json!({ "evnts": 5 }), json!([])] {
        set(&shop, &bad).problem(400, "malformed-request");
    }
    set(&web.namespace("nowhere"), &json!({ "events": 5 })).problem(404, "unknown-namespace");
    assert_eq!(quota(&shop)["events"], 1000);
}

#[test]
fn a_quota_stays_with_the_name_when_a_backup_is_restored_into_its_place_e6() {
    let host = Host::start();
    host.web.append(&order("1", 1)).expect(201);
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"shop"}"#).expect(201);
    set(&host.web.namespace("shop"), &json!({ "events": 2 })).expect(200);
    let folder = host.data().with_extension("backup");
    let place = folder.to_str().expect("text");
    told(&host, &["backup", "main", "--to", place]);
    told(&host, &["restore", "shop", "--from", place]);
    let _ = std::fs::remove_dir_all(&folder);
    let shop = host.web.namespace("shop");
    assert_eq!((shop.events("types=order.placed").len(), &quota(&shop)["events"]), (1, &json!(2)));
    shop.append(&order("2", 1)).expect(201);
    shop.append(&order("3", 1)).problem(507, "quota-reached");
}

#[test]
fn a_quota_stays_with_the_name_of_what_was_dropped_e6() {
    let mut host = Host::start();
    let admin = create(&host, "", &["admin", "--allow", EVERYTHING]);
    let tenant = create(&host, &admin, &["tenant", "--allow", EVERYTHING, "--namespace", "shop"]);
    let make = |web: &Web| web.post("//v1/namespaces", "application/json", r#"{"name":"shop"}"#).expect(201);
    make(&host.web.holding(&admin));
    set(&host.web.holding(&admin).namespace("shop"), &json!({ "events": 2, "rate": "100/s" })).expect(200);
    let before = quota(&host.web.holding(&tenant).namespace("shop"));
    for restarted in [false, true] {
        let shop = host.web.holding(&tenant).namespace("shop");
        shop.delete(&itself(&shop)).expect(200);
        if restarted {
            host.kill();
            host.restart();
        }
        let shop = host.web.holding(&tenant).namespace("shop");
        make(&shop);
        assert_eq!(quota(&shop), before, "{restarted}");
        assert_eq!(shop.append(&order("1", 1)).status, 201);
    }
    // Whoever has said it takes it back, for good.
    let shop = host.web.holding(&tenant).namespace("shop");
    set(&host.web.holding(&admin).namespace("shop"), &json!({ "events": null, "rate": null })).expect(200);
    shop.delete(&itself(&shop)).expect(200);
    make(&shop);
    assert_ne!(quota(&shop), before);
}
