//! Old events are read in their new form, by everyone, and stay on disk as they were.

use serde_json::{Value, json};

use crate::support::{Host, Web, guest, reworded};

fn order(n: u32, customer: &str, amount: f64) -> Value {
    json!({"specversion": "1.0", "id": n.to_string(), "source": "/old-shop", "type": "order.placed.v1", "subject": format!("order/{n}"), "time": "2019-05-01T12:00:00Z", "data": {"customer": customer, "amount": amount}})
}

fn old(id: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": "test.old", "subject": format!("thing/{id}"), "data": data})
}

#[track_caller]
fn appended(web: &Web, event: &Value) -> String {
    web.append(event).expect(201).json()["positions"][0].as_str().expect("a position").to_owned()
}

#[test]
fn orders_of_the_first_days_are_read_as_todays_by_the_view_its_queries_and_readers_who_ask() {
    let mut host = Host::start();
    appended(&host.web, &order(1, "ada", 12.5));
    appended(&host.web, &order(2, "bob", 0.1));
    host.web.deploy("shop", &guest("shop")).expect(201);
    appended(&host.web, &order(3, "ada", 19.99));
    let today = json!({"specversion": "1.0", "id": "4", "source": "/shop", "type": "order.placed.v2", "subject": "order/4", "time": "2026-01-02T03:04:05Z", "data": {"customer": "ada", "total": {"minor": 50, "currency": "EUR"}}});
    let head = appended(&host.web, &today);
    let fresh = format!("min-position={head}&timeout=60s");
    let check = |host: &Host| {
        let path = format!("views/order-history/query?name=of-customer&{fresh}");
        let answer = host.web.post(&path, "application/json", r#"{"customer":"ada"}"#).expect(200).json();
        assert_eq!(answer["total"], json!({"minor": 1250 + 1999 + 50, "currency": "EUR"}), "{answer}");
        let orders: Vec<&str> = answer["orders"].as_array().expect("orders").iter().filter_map(|order| order["order"].as_str()).collect();
        assert_eq!(orders, ["order/1", "order/3", "order/4"]);
        let rows: Vec<(String, Value)> = host.web.rows("order-history", &fresh);
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[3].0, "bob/order/2");
        assert_eq!(rows[3].1, json!({"order": "order/2", "placed": "2019-05-01T12:00:00Z", "total": {"minor": 10, "currency": "EUR"}}));
        // On disk they are what they were.
        let stored = host.web.events("types=order.placed.v1,order.placed.v2");
        let types: Vec<&str> = stored.iter().filter_map(|event| event["type"].as_str()).collect();
        assert_eq!(types, ["order.placed.v1", "order.placed.v1", "order.placed.v1", "order.placed.v2"]);
        assert_eq!(stored[0]["data"], json!({"customer": "ada", "amount": 12.5}));
        let read = host.web.events("types=order.placed.v2&upcast=true");
        assert_eq!(read.len(), 4);
        for (stored, read) in stored.iter().zip(&read) {
            assert_eq!(read["type"], "order.placed.v2");
            for same in ["id", "source", "subject", "time", "position"] {
                assert_eq!(stored[same], read[same], "{same}: a new form is not a new event");
            }
        }
        assert_eq!(read[0]["data"], json!({"customer": "ada", "total": {"minor": 1250, "currency": "EUR"}, "items": {}}));
        assert!(host.web.events("types=order.placed.v1&upcast=true").is_empty(), "nobody reads the old form then");
        let output = host.retold(&["events", "--types", "order.placed.v2", "--upcast"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 4);
    };
    check(&host);
    host.kill();
    host.restart();
    check(&host);
    host.web.post("views/order-history/rebuild", "application/json", "").expect(202);
    check(&host);
}

#[test]
fn a_handler_gets_each_new_form_of_an_old_event_once() {
    let host = Host::start();
    appended(&host.web, &old("1", json!({ "do": "ok" })));
    appended(&host.web, &old("2", json!({ "do": "none" })));
    host.web.deploy("faulty-kinds", &guest("faulty-kinds")).expect(201);
    let several = old("3", json!({ "do": "several", "count": 3 }));
    let answer = host.web.post("events?wait=handled", "application/cloudevents+json", several.to_string()).expect(201).json();
    assert_eq!(answer["derived"].as_array().map(Vec::len), Some(3), "{answer}");
    host.wait_until_level("new-reader");
    let seen: Vec<(String, u64)> = host
        .web
        .events("types=test.seen")
        .iter()
        .map(|event| (event["causationid"].as_str().expect("a cause").to_owned(), event["data"]["n"].as_u64().expect("a number")))
        .collect();
    let expected = [("1", 0), ("3", 0), ("3", 1), ("3", 2)].map(|(id, n)| (id.to_owned(), n));
    assert_eq!(seen, expected);
    host.web.post("functions/new-reader/rewind?to=0", "application/json", "").expect(200);
    host.wait_until_level("new-reader");
    assert_eq!(host.web.events("types=test.seen").len(), 4, "read again, they make nothing new");
}

#[test]
fn an_upcaster_that_can_not_read_a_stored_event_is_refused_with_the_events_position() {
    let host = Host::start();
    let module = guest("faulty-kinds");
    for (what, says) in [
        ("trap", "trapped"),
        ("loop", "fuel"),
        ("memory", "memory-bytes"),
        ("reject", "told to reject in upcast"),
        ("undeclared", "test.undeclared"),
        ("elsewhere", "elsewhere"),
        ("no-such-thing", "test.old"),
    ] {
        host.web.post("//v1/namespaces", "application/json", json!({ "name": what }).to_string()).expect(201);
        let web = host.web.namespace(what);
        appended(&web, &old("1", json!({ "do": "ok" })));
        let place = appended(&web, &old("2", json!({ "do": what })));
        appended(&web, &old("3", json!({ "do": "ok" })));
        let problem = web.deploy("faulty-kinds", &module).problem(422, "module-refused");
        assert_eq!((&problem["reason"], &problem["position"]), (&json!("upcaster"), &json!(place)), "{what}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{what}: {problem} doesn't say {says:?}");
        web.get("modules/faulty-kinds").problem(404, "unknown-module");
        assert_eq!(web.events("").len(), 3, "{what}");
    }
}

#[test]
fn an_event_that_its_upcaster_can_not_read_is_set_aside_and_shown_as_it_is() {
    let host = Host::start();
    host.web.deploy("faulty-kinds", &guest("faulty-kinds")).expect(201);
    let bad = old("1", json!({ "do": "reject" }));
    let answer = host.web.post("events?wait=handled", "application/cloudevents+json", bad.to_string()).expect(201).json();
    let place = answer["positions"][0].clone();
    assert_eq!(answer["parked"], json!([{ "function": "new-reader", "position": place }]), "{answer}");
    let parked = host.web.get("functions/new-reader/parked").expect(200).json();
    assert_eq!(parked["parked"][0]["type"], "test.old", "{parked}");
    assert!(parked["parked"][0]["message"].as_str().is_some_and(|message| message.contains("told to reject in upcast")), "{parked}");
    let good = old("2", json!({ "do": "ok" }));
    let answer = host.web.post("events?wait=handled", "application/cloudevents+json", good.to_string()).expect(201).json();
    assert_eq!(answer["derived"].as_array().map(Vec::len), Some(1), "others go on: {answer}");
    assert_eq!(host.web.events("types=test.old").len(), 2);
    let problem = host.web.get("events?upcast=true&types=test.new").problem(500, "function-failed");
    assert_eq!(problem["position"], place, "{problem}");
}

/// `faulty-kinds` under names of its own.
fn rival(words: &[(&str, &str)]) -> Vec<u8> {
    let names = [
        ("faulty-kinds", "second-kinds"),
        ("faulty-account", "second-account"),
        ("faulty-rows", "second-rows"),
        ("faulty-upcaster", "second-upcaster"),
        ("new-reader", "two-reader"),
        ("static-counter", "second-counter"),
        ("test.decide", "test.resolv"),
    ];
    reworded(&guest("faulty-kinds"), &[&names, words].concat())
}

#[test]
fn two_upcasters_of_one_type_and_upcasters_in_a_circle_are_refused_by_name() {
    let host = Host::start();
    let web = &host.web;
    let alone = reworded(&guest("faulty-kinds"), &[("test.new", "test.old")]);
    let answer = web.deploy("faulty-kinds", &alone);
    assert!(matches!(answer.status, 409 | 422), "an upcaster to its own type: {}", answer.text());
    assert!(answer.text().contains("test.old"), "{}", answer.text());
    web.deploy("faulty-kinds", &guest("faulty-kinds")).expect(201);
    let problem = web.deploy("second-kinds", &rival(&[])).problem(409, "upcaster-conflict");
    assert_eq!(problem["event_type"], "test.old", "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("faulty-upcaster") && detail.contains("second-upcaster"), "{detail}");
    let back = rival(&[("test.old", "test.was"), ("test.new", "test.old"), ("test.was", "test.new")]);
    let problem = web.deploy("second-kinds", &back).problem(409, "upcaster-conflict");
    assert!(matches!(problem["event_type"].as_str(), Some("test.old" | "test.new")), "{problem}");
    web.get("modules/second-kinds").problem(404, "unknown-module");
    // Further on is fine: the chain is old, new, and newer still.
    web.deploy("second-kinds", &rival(&[("test.new", "test.xxx"), ("test.old", "test.new")])).expect(201);
    appended(web, &old("1", json!({ "do": "ok" })));
}

#[test]
fn a_chain_with_a_version_missing_is_refused_by_name() {
    let host = Host::start();
    let first = reworded(&guest("faulty-kinds"), &[("test.old", "tests.v1"), ("test.new", "tests.v2")]);
    host.web.deploy("faulty-kinds", &first).expect(201);
    let third = rival(&[("test.old", "tests.v3"), ("test.new", "tests.v4")]);
    let problem = host.web.deploy("second-kinds", &third).problem(409, "upcaster-conflict");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("tests.v2") && detail.contains("tests.v3"), "{detail}");
    host.web.get("modules/second-kinds").problem(404, "unknown-module");
    host.web.deploy("second-kinds", &rival(&[("test.old", "tests.v2"), ("test.new", "tests.v3")])).expect(201);
}
