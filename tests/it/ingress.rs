//! Webhooks in: signatures, redelivery, and what an ingress function may get wrong.

use std::path::PathBuf;

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Answer, Host, guest, of_type, repository};

const KEY: &str = "It's a Secret to Everybody";
const EVENTS: [&str; 6] = ["ping", "push", "issues", "pull_request", "release", "star"];

fn signature(key: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key").chain_update(body).finalize().into_bytes();
    format!("sha256={}", mac.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn payload(event: &str) -> Vec<u8> {
    std::fs::read(repository().join(format!("guest-examples/github/payloads/{event}.json"))).expect("a payload")
}

/// Sends a delivery as GitHub does.
fn deliver(host: &Host, event: &str, delivery: &str, signature: Option<&str>, body: &[u8]) -> Answer {
    let mut headers = vec![("content-type", "application/json"), ("x-github-event", event), ("x-github-delivery", delivery)];
    headers.extend(signature.map(|signature| ("x-hub-signature-256", signature)));
    host.web.send("POST", "ingress/github", &headers, body)
}

fn secrets(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("retold-ingress-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("github-webhook"), format!("{KEY}\n")).expect("written");
    folder
}

#[test]
fn each_delivery_of_github_becomes_one_event_however_often_it_is_sent() {
    let folder = secrets("once");
    let mut host = Host::start_saying(&["--secrets", folder.to_str().expect("a path")]);
    host.web.deploy("github", &guest("github")).expect(201);
    for event in EVENTS {
        let (body, delivery) = (payload(event), format!("delivery-of-{event}"));
        let signature = signature(KEY, &body);
        let first = deliver(&host, event, &delivery, Some(&signature), &body).expect(200).json();
        assert_eq!(first["new"], 1);
        let again = deliver(&host, event, &delivery, Some(&signature), &body).expect(200).json();
        assert_eq!((&again["new"], &again["positions"]), (&json!(0), &first["positions"]));
    }
    host.kill();
    host.restart();
    let push = payload("push");
    assert_eq!(deliver(&host, "push", "delivery-of-push", Some(&signature(KEY, &push)), &push).expect(200).json()["new"], 0);
    let recorded = of_type(&host.web, "github.*");
    let told: Vec<&str> = recorded.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(told, EVENTS.map(|event| format!("github.{event}")));
    for (event, recorded) in EVENTS.iter().zip(&recorded) {
        let sent: Value = serde_json::from_slice(&payload(event)).expect("JSON");
        assert_eq!((&recorded["data"], &recorded["source"]), (&sent, &json!("/ingress/github")));
        assert_eq!((&recorded["id"], &recorded["subject"]), (&json!(format!("delivery-of-{event}")), &sent["repository"]["full_name"]));
    }
    assert_eq!(recorded[2]["time"], "2019-05-15T15:20:18Z");
    // The same delivery with something else in it is not the same.
    let star = payload("star");
    deliver(&host, "star", "delivery-of-push", Some(&signature(KEY, &star)), &star).problem(409, "content-conflict");
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_signature_that_is_wrong_missing_or_of_another_body_makes_nothing() {
    let folder = secrets("wrong");
    let host = Host::start_saying(&["--secrets", folder.to_str().expect("a path")]);
    host.web.deploy("github", &guest("github")).expect(201);
    let body = payload("push");
    let right = signature(KEY, &body);
    let changed = String::from_utf8(body.clone()).expect("text").replace("Codertocat", "Somebody12").into_bytes();
    let head = host.web.get("//v1/namespaces/main").expect(200).json()["head"].clone();
    for (signature, body) in [
        (Some(signature("another", &body)), &body),
        (Some(signature("", &body)), &body),
        (Some(right.clone()), &changed),
        (Some(right.replace("sha256=", "")), &body),
        (Some(right[..70].to_owned()), &body),
        (Some("sha256=".to_owned()), &body),
        (None, &body),
    ] {
        let answer = deliver(&host, "push", "d", signature.as_deref(), body);
        assert_eq!((answer.status, answer.body.as_slice()), (401, b"X-Hub-Signature-256 is missing or wrong".as_slice()));
    }
    assert_eq!(host.web.get("//v1/namespaces/main").expect(200).json()["head"], head);
    deliver(&host, "push", "d", Some(&right), &body).expect(200);
    // Without the secret, nobody can tell what is right: it is the operator's to mend, and the sender's to
    // send again.
    std::fs::remove_file(folder.join("github-webhook")).expect("removed");
    let problem = deliver(&host, "push", "e", Some(&right), &body).problem(503, "secret-missing");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("\"github-webhook\"")), "{problem}");
    std::fs::write(folder.join("github-webhook"), "rotated").expect("written");
    deliver(&host, "push", "e", Some(&right), &body).expect(401);
    deliver(&host, "push", "e", Some(&signature("rotated", &body)), &body).expect(200);
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn what_an_ingress_function_does_wrong_is_told_and_records_nothing() {
    let host = Host::start();
    host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    let ask = |data: Value| host.web.post("ingress/bad-ingress", "application/json", data.to_string());
    for (data, reason) in [
        (json!({ "do": "trap" }), "trap"),
        (json!({ "do": "loop" }), "fuel"),
        (json!({ "do": "undeclared", "key": "1" }), "undeclared"),
        (json!({ "do": "hosts_type", "key": "1" }), "undeclared"),
        (json!({ "do": "beyond_year9999", "key": "1" }), "output"),
        (json!({ "do": "twice", "key": "1" }), "output"),
        (json!({ "do": "ok" }), "output"),
        (json!({ "do": "flood" }), "output"),
        (json!({ "do": "status" }), "output"),
        (json!({ "do": "header_injection" }), "output"),
    ] {
        assert_eq!(ask(data.clone()).problem(500, "function-failed")["reason"], reason, "{data}");
    }
    assert_eq!(of_type(&host.web, "test.posted"), Vec::<Value>::new());
    assert_eq!(ask(json!({ "do": "undeclared_secret" })).expect(200).body, b"false");
    assert_eq!(ask(json!({ "do": "status", "count": 418 })).status, 418);
    assert_eq!(ask(json!({ "do": "ok", "key": "one" })).expect(200).json()["new"], 1);
    assert_eq!(ask(json!({ "do": "flood", "count": 100 })).expect(200).json()["new"], 100);
    // Any query and any body is the function's to judge, up to a size.
    assert_eq!(host.web.send("PUT", "ingress/bad-ingress?a=1", &[], b"{").status, 400);
    assert_eq!(host.web.get("ingress/bad-ingress?hub.challenge=1").status, 400);
    host.web.post("ingress/bad-ingress", "text/plain", vec![b'x'; 9 << 20]).problem(413, "too-large");
    assert_eq!(host.web.delete("ingress/bad-ingress").status, 405);
    host.web.post("ingress/reach-out", "text/plain", "").problem(404, "unknown-function");
    host.web.post("ingress/nobody", "text/plain", "").problem(404, "unknown-function");
}
