//! Process managers on the real host: commands of functions are decided, and refusals come back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Host, guest};

fn event(id: &str, r#type: &str, subject: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": r#type, "subject": subject, "data": data})
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn host() -> Host {
    let host = Host::start();
    host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    host
}

#[test]
fn what_comes_of_a_command_that_a_function_sent_is_waited_for_and_a_circle_ends_at_its_hops() {
    let host = host();
    let gone = event("1", "test.gone-left", "thing", &json!({}));
    let answer = host.web.post("events?wait=handled&timeout=60s", "application/cloudevents+json", gone.to_string()).expect(201).json();
    assert_eq!(answer["handled"], true, "{answer}");
    assert_eq!(answer["parked"].as_array().map(Vec::len), Some(1), "{answer}");
    let gone = host.web.happened("types=test.gone-left,test.gone-right");
    assert!(gone.len() > 20, "{}", gone.len());
    assert_eq!(answer["derived"].as_array().map(Vec::len), Some(gone.len() - 1), "events are told, commands are not");
    let right = gone.iter().find(|event| event["type"] == "test.gone-right").expect("it went right");
    assert_eq!(text(right, "source"), "/aggregates/right");
    let command = host.web.get(&format!("events/{}", text(right, "causeposition"))).expect(200).json();
    assert_eq!(
        (text(&command, "entrykind"), text(&command, "type"), text(&command, "source")),
        ("command", "test.go-right", "/functions/circle-left")
    );
    let state = host.web.get("aggregates/right/thing").expect(200).json();
    assert_eq!(state["state"]["times"], gone.iter().filter(|event| event["type"] == "test.gone-right").count());
}

#[test]
fn a_refusal_comes_back_to_who_sent_the_command_and_to_nobody_else() {
    let host = host();
    let nag = event("1", "test.nag", "thing", &json!({}));
    let answer = host.web.post("events?wait=handled&timeout=60s", "application/cloudevents+json", nag.to_string()).expect(201).json();
    assert_eq!(answer["parked"][0]["function"], "stubborn", "the command that comes after so many hops: {answer}");
    let refused = host.web.happened("types=retold.command.refused");
    assert!(refused.len() > 20);
    let first = &refused[0];
    assert_eq!((text(first, "source"), text(first, "subject"), text(first, "addressee")), ("/aggregates/stubborn", "thing", "nagging"));
    let data = &first["data"];
    assert_eq!((text(data, "code"), text(data, "message"), text(&data["command"], "type")), ("never", "whatever it is", "test.never"));
    assert!(data["command"].get("position").is_none(), "it would differ between generations: {data}");
    assert_eq!(host.web.happened("types=test.told").len(), 0, "reach-out reads refusals too, and none was for it");
    // The same in a retelling.
    host.web.retell("again", json!({})).expect(202);
    host.web.wait_until_retold("again");
    let again = host.web.namespace("again").happened("types=retold.command.refused");
    let said = |events: &[Value]| events.iter().map(|event| (event["id"].clone(), event["data"].clone())).collect::<Vec<_>>();
    assert_eq!(said(&again), said(&refused));
}

#[test]
fn an_aggregate_that_is_paused_decides_what_functions_sent_when_it_goes_on() {
    let mut host = host();
    host.web.post("functions/right/pause", "application/json", "").expect(200);
    let gone = event("1", "test.gone-left", "thing", &json!({}));
    let answer = host.web.post("events?wait=handled", "application/cloudevents+json", gone.to_string()).expect(202).json();
    assert_eq!(answer["waiting"], json!(["right"]), "{answer}");
    assert!(host.web.function("right")["lag"].as_u64().is_some_and(|lag| lag > 0));
    assert_eq!(host.web.happened("types=test.gone-right").len(), 0);
    host.kill();
    host.restart();
    assert_eq!(host.web.happened("types=test.gone-right").len(), 0);
    host.web.post("functions/right/resume", "application/json", "").expect(200);
    host.wait_for("circle-left", |now| now["parked"] == 1 || now["lag"] == 0);
    host.wait_until("it goes round", || host.web.happened("types=test.gone-right").len() > 10);
    let circle = ["left", "right", "circle-left", "circle-right"];
    host.wait_until("the circle ends", || circle.iter().any(|name| host.web.function(name)["parked"] == 1));
    let before = host.web.happened("types=test.gone-right").len();
    host.web.post("functions/right/rewind?to=0", "application/json", "").expect(200);
    host.wait_until_level("right");
    assert_eq!(host.web.happened("types=test.gone-right").len(), before, "what is decided again is known");
}

#[test]
fn a_command_waits_until_there_is_an_aggregate_that_decides_it() {
    let host = host();
    let ask = event("1", "test.reach", "thing", &json!({"do": "command_to_nobody"}));
    let answer = host.web.post("events?wait=handled", "application/cloudevents+json", ask.to_string()).expect(201).json();
    assert_eq!(answer["handled"], true, "nobody is waited for: {answer}");
    let types = host.web.get("types").expect(200).json();
    let waiting = types["types"].as_array().expect("a list").iter().find(|found| found["type"] == "test.to-nobody").expect("it is there");
    assert_eq!((text(waiting, "kind"), &waiting["count"]), ("command", &json!(1)));
    for (id, what) in [("2", "undeclared_command"), ("3", "command_without_subject")] {
        let ask = event(id, "test.reach", &format!("bad/{id}"), &json!({"do": what}));
        let answer = host.web.post("events?wait=handled", "application/cloudevents+json", ask.to_string()).expect(201).json();
        assert_eq!(answer["parked"].as_array().map(Vec::len), Some(1), "{what}: {answer}");
    }
}

const CUSTOMERS: usize = 40;

/// Customers who registered long ago: their time is over before anything can be answered.
fn registered(number: usize) -> Value {
    let data = json!({"name": "Eve", "street": "Weg 1", "city": "Bremen", "account": 1_000 + number});
    let mut event = event(&number.to_string(), "customer.registered", &format!("customer/{number}"), &data);
    event["time"] = json!(format!("2026-01-02T03:{:02}:00Z", number % 60));
    event
}

#[test]
fn each_customer_has_one_outcome_however_often_the_host_is_killed_and_the_same_one_in_a_retelling() {
    let mut host = Host::start();
    host.web.deploy("onboarding", &guest("onboarding")).expect(201);
    for number in 0..CUSTOMERS {
        // Again, if the host was killed before it answered.
        host.wait_until("it is taken", || {
            let sent = host.web.try_send(
                "POST",
                "events",
                &[("content-type", "application/cloudevents+json")],
                registered(number).to_string().as_bytes(),
            );
            sent.is_ok_and(|answer| matches!(answer.status, 200 | 201))
        });
        if number % 5 == 4 {
            host.kill();
            host.restart();
        }
    }
    host.wait_until("all have an outcome", || {
        host.web.happened("types=customer.refused").len() + host.web.happened("types=customer.created").len() >= CUSTOMERS
    });
    for name in ["onboarding", "account"] {
        host.wait_until_level(name);
    }
    let outcomes = |web: &crate::support::Web| -> BTreeMap<String, (String, Value)> {
        let events = web.happened("types=customer.refused,customer.created");
        assert_eq!(events.len(), CUSTOMERS, "each has one outcome");
        events.iter().map(|event| (text(event, "subject").to_owned(), (text(event, "type").to_owned(), event["data"].clone()))).collect()
    };
    let live = outcomes(&host.web);
    assert_eq!(live.len(), CUSTOMERS);
    // Whoever was refused has no account number in the end.
    let (reserved, released) = (host.web.happened("types=account.reserved").len(), host.web.happened("types=account.released").len());
    let created = live.values().filter(|(r#type, _)| r#type == "customer.created").count();
    assert_eq!(reserved - released, created);
    let came = host.web.happened("types=onboarding.timed-out");
    assert!(
        came.iter().all(|event| text(event, "time").starts_with("2026-01-02T03:") || text(event, "time").starts_with("2026-01-02T04:"))
    );
    host.web.retell("again", json!({})).expect(202);
    host.web.wait_until_retold("again");
    assert_eq!(outcomes(&host.web.namespace("again")), live);
}
