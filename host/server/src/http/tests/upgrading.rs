//! The routes of upgrades: what they take, and what they refuse before anything is begun.

use super::running::{Running, event};

const BASE: &str = "/v1/namespaces/main";

#[test]
fn a_replay_that_is_not_there_is_told() {
    let host = Running::start();
    assert_eq!(host.get(&format!("{BASE}/replays")).json()["replays"].as_array().map(Vec::len), Some(0));
    assert_eq!(host.get(&format!("{BASE}/replays/7")).problem(), "unknown-replay");
    assert_eq!(host.get("/v1/namespaces/none/replays").problem(), "unknown-namespace");
    assert_eq!(host.send("PATCH", &format!("{BASE}/replays/7"), &[], b"").header("allow"), Some("GET, DELETE, HEAD"));
}

#[test]
fn every_version_of_a_module_is_listed_only_if_asked_for() {
    let host = Running::start();
    for query in ["", "?history=true", "?history=false"] {
        assert_eq!(host.get(&format!("{BASE}/modules{query}")).json()["modules"].as_array().map(Vec::len), Some(0), "{query}");
    }
    assert_eq!(host.get(&format!("{BASE}/modules?history=all")).problem(), "invalid-parameter");
}

#[test]
fn an_upload_that_asks_for_what_makes_no_sense_is_refused_before_it_is_looked_at() {
    let host = Running::start();
    for (query, says) in [("rehearse=twice", "first, only or skip"), ("rehearse=skip&last=5", "rehearsal"), ("since=2.7", "generation 2")] {
        for (method, path) in [("PUT", "modules/x"), ("POST", "modules/x/rollback")] {
            let refused = host.send(method, &format!("{BASE}/{path}?{query}"), &[], b"\0asm");
            assert_eq!(refused.problem(), "invalid-parameter", "{path}?{query}");
            assert!(refused.text().contains(says), "{}", refused.text());
        }
    }
    assert_eq!(host.post(&format!("{BASE}/modules/x/rollback"), "application/json", r#"{"too":"1"}"#).problem(), "malformed-request");
}

#[test]
fn a_namespace_is_a_fork_or_a_retelling_and_what_it_is_made_of_is_read_whole() {
    let host = Running::start();
    host.append("1", "");
    let refused = |body: &str| host.post("/v1/namespaces", "application/json", body);
    for (body, problem, says) in [
        (r#"{"name":"x","fork":{"base":"main"},"retell":{"base":"main"}}"#, "malformed-request", "one of both"),
        (r#"{"name":"x","fork":{"base":"none"}}"#, "unknown-namespace", "none"),
        (r#"{"name":"x","fork":{"base":"main","at":"2"}}"#, "invalid-parameter", "ends at 1"),
        (r#"{"name":"x","fork":{"base":"main","at":"2.1"}}"#, "invalid-parameter", "generation 2"),
        (r#"{"name":"x","fork":{"bas":"main"}}"#, "malformed-request", "unknown field"),
        (r#"{"name":"x","retell":{"base":"main","drop":[{}]}}"#, "malformed-request", "says nothing"),
        (r#"{"name":"x","retell":{"base":"main","with":[{"name":"m","wasm":"?"}]}}"#, "malformed-request", "base64"),
    ] {
        let refused = refused(body);
        assert_eq!(refused.problem(), problem, "{body}");
        assert!(refused.text().contains(says), "{}", refused.text());
    }
    assert_eq!(host.get("/v1/namespaces").json()["namespaces"].as_array().map(Vec::len), Some(1));
    let main = host.get(BASE).json();
    assert_eq!((main["generation"].as_u64(), main["role"].as_str(), main["base"].is_null()), (Some(1), Some("own"), true));
}

#[test]
fn an_earlier_generation_has_one_way_to_be_written() {
    let host = Running::start();
    // There is none yet: what counts is the name that was looked for.
    assert!(host.get("/v1/namespaces/main@1/events").text().contains("\\\"main@1\\\""));
    assert!(host.get("/v1/namespaces/main%401/events").text().contains("\\\"main%401\\\""));
}

#[test]
fn a_cursor_of_another_log_is_refused_wherever_one_is_taken() {
    let host = Running::start();
    host.append("1", "");
    for path in
        ["events?after=2.1", "events/2.1", "events/2.1/causes", "events?after=2.1.3.1", "aggregates/x/y?at=2.1", "views/x?min-position=2.1"]
    {
        assert_eq!(host.get(&format!("{BASE}/{path}")).problem(), "invalid-parameter", "{path}");
    }
    let conditional = host.post(&format!("{BASE}/events?if-none-after=2.1"), "application/json", &event("2", ""));
    assert_eq!(conditional.problem(), "invalid-parameter");
    let stream = host.send("GET", &format!("{BASE}/events"), &[("Accept", "text/event-stream"), ("Last-Event-ID", "2.1")], b"");
    assert_eq!(stream.problem(), "invalid-parameter");
}
