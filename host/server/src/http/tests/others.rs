//! Namespaces, modules, functions, health, figures, the interface's own description.

use super::running::{Running, event};

#[test]
fn a_namespace_is_made_once_and_is_a_log_of_its_own() {
    let host = Running::start();
    let make = |body: &str| host.post("/v1/namespaces", "application/json", body);
    assert_eq!((make(r#"{"name":"shop"}"#).status, make(r#"{"name":"shop"}"#).status), (201, 200));
    assert_eq!(make(r#"{"name":"No Good"}"#).problem(), "invalid-name");
    assert_eq!(make(r#"{"nam":"x"}"#).problem(), "malformed-request");
    host.post("/v1/namespaces/shop/events", "application/json", &event("1", ""));
    let all = host.get("/v1/namespaces").json();
    let heads: Vec<_> =
        all["namespaces"].as_array().expect("namespaces").iter().map(|one| (one["name"].as_str(), one["head"].as_str())).collect();
    assert_eq!(heads, [(Some("main"), Some("0")), (Some("shop"), Some("1"))]);
    assert_eq!(host.get("/v1/namespaces/shop").json()["head"], "1");
    for path in ["/v1/namespaces/none", "/v1/namespaces/none/events", "/v1/namespaces/none/functions", "/v1/namespaces/none/modules"] {
        assert_eq!(host.get(path).problem(), "unknown-namespace");
    }
}

#[test]
fn modules_and_functions_that_are_unknown_are_told() {
    let host = Running::start();
    let base = "/v1/namespaces/main";
    assert_eq!(host.get(&format!("{base}/modules")).json()["modules"].as_array().map(Vec::len), Some(0));
    assert_eq!(host.get(&format!("{base}/modules/x")).problem(), "unknown-module");
    assert_eq!(host.send("DELETE", &format!("{base}/modules/x"), &[], b"").problem(), "unknown-module");
    assert_eq!(host.get(&format!("{base}/functions")).json()["functions"].as_array().map(Vec::len), Some(0));
    assert_eq!(host.get(&format!("{base}/functions/x")).problem(), "unknown-function");
    assert_eq!(host.get(&format!("{base}/functions/x/parked")).problem(), "unknown-function");
    for word in ["pause", "resume", "rewind", "release"] {
        assert_eq!(host.post(&format!("{base}/functions/x/{word}"), "application/json", "").problem(), "unknown-function", "{word}");
    }
}

#[test]
fn a_host_tells_how_it_is_and_what_it_offers() {
    let host = Running::start();
    host.append("1", "");
    assert_eq!(host.get("/healthz").json()["status"], "alive");
    let ready = host.get("/readyz");
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (200, Some(true)));
    assert_eq!(ready.json()["namespaces"][0]["head"], "1");
    let metrics = host.get("/metrics");
    for line in [
        "retold_head{namespace=\"main\"} 1\n",
        "retold_appended_events_total{namespace=\"main\"} 1\n",
        "retold_ready 1\n",
        "retold_http_answers_total{class=\"2xx\"} 3\n",
    ] {
        assert!(metrics.text().contains(line), "{line}{}", metrics.text());
    }
    assert_eq!(host.get("/openapi.json").json()["openapi"], "3.1.0");
    assert!(host.get("/").text().contains("/v1/namespaces/{ns}/events"));
    assert_eq!(host.send("DELETE", "/healthz", &[], b"").header("allow"), Some("GET, HEAD"));
}
