//! An operator's hand: pause, resume, rewind, stop.

use serde_json::{Value, json};

use crate::handlers::order;
use crate::support::{Host, guest};

#[test]
fn a_paused_function_holds_nothing_else_up_and_loses_nothing() {
    let host = Host::start();
    host.web.deploy("hello", &guest("hello")).expect(201);
    host.web.post("functions/pricing/pause", "application/json", "").expect(200);
    let answer = host.web.post("events?wait=handled", "application/cloudevents+json", order("1", 1).to_string()).expect(202).json();
    assert_eq!(answer["waiting"], json!(["pricing"]), "{answer}");
    assert_eq!(host.web.events("types=order.priced").len(), 0);
    host.web.post("functions/pricing/resume", "application/json", "").expect(200);
    host.wait_until_level("pricing");
    assert_eq!(host.web.events("types=order.priced").len(), 1);
    host.web.post("functions/nobody/pause", "application/json", "").problem(404, "unknown-function");
}

#[test]
fn a_rewound_function_makes_its_state_again_and_appends_nothing_twice() {
    let host = Host::start();
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    let count =
        |n: u32| json!({"specversion": "1.0", "id": n.to_string(), "source": "/test", "type": "test.count", "subject": "one", "data": {}});
    for n in 0..50 {
        host.web.append(&count(n)).expect(201);
    }
    host.wait_until_level("counter");
    let before = host.web.events("types=test.counted");
    // Read already, also where all was appended before the first was handled: what was made of it then lies beyond the cursor.
    let middle = host.web.events("types=test.count")[24]["position"].as_str().expect("a position").to_owned();
    host.web.post(&format!("functions/counter/rewind?to={middle}"), "application/json", "").expect(200);
    host.wait_until_level("counter");
    assert_eq!(host.web.events("types=test.counted"), before);
    host.web.append(&count(50)).expect(201);
    host.wait_until_level("counter");
    let last = host.web.events("types=test.counted").pop().expect("counted");
    assert_eq!(last["data"]["n"], 51, "the state is what it was");
    host.web.post("functions/counter/rewind?to=999999", "application/json", "").problem(400, "invalid-parameter");
}

#[test]
fn a_graceful_stop_leaves_nothing_to_repair_and_ends_with_success() {
    let mut host = Host::start();
    host.web.append(&order("1", 1)).expect(201);
    assert!(host.terminate().success());
    host.restart();
    assert_eq!(host.web.events("").len(), 1);
}

#[test]
fn a_host_that_is_stopped_under_load_keeps_all_that_it_acknowledged_c12() {
    let mut host = Host::start();
    let acknowledged: Vec<String> = std::thread::scope(|scope| {
        let web = host.web.clone();
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let web = web.clone();
                scope.spawn(move || {
                    let ids = (0..).map(|number| format!("{client}-{number}"));
                    ids.take_while(|id| {
                        let body = crate::appending::event(id).to_string();
                        let answer = web.try_send("POST", "events", &[("content-type", "application/cloudevents+json")], body.as_bytes());
                        answer.is_ok_and(|answer| answer.status == 201)
                    })
                    .collect::<Vec<_>>()
                })
            })
            .collect();
        host.wait_until("there is something to lose", || {
            web.get("//v1/namespaces/main").expect(200).json()["head"].as_str().is_some_and(|head| head.len() > 2)
        });
        assert!(host.terminate().success());
        clients.into_iter().flat_map(|client| client.join().expect("it gave up")).collect()
    });
    assert!(acknowledged.len() > 50, "{}", acknowledged.len());
    host.restart();
    let all = host.web.events("");
    let kept: std::collections::BTreeSet<&str> = all.iter().filter_map(|event| event["id"].as_str()).collect();
    assert_eq!(kept.len(), all.len(), "none twice");
    for id in &acknowledged {
        assert!(kept.contains(id.as_str()), "{id} was acknowledged");
    }
    // At most the one that each client had under way was kept without a word.
    assert!(all.len() <= acknowledged.len() + 4, "{} and {}", all.len(), acknowledged.len());
}

#[test]
fn a_second_host_on_the_same_data_is_told_that_it_is_in_use() {
    let host = Host::start();
    let second = std::process::Command::new(crate::support::retold())
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(host.data())
        .output()
        .expect("retold runs");
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("in use"), "{said}");
    host.web.append(&order("1", 1)).expect(201);
}

#[test]
fn functions_of_several_modules_run_side_by_side() {
    let host = Host::start();
    host.web.deploy("hello", &guest("hello")).expect(201);
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    // One function is busy burning its fuel, several times over; the other isn't held up by it.
    let stuck =
        json!({"specversion": "1.0", "id": "stuck", "source": "/test", "type": "test.do", "subject": "stuck", "data": {"do": "loop"}});
    host.web.append(&stuck).expect(201);
    let answer = host.web.post("events?wait=handled", "application/cloudevents+json", order("1", 2).to_string()).expect(201).json();
    assert_eq!(answer["derived"].as_array().map(Vec::len), Some(1), "{answer}");
    let functions = host.web.get("functions").expect(200).json();
    let names: Vec<&Value> = functions["functions"].as_array().expect("a list").iter().map(|function| &function["name"]).collect();
    assert_eq!(names, ["counter", "echo-loop", "misbehave", "pricing"]);
}
