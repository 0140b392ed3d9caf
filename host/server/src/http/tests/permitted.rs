//! What a token may ask: every route, with every token, in its own namespace and in another.

use serde_json::json;

use super::super::route::{Needs, Route, Takes};
use super::super::routes::routes;
use super::running::{Reply, Running};
use crate::drive::Scope;

const OWN: &str = "own";
const OTHER: &str = "other";

/// Makes a token, and answers the header that shows it.
fn token(host: &Running, by: &str, namespaces: Option<&[&str]>, allow: &[Scope]) -> String {
    let allow: Vec<&str> = allow.iter().map(|scope| scope.name()).collect();
    let body = json!({ "name": "one", "namespaces": namespaces, "allow": allow }).to_string();
    let made = host.send("POST", "/v1/tokens", &[("Authorization", by), ("Content-Type", "application/json")], body.as_bytes());
    assert_eq!(made.status, 201, "{}", made.text());
    format!("Bearer {}", made.json()["token"].as_str().expect("a token"))
}

/// A host with the namespaces, and the header of a token that may do everything.
fn host() -> (Running, String) {
    let host = Running::start();
    for name in [OWN, OTHER] {
        host.post("/v1/namespaces", "application/json", &json!({ "name": name }).to_string());
    }
    let all = token(&host, "none", None, &Scope::ALL);
    (host, all)
}

/// A request for a route in a namespace, with nothing in it that a handler could take; made so that it changes nothing.
fn ask(host: &Running, route: &Route, method: &str, namespace: &str, bearer: &str) -> Reply {
    let path = route.path.replace("{ns}", namespace).replace("{other}", namespace).replace("{position}", "7").replace("{id}", "none");
    let path = path.replace("{name}", "none").replace("{type}", "none.such").replace("{subject+}", "a/b").replace("{key+}", "a/b");
    // Nothing is compiled for a request that can't be.
    let path = if matches!(route.takes, Takes::Wasm) { path + "?rehearse=no" } else { path };
    let body = match route.needs {
        Needs::InBody(_) => json!({ "name": "main", "fork": { "base": namespace, "at": "no place" } }).to_string(),
        _ => "no JSON".to_owned(),
    };
    let mut headers = vec![("Content-Type", "application/json"), ("Connection", "close")];
    headers.extend((!bearer.is_empty()).then_some(("Authorization", bearer)));
    host.send(method, &path, &headers, body.as_bytes())
}

fn is_let_in(reply: &Reply) -> bool {
    assert!(reply.status < 500 || reply.status == 503, "{} {}", reply.status, reply.text());
    !matches!(reply.status, 401 | 403)
}

#[test]
fn a_token_is_let_in_exactly_where_its_scope_and_namespace_say_on_every_route_k5() {
    let (host, all) = host();
    // For `main` too, which is what the namespace of a body would be called.
    let tokens: Vec<(Scope, String)> =
        Scope::ALL.into_iter().map(|scope| (scope, token(&host, &all, Some(&[OWN, "main"]), &[scope]))).collect();
    for route in routes() {
        for (scope, bearer) in &tokens {
            for namespace in [OWN, OTHER] {
                let may = match route.needs {
                    Needs::Nothing | Needs::Optional | Needs::AnyToken => true,
                    Needs::Reach => namespace == OWN,
                    Needs::InPath(needed) | Needs::InBody(needed) => needed == *scope && namespace == OWN,
                    // Each of these may one thing.
                    Needs::OperateAndDeploy | Needs::Everywhere(_) => false,
                };
                for method in [route.method.as_str(), "HEAD"].into_iter().take(if route.method == "GET" { 2 } else { 1 }) {
                    let reply =
                        if method == "HEAD" { head(&host, route, namespace, bearer) } else { ask(&host, route, method, namespace, bearer) };
                    assert_eq!(is_let_in(&reply), may, "{method} {} in {namespace} with {}: {}", route.path, scope.name(), reply.status);
                    if !may && method != "HEAD" {
                        let problem = reply.json();
                        assert_eq!(reply.problem(), "forbidden", "{problem}");
                        assert!(problem["needs"].is_string() || problem["namespace"].is_string(), "{problem}");
                    }
                }
            }
        }
    }
}

/// Its answer has a length and no body.
fn head(host: &Running, route: &Route, namespace: &str, bearer: &str) -> Reply {
    use std::io::{BufReader, Write};

    let path = route.path.replace("{ns}", namespace).replace("{other}", namespace).replace("{position}", "7").replace("{id}", "none");
    let path = path.replace("{name}", "none").replace("{type}", "none.such").replace("{subject+}", "a/b").replace("{key+}", "a/b");
    let mut stream = host.connect();
    write!(stream, "HEAD {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\nConnection: close\r\n\r\n").expect("sent");
    let (status, headers) = super::running::head(&mut BufReader::new(stream));
    Reply { status, headers, body: Vec::new() }
}

#[test]
fn without_a_token_only_the_open_routes_answer_and_where_there_are_none_all_do_k5_k7() {
    let (host, _) = host();
    let bare = Running::start();
    for route in routes() {
        let open = matches!(route.needs, Needs::Nothing | Needs::Optional);
        // Failures are counted by address: what comes after is refused as well, with another status.
        let reply = ask(&host, route, route.method.as_str(), OWN, "");
        assert_eq!(!matches!(reply.status, 401 | 429), open, "{} {}: {}", route.method, route.path, reply.status);
        assert!(is_let_in(&ask(&bare, route, route.method.as_str(), "main", "")), "{} {}", route.method, route.path);
    }
    assert!(matches!(host.get("/nothing/here").status, 401 | 429), "not even what there is not is told");
}

#[test]
fn what_a_token_may_not_see_is_the_same_to_it_as_what_is_not_there_k8() {
    let (host, all) = host();
    let bearer = token(&host, &all, Some(&[OWN]), &[Scope::Read, Scope::Operate]);
    let get = |path: &str| host.send("GET", path, &[("Authorization", &bearer)], b"");
    let text = |namespace: &str, rest: &str| {
        let reply = get(&format!("/v1/namespaces/{namespace}{rest}"));
        (reply.status, reply.text().replace(namespace, "it"))
    };
    for rest in ["", "/events", "/views/x", "/modules", "/diff/own"] {
        assert_eq!(text(OTHER, rest), text("nowhere", rest), "{rest}");
        assert_eq!(text(OTHER, rest).0, 403);
    }
    assert_eq!(get(&format!("/v1/namespaces/{OWN}/diff/{OTHER}")).status, 403);
    let names = |reply: Reply| -> Vec<String> {
        let all = reply.json()["namespaces"].as_array().expect("a list").clone();
        all.iter().map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names(get("/v1/namespaces")), [OWN]);
    assert_eq!(names(get("/readyz")), [OWN]);
    assert_eq!(names(host.get("/readyz")), [""; 0], "and who shows none sees none");
    assert_eq!(host.get("/readyz").json()["ready"], true);
    let fork = json!({ "name": "stolen", "fork": { "base": OTHER } }).to_string();
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    assert_eq!(host.send("POST", "/v1/namespaces", &headers, fork.as_bytes()).problem(), "forbidden");
}

#[test]
fn a_namespace_is_forked_retold_and_promoted_only_by_who_may_do_so_in_all_that_it_touches_k8() {
    let (host, all) = host();
    let bearer = token(&host, &all, Some(&["mine"]), &[Scope::Operate]);
    let both = token(&host, &all, Some(&["mine", OWN]), &[Scope::Operate]);
    let make = |bearer: &str, body: serde_json::Value| {
        host.send("POST", "/v1/namespaces", &[("Authorization", bearer), ("Content-Type", "application/json")], body.to_string().as_bytes())
    };
    assert_eq!(make(&bearer, json!({ "name": "mine", "fork": { "base": OWN } })).problem(), "forbidden");
    assert_eq!(make(&bearer, json!({ "name": "mine", "retell": { "base": OWN } })).problem(), "forbidden");
    assert_eq!(make(&bearer, json!({ "name": OWN, "fork": { "base": "mine" } })).problem(), "forbidden");
    // Code needs what deploys it, wherever it is to run.
    let with = json!([{ "wasm": "AGFzbQ==" }]);
    let refused = make(&both, json!({ "name": "mine", "retell": { "base": OWN, "with": with } }));
    assert_eq!((refused.problem().as_str(), refused.json()["needs"].as_str()), ("forbidden", Some("deploy")));
    assert_eq!(make(&both, json!({ "name": "mine", "retell": { "base": OWN } })).status, 202);
    let promote = |bearer: &str| host.send("POST", "/v1/namespaces/mine/promote", &[("Authorization", bearer)], b"");
    assert_eq!(promote(&bearer).problem(), "forbidden", "it would change what it may not touch");
    assert_ne!(promote(&both).status, 403);
}

#[test]
fn a_change_that_was_long_on_its_way_is_refused_once_its_token_is_revoked_k6() {
    use std::io::{BufReader, Write};

    let (host, all) = host();
    let bearer = token(&host, &all, None, &[Scope::Operate]);
    let body = r#"{"name":"back door","allow":["operate"]}"#;
    let head = format!("POST /v1/tokens HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut slow = host.connect();
    slow.write_all((head + &body[..10]).as_bytes()).expect("sent");
    let id = bearer.split('_').nth(1).expect("an id");
    let count = || host.host.tokens().all().len();
    // Until then its head is read, and it is admitted.
    std::thread::park_timeout(std::time::Duration::from_millis(300));
    assert_eq!(host.send("DELETE", &format!("/v1/tokens/{id}"), &[("Authorization", &all)], b"").status, 200);
    let before = count();
    slow.write_all(&body.as_bytes()[10..]).expect("sent");
    assert_eq!(super::running::reply(&mut BufReader::new(slow)).problem(), "unauthenticated");
    assert_eq!(count(), before, "no token was made");
}
