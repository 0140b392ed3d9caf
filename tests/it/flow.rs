//! The flow of events: as READMEs draw it, as it is counted, and what is odd about it.

use serde_json::{Value, json};

use crate::handlers::order;
use crate::support::{Host, guest, guest_file, repository};

/// The Mermaid block of a guest's README.
fn drawn_in_readme(guest: &str) -> String {
    let path = repository().join("guest-examples").join(guest).join("README.md");
    let page = std::fs::read_to_string(&path).expect("the README");
    let block = page.split("```mermaid\n").nth(1).and_then(|rest| rest.split("```").next());
    block.unwrap_or_else(|| panic!("{} has no drawing", path.display())).to_owned()
}

#[track_caller]
fn told(host: &Host, arguments: &[&str]) -> String {
    let output = host.retold(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// An edge of a flow, by what it leads from and to.
fn edge<'a>(flow: &'a Value, from: &str, to: &str) -> &'a Value {
    let edges = flow["edges"].as_array().expect("edges");
    edges.iter().find(|edge| edge["from"] == from && edge["to"] == to).unwrap_or(&Value::Null)
}

#[test]
fn the_flow_of_the_shop_is_as_its_readme_draws_it() {
    let host = Host::start();
    host.web.deploy("shop", &guest("shop")).expect(201);
    assert_eq!(told(&host, &["flow", "--mermaid", "--declared"]), drawn_in_readme("shop"));
}

#[test]
fn what_really_went_which_way_is_counted_on_as_the_log_grows() {
    let host = Host::start();
    host.web.deploy("hello", &guest("hello")).expect(201);
    for id in ["1", "2", "3"] {
        host.web.append(&order(id, 1)).expect(201);
    }
    host.wait_until_level("pricing");
    let counted = || host.web.get("flow").expect(200).json();
    let flow = counted();
    assert_eq!(flow["counted_to"], flow["head"], "{flow}");
    let (source, placed, pricing, priced) = (
        format!("source:{}", order("1", 1)["source"].as_str().expect("text")),
        "event:order.placed",
        "function:pricing",
        "event:order.priced",
    );
    let is = |flow: &Value, from: &str, to: &str, link: &str, declared: bool, count: u64| {
        let edge = edge(flow, from, to);
        assert_eq!(
            (&edge["link"], &edge["declared"], &edge["count"]),
            (&json!(link), &json!(declared), &json!(count)),
            "{from} {to}: {flow}"
        );
    };
    is(&flow, &source, placed, "appends", false, 3);
    is(&flow, placed, pricing, "reads", true, 3);
    is(&flow, pricing, priced, "emits", true, 3);
    host.web.append(&json!({"specversion": "1.0", "id": "x", "source": "/other/1", "type": "order.placed", "subject": "s", "data": {"quantity": 1, "unit_price": 250}})).expect(201);
    host.wait_until_level("pricing");
    let flow = counted();
    is(&flow, &source, placed, "appends", false, 3);
    is(&flow, "source:/other", placed, "appends", false, 1);
    is(&flow, pricing, priced, "emits", true, 4);
    let lints = flow["lints"].as_array().expect("lints");
    assert!(lints.iter().any(|lint| lint["lint"] == "nobody-reads" && lint["nodes"][0] == priced), "{flow}");
    // Where only declarations are asked for, nobody counts.
    let flow = host.web.get("flow?declared=true").expect(200).json();
    assert_eq!((&flow["counted_to"], &edge(&flow, pricing, priced)["count"]), (&Value::Null, &Value::Null), "{flow}");
    assert_eq!(edge(&flow, &source, placed), &Value::Null);
    host.web.get("flow?declared=perhaps").problem(400, "invalid-parameter");
    // A function that is no more has still made what it made.
    host.web.delete("modules/hello").expect(200);
    let flow = counted();
    is(&flow, pricing, priced, "emits", false, 4);
    assert_eq!(edge(&flow, placed, pricing), &Value::Null, "it reads no more");
    let shown = told(&host, &["flow"]);
    assert!(shown.contains("emits (undeclared)"), "{shown}");
    let drawn = told(&host, &["flow", "--dot", "--counts"]);
    assert!(drawn.contains("\"function:pricing\" -> \"event:order.priced\" [label=\"undeclared 4\", style=dotted];"), "{drawn}");
}

#[test]
fn a_consumer_reads_what_flows_and_a_paused_function_is_told() {
    let host = Host::start();
    host.web.deploy("hello", &guest("hello")).expect(201);
    host.web.send("PUT", "consumers/mail", &[("content-type", "application/json")], br#"{"types":["order.*"]}"#).expect(201);
    host.web.post("functions/pricing/pause", "application/json", "").expect(200);
    let flow = host.web.get("flow").expect(200).json();
    assert_eq!(edge(&flow, "event:order.priced", "consumer:mail")["declared"], true, "{flow}");
    let node = flow["nodes"].as_array().expect("nodes").iter().find(|node| node["id"] == "function:pricing").expect("the function");
    assert_eq!((&node["status"], &node["module"], &node["function_kind"]), (&json!("paused"), &json!("hello"), &json!("handler")));
}

#[test]
fn a_deployment_tells_what_is_odd_about_the_flow_since_then() {
    let host = Host::start();
    guest("faulty");
    let file = guest_file("faulty");
    let shown = told(&host, &["deploy", file.to_str().expect("text")]);
    assert!(shown.contains("warning: these feed each other: test.loop → echo-loop → test.loop"), "{shown}");
    assert!(shown.contains("warning: the event test.do tells somebody to do something, and misbehave alone reads it"), "{shown}");
    // Of a module that has nothing odd, nothing is told, whatever others have.
    let file = guest_file("hello");
    let shown = told(&host, &["deploy", file.to_str().expect("text")]);
    assert!(!shown.contains("warning"), "{shown}");
}

#[test]
fn the_flow_of_onboarding_is_as_its_readme_draws_it() {
    let host = Host::start_saying(&["--no-requests"]);
    host.web.deploy("onboarding", &guest("onboarding")).expect(201);
    let data = json!({ "name": "Ada", "street": "1 Lane", "city": "London", "account": 1001 });
    let registered =
        json!({"specversion": "1.0", "id": "r1", "source": "/desk", "type": "customer.registered", "subject": "customer/7", "data": data});
    host.web.append(&registered).expect(201);
    host.wait_until_level("onboarding");
    assert_eq!(told(&host, &["flow", "--mermaid"]), drawn_in_readme("onboarding"));
}
