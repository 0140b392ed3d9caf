//! Schemas: what is recorded of a type fits it, and what doesn't is named.

use serde_json::{Value, json};

use crate::handlers::order;
use crate::support::{Host, guest};

/// What an order's data must be.
fn order_schema() -> String {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["quantity"],
        "properties": { "quantity": { "type": "integer", "minimum": 1 }, "lines": { "items": { "type": "string" } } },
    })
    .to_string()
}

fn with_data(id: &str, data: Value) -> Value {
    let mut event = order(id, 1);
    event["data"] = data;
    event
}

#[test]
fn an_event_that_does_not_fit_its_schema_is_refused_with_its_place_in_the_request_and_in_its_data() {
    let mut host = Host::start();
    let taken = host.web.set_schema("order.placed", order_schema()).expect(201).json();
    assert_eq!((&taken["schema_by"], &taken["schema"]["required"]), (&json!("operator"), &json!(["quantity"])), "{taken}");
    host.web.set_schema("order.placed", order_schema()).expect(200);
    let check = |host: &Host| {
        #[track_caller]
        fn refused(host: &Host, data: Value, path: &str) {
            let batch = json!([order("good", 1), with_data("bad", data)]).to_string();
            let problem = host.web.post("events", "application/cloudevents-batch+json", batch).problem(422, "schema-violation");
            assert_eq!((&problem["index"], &problem["path"]), (&json!(1), &json!(path)), "{problem}");
            assert_eq!(problem["event_type"], "order.placed", "{problem}");
        }
        refused(host, json!({ "quantity": 0 }), "/quantity");
        refused(host, json!({ "quantity": 1.5 }), "/quantity");
        refused(host, json!({ "quantity": 1, "lines": ["a", "b", 3] }), "/lines/2");
        refused(host, json!({}), "");
        refused(host, json!([]), "");
        let mut text = order("text", 1);
        (text["datacontenttype"], text["data"]) = (json!("text/plain"), json!("an order"));
        let problem = host.web.append(&text).problem(422, "schema-violation");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("text/plain")), "{problem}");
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", "binary"),
            ("ce-source", "/shop"),
            ("ce-type", "order.placed"),
            ("content-type", "application/json"),
        ];
        host.web.send("POST", "events", &headers, b"{\"quantity\":true}").problem(422, "schema-violation");
        assert_eq!(host.web.events("").iter().filter(|event| event["type"] == "order.placed").count(), 0, "nothing was half done");
    };
    check(&host);
    host.kill();
    host.restart();
    check(&host);
    let mut other = with_data("other", json!("anything"));
    other["type"] = json!("order.noted");
    host.web.append(&other).expect(201);
    host.web.append(&order("good", 1)).expect(201);
}

#[test]
fn a_stream_of_lines_stops_at_the_line_that_does_not_fit_and_keeps_those_before() {
    let host = Host::start();
    host.web.set_schema("order.placed", order_schema()).expect(201);
    let lines = |range: std::ops::RangeInclusive<u32>| range.map(|n| order(&n.to_string(), 1).to_string() + "\n").collect::<String>();
    let body = format!("{}{}\n{}", lines(1..=1_500), with_data("bad", json!({ "quantity": "many" })), lines(1_502..=3_000));
    let problem = host.web.post("events", "application/x-ndjson", body).problem(422, "schema-violation");
    assert_eq!((&problem["line"], &problem["events"]), (&json!(1_501), &json!(1_500)), "{problem}");
    assert_eq!(problem["path"], "/quantity", "{problem}");
    assert_eq!(host.web.events("types=order.placed").len(), 1_500);
}

#[test]
fn a_schema_that_a_stored_event_does_not_fit_is_refused_with_its_position_and_changes_nothing() {
    let host = Host::start();
    host.web.append(&order("1", 1)).expect(201);
    let place = host.web.append(&order("2", 0)).expect(201).json()["positions"][0].clone();
    let problem = host.web.set_schema("order.placed", order_schema()).problem(409, "schema-conflict");
    assert_eq!((&problem["position"], &problem["path"]), (&place, &json!("/quantity")), "{problem}");
    assert_eq!(host.web.get("types/order.placed").expect(200).json()["schema"], Value::Null);
    host.web.append(&order("3", 0)).expect(201);
    host.web.set_schema("order.placed", r#"{"properties":{"quantity":{"minimum":0}}}"#).expect(201);
    // Also where an upcaster takes the type: what is stored must fit what an operator says.
    host.web.deploy("shop", &guest("shop")).expect(201);
    let old = json!({"specversion": "1.0", "id": "old", "source": "/t", "type": "order.placed.v1", "subject": "order/9", "data": {"customer": "ada", "amount": 1.5}});
    host.web.append(&old).expect(201);
    host.web.set_schema("order.placed.v1", r#"{"required":["sku"]}"#).problem(409, "schema-conflict");
    for name in ["%20", "a,b", "a*"] {
        host.web.set_schema(name, "{}").problem(422, "invalid-schema");
    }
}

#[test]
fn a_schema_that_is_none_is_refused_with_the_place_in_it() {
    let host = Host::start();
    #[track_caller]
    fn check(host: &Host, schema: &str, says: &str) {
        let problem = host.web.set_schema("order.placed", schema).problem(422, "invalid-schema");
        assert_eq!(problem["event_type"], "order.placed", "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{problem} doesn't say {says:?}");
    }
    check(&host, r#"{"properties":{"quantity":{"type":"whole number"}}}"#, "/properties/quantity/type");
    check(&host, r#"{"properties":{"quantity":{"minimum":"one"}}}"#, "/properties/quantity/minimum");
    check(&host, r#"{"properties":{"sku":{"pattern":"("}}}"#, "/properties/sku/pattern");
    check(&host, r##"{"$ref":"#/$defs/nowhere"}"##, "nowhere");
    check(&host, r#"{"$ref":"http://127.0.0.1:9/schema.json"}"#, "127.0.0.1");
    check(&host, r#"{"$schema":"http://json-schema.org/draft-04/schema#"}"#, "draft 4");
    check(&host, "7", "");
    check(&host, "{", "");
    check(&host, "", "");
    check(&host, &"[".repeat(100_000), "");
    check(&host, &format!(r#"{{"description":"{}"}}"#, "x".repeat(300 << 10)), "");
    host.web.set_schema("order.placed", vec![b' '; 2 << 20]).problem(413, "too-large");
    host.web.set_schema("order.placed", b"\"\xff\"").problem(400, "malformed-request");
    host.web.append(&order("1", 0)).expect(201);
}

#[test]
fn a_schema_that_would_take_for_ever_is_cut_short_and_says_so() {
    let host = Host::start();
    // Each level looks at the next one twice: 2^40 looks.
    let mut levels = serde_json::Map::new();
    for level in 0..40 {
        let next = json!({ "$ref": format!("#/$defs/{}", level + 1) });
        levels.insert(level.to_string(), json!({ "anyOf": [next, next] }));
    }
    levels.insert("40".to_owned(), json!({ "const": "nothing is this" }));
    let schema = json!({ "$ref": "#/$defs/0", "$defs": levels }).to_string();
    host.web.set_schema("order.placed", &schema).expect(201);
    let problem = host.web.append(&order("1", 1)).problem(422, "schema-violation");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("schema-steps")), "{problem}");
    // A pattern that other engines take 2^n steps for.
    host.web.delete("types/order.placed/schema").expect(200);
    host.web.set_schema("order.placed", r#"{"properties":{"sku":{"pattern":"^(a+)+$"}}}"#).expect(201);
    let sku = |text: String| with_data("2", json!({ "sku": text }));
    let problem = host.web.append(&sku("a".repeat(50_000) + "b")).problem(422, "schema-violation");
    assert_eq!(problem["path"], "/sku", "{problem}");
    host.web.append(&sku("a".repeat(50_000))).expect(201);
}

#[test]
fn a_type_has_one_schema_whoever_gives_it() {
    let host = Host::start();
    let shop = guest("shop");
    host.web.set_schema("stock.reserved", r#"{"type":"array"}"#).expect(201);
    let problem = host.web.deploy("shop", &shop).problem(409, "schema-conflict");
    assert_eq!(problem["event_type"], "stock.reserved", "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("operator")), "{problem}");
    host.web.get("modules/shop").problem(404, "unknown-module");
    host.web.delete("types/stock.reserved/schema").expect(200);
    host.web.deploy("shop", &shop).expect(201);
    let problem = host.web.set_schema("stock.reserved", r#"{"type":"array"}"#).problem(409, "schema-conflict");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(r#"module "shop""#)), "{problem}");
    // A module's schema goes with the module, not by hand.
    host.web.delete("types/stock.reserved/schema").problem(404, "unknown-type");
    host.web.delete("modules/shop").expect(200);
    host.web.get("types/stock.reserved").problem(404, "unknown-type");
    host.web.set_schema("stock.reserved", r#"{"type":"array"}"#).expect(201);
}

#[test]
fn a_modules_schema_that_stored_events_do_not_fit_is_refused_unless_they_are_upcast() {
    let host = Host::start();
    let event = |id: &str, r#type: &str, data: Value| json!({"specversion": "1.0", "id": id, "source": "/test", "type": r#type, "subject": "stock/apple", "data": data});
    let place = host.web.append(&event("1", "stock.reserved", json!({ "quantity": 2 }))).expect(201).json()["positions"][0].clone();
    let problem = host.web.deploy("shop", &guest("shop")).problem(409, "schema-conflict");
    assert_eq!((&problem["event_type"], &problem["position"]), (&json!("stock.reserved"), &place), "{problem}");
    host.web.get("modules/shop").problem(404, "unknown-module");
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"other"}"#).expect(201);
    let other = host.web.namespace("other");
    let old = event("old", "order.placed.v1", json!({ "customer": "ada", "amount": 1.5 }));
    other.append(&old).expect(201);
    other.deploy("shop", &guest("shop")).expect(201);
    // An operator's schema holds for all that is stored, upcast or not.
    other.set_schema("order.placed.v1", r#"{"properties":{"amount":{"type":"integer"}}}"#).problem(409, "schema-conflict");
    other.set_schema("order.placed.v1", r#"{"properties":{"amount":{"type":"number"}}}"#).expect(201);
    other.append(&event("new", "order.placed.v1", json!({ "customer": "ada", "amount": "2.5" }))).problem(422, "schema-violation");
    assert_eq!(other.append(&old).expect(200).json()["new"], 0);
}

#[test]
fn an_output_that_does_not_fit_its_schema_sets_its_event_aside() {
    let host = Host::start();
    host.web.deploy("hello", &guest("hello")).expect(201);
    host.web.set_schema("order.priced", r#"{"properties":{"total":{"maximum":500}}}"#).expect(201);
    let send = |id: &str, quantity| {
        host.web.post("events?wait=handled", "application/cloudevents+json", order(id, quantity).to_string()).expect(201).json()
    };
    assert_eq!(send("1", 2)["derived"].as_array().map(Vec::len), Some(1));
    let answer = send("2", 3);
    assert_eq!(answer["parked"], json!([{ "function": "pricing", "position": answer["positions"][0] }]), "{answer}");
    let parked = host.web.get("functions/pricing/parked").expect(200).json();
    assert_eq!(parked["parked"][0]["reason"], "schema", "{parked}");
    assert!(parked["parked"][0]["message"].as_str().is_some_and(|message| message.contains("/total")), "{parked}");
    // Without the schema it passes.
    host.web.delete("types/order.priced/schema").expect(200);
    host.web.post("functions/pricing/release", "application/json", "").expect(200);
    host.wait_for("pricing", |now| now["parked"] == 0);
    assert_eq!(host.web.events("types=order.priced").len(), 2);
}

#[test]
fn a_decision_that_does_not_fit_its_schema_is_the_functions_fault_and_is_not_recorded() {
    let host = Host::start();
    host.web.deploy("shop", &guest("shop")).expect(201);
    host.web.set_schema("cart.item-added", r#"{"properties":{"quantity":{"maximum":3}}}"#).expect(201);
    let add = |id: &str, quantity: u32| host.web.command("cart.add-item", "cart/1", id, &json!({ "sku": "apple", "quantity": quantity }));
    add("1", 3).expect(200);
    let head = host.web.events("").len();
    let problem = add("2", 4).problem(500, "function-failed");
    assert_eq!((&problem["reason"], &problem["function"]), (&json!("schema"), &json!("cart")), "{problem}");
    assert_eq!(host.web.events("").len(), head);
    add("2", 1).expect(200);
    // A schema for commands is held against new ones; what was answered keeps its answer.
    host.web.set_schema("cart.check-out", r#"{"required":["customer"],"properties":{"customer":{"minLength":2}}}"#).expect(201);
    let problem = host.web.command("cart.check-out", "cart/1", "3", &json!({ "customer": "x" })).problem(422, "schema-violation");
    assert_eq!(problem["path"], "/customer", "{problem}");
    host.web.command("cart.check-out", "cart/1", "3", &json!({ "customer": "ada" })).expect(200);
}

#[test]
fn the_catalogue_tells_what_there_is_of_each_type_and_whose_it_is() {
    let mut host = Host::start();
    host.web.deploy("hello", &guest("hello")).expect(201);
    host.web.set_schema("order.placed", order_schema()).expect(201);
    for n in 1..=3 {
        host.web.post("events?wait=handled", "application/cloudevents+json", order(&n.to_string(), n).to_string()).expect(201);
    }
    let check = |host: &Host| {
        let all = host.web.get("types").expect(200).json();
        let of = |name: &str| all["types"].as_array().expect("types").iter().find(|of| of["type"] == name).expect("the type").clone();
        for (name, made_by, read_by, schema_by) in [
            ("order.placed", json!([]), json!(["pricing"]), json!("operator")),
            ("order.priced", json!(["pricing"]), json!([]), Value::Null),
        ] {
            let (info, stored) = (of(name), host.web.events(&format!("types={name}")));
            assert_eq!((&info["kind"], &info["count"]), (&json!("event"), &json!(3)), "{info}");
            assert_eq!((&info["first_position"], &info["last_position"]), (&stored[0]["position"], &stored[2]["position"]), "{info}");
            assert_eq!((&info["emitted_by"], &info["read_by"], &info["schema_by"]), (&made_by, &read_by, &schema_by), "{info}");
            assert_eq!(host.web.get(&format!("types/{name}")).expect(200).json(), info);
        }
        assert_eq!(of("order.placed")["schema"], serde_json::from_str::<Value>(&order_schema()).expect("JSON"));
    };
    check(&host);
    host.kill();
    host.restart();
    check(&host);
    let problem = host.web.get("types/order.eaten").problem(404, "unknown-type");
    assert_eq!(problem["event_type"], "order.eaten");
    host.web.delete("types/order.eaten/schema").problem(404, "unknown-type");
    host.web.delete("types/order.placed/schema").expect(200);
    host.web.delete("types/order.placed/schema").problem(404, "unknown-type");
    host.web.append(&order("free", 0)).expect(201);
}

#[test]
fn the_command_line_gives_a_type_its_schema_and_takes_it_away() {
    let host = Host::start();
    let file = host.data().with_extension("schema.json");
    std::fs::write(&file, order_schema()).expect("written");
    let path = file.to_str().expect("text");
    let code = |arguments: &[&str]| host.retold(arguments).status.code();
    assert_eq!(code(&["types", "order.placed", "--schema", path]), Some(0));
    host.web.append(&with_data("1", json!({}))).problem(422, "schema-violation");
    let shown = String::from_utf8_lossy(&host.retold(&["types", "order.placed"]).stdout).into_owned();
    assert!(shown.contains("operator") && shown.contains("quantity"), "{shown}");
    assert_eq!(code(&["types", "order.placed", "--remove-schema"]), Some(0));
    assert_eq!(code(&["types", "order.placed", "--remove-schema"]), Some(3));
    host.web.append(&with_data("1", json!({}))).expect(201);
    assert_eq!(code(&["types", "order.placed", "--schema", path]), Some(3), "what is stored doesn't fit");
    assert_eq!(code(&["types", "order.placed", "--schema", "/nothing/here"]), Some(2));
    std::fs::remove_file(&file).expect("removed");
}
