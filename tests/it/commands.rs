//! Commands to aggregates: decided once, answered the same for ever, and refused without a trace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Host, Web, guest, reworded};

const CLIENTS: u64 = 24;
const SUBJECTS: u64 = 100;
const KILLS: u64 = 3;

fn shop() -> Host {
    let host = Host::start();
    host.web.deploy("shop", &guest("shop")).expect(201);
    host
}

fn faulty_kinds() -> Host {
    let host = Host::start();
    host.web.deploy("faulty-kinds", &guest("faulty-kinds")).expect(201);
    host
}

#[track_caller]
fn position(of: &Value) -> u64 {
    of.as_str().expect("a position").parse().expect("a number")
}

/// Where the command and its events are.
#[track_caller]
fn places(answer: &Value) -> (u64, Vec<u64>) {
    let events = answer["events"].as_array().expect("events").iter().map(|event| position(&event["position"])).collect();
    (position(&answer["position"]), events)
}

fn is_command(entry: &Value) -> bool {
    entry["entrykind"] == "command"
}

/// Numbers that look like chance, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What a client was told of a command.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Accepted(u64, Vec<u64>),
    Rejected,
}

/// The answer to a command that may be repeated until there is one.
fn told(answer: &Answer) -> Option<Told> {
    match answer.status {
        200 => {
            let (command, events) = places(&answer.json());
            Some(Told::Accepted(command, events))
        }
        422 => {
            assert_eq!(answer.problem(422, "command-rejected")["code"], "out-of-stock", "{}", answer.text());
            Some(Told::Rejected)
        }
        // Said to be repeated: others were faster all the time, or too many wait.
        409 => {
            answer.problem(409, "subject-conflict");
            None
        }
        503 => None,
        _ => panic!("{}", answer.text()),
    }
}

/// Sends a request again and again until it is answered with what `taken` takes, to wherever the host is.
fn until_answered<T>(web: &mut Web, url: &Mutex<String>, path: &str, kind: &str, body: &str, taken: impl Fn(&Answer) -> Option<T>) -> T {
    loop {
        match web.try_send("POST", path, &[("content-type", kind)], body.as_bytes()) {
            Ok(answer) => {
                if let Some(told) = taken(&answer) {
                    return told;
                }
            }
            Err(_) => {
                std::thread::park_timeout(Duration::from_millis(5));
                *web = Web::new(&url.lock().expect("an address"));
            }
        }
    }
}

/// Commands stock of many kinds until it is told to stop, and appends some deliveries past the aggregate.
fn client(number: u64, url: &Mutex<String>, stop: &AtomicBool) -> Vec<(String, Told)> {
    let (mut web, mut dice, mut all) = (Web::new(&url.lock().expect("an address")), Dice(number), Vec::new());
    for n in 0.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let id = format!("client-{number}-{n}");
        if dice.below(8) == 0 {
            let delivery = json!({"specversion": "1.0", "id": id, "source": "/supplier", "type": "stock.received", "subject": format!("stock/{}", dice.below(SUBJECTS)), "data": {"quantity": 1}});
            let taken = |answer: &Answer| matches!(answer.status, 200 | 201).then_some(());
            until_answered(&mut web, url, "events", "application/cloudevents+json", &delivery.to_string(), taken);
            continue;
        }
        let name = if dice.below(3) == 0 { "stock.receive" } else { "stock.reserve" };
        let path = format!("commands/{name}?subject=stock/{}&id={id}", dice.below(SUBJECTS));
        let body = json!({ "quantity": 1 + dice.below(4) }).to_string();
        let answered = until_answered(&mut web, url, &path, "application/json", &body, told);
        // Now and then it is asked again, although there was an answer.
        if matches!(answered, Told::Accepted(..)) && dice.below(5) == 0 {
            let again = web.try_send("POST", &path, &[("content-type", "application/json")], body.as_bytes());
            if let Some(again) = again.ok().filter(|answer| answer.status == 200) {
                assert_eq!(again.json()["new"], false, "{}", again.text());
                assert_eq!(told(&again).as_ref(), Some(&answered), "{id} asked again");
            }
        }
        all.push((id, answered));
    }
    all
}

/// What was on the shelf after each event of a subject, by the events alone: never less than nothing.
#[track_caller]
fn shelves(log: &[Value]) -> BTreeMap<String, Vec<(u64, u64)>> {
    let mut shelves: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    let of_stock = |entry: &&Value| !is_command(entry) && entry["type"].as_str().is_some_and(|name| name.starts_with("stock.re"));
    for event in log.iter().filter(of_stock) {
        let shelf = shelves.entry(event["subject"].as_str().unwrap_or_default().to_owned()).or_default();
        let before = shelf.last().map_or(0, |(_, left)| *left);
        let quantity = event["data"]["quantity"].as_u64().unwrap_or(0);
        let left = match event["type"].as_str() {
            Some("stock.received") => before + quantity,
            Some("stock.reserved") => {
                assert!(quantity <= before, "{quantity} of {before} were reserved: {event}");
                assert_eq!(event["data"]["left"], before - quantity, "decided on what wasn't so any more: {event}");
                before - quantity
            }
            _ => continue,
        };
        shelf.push((position(&event["position"]), left));
    }
    shelves
}

#[test]
fn no_command_is_lost_or_done_twice_and_stock_is_never_negative_though_many_command_and_the_host_is_killed() {
    let mut host = shop();
    let (url, stop) = (Mutex::new(host.url.clone()), AtomicBool::new(false));
    let answered: Vec<(String, Told)> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (url, stop) = (&url, &stop);
                scope.spawn(move || client(number, url, stop))
            })
            .collect();
        for kill in 0..KILLS {
            // At another moment each time; it doesn't matter which.
            std::thread::park_timeout(Duration::from_millis(1_200 + 397 * kill));
            host.kill();
            host.restart();
            *url.lock().expect("an address") = host.url.clone();
        }
        std::thread::park_timeout(Duration::from_millis(1_200));
        stop.store(true, Ordering::Release);
        clients.into_iter().flat_map(|client| client.join().expect("a client ends well")).collect()
    });
    let log = host.web.events("");
    let mut commands: BTreeMap<&str, u64> = BTreeMap::new();
    let mut events: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for entry in &log {
        if is_command(entry) {
            let before = commands.insert(entry["id"].as_str().expect("an id"), position(&entry["position"]));
            assert_eq!(before, None, "recorded twice: {entry}");
        } else if entry["source"] == "/aggregates/stock" {
            events.entry(position(&entry["causeposition"])).or_default().push(position(&entry["position"]));
        }
    }
    let (mut accepted, mut rejected) = (0, 0);
    for (id, told) in &answered {
        match told {
            Told::Accepted(at, made) => {
                accepted += 1;
                assert_eq!(commands.get(id.as_str()), Some(at), "{id} was acknowledged");
                assert_eq!(events.get(at), Some(made), "{id} was acknowledged with its events");
                assert_eq!(made.len(), 1);
            }
            Told::Rejected => {
                rejected += 1;
                assert_eq!(commands.get(id.as_str()), None, "{id} was refused, and is recorded");
            }
        }
    }
    assert!(accepted > 100 && rejected > 20, "the clients got somewhere: {accepted} accepted, {rejected} refused");
    assert_eq!(commands.len(), accepted, "every recorded command was acknowledged in the end");
    assert_eq!(events.values().map(Vec::len).sum::<usize>(), accepted);
    // The host folds what the test folds, now and at any time.
    let head = log.len() as u64;
    for (subject, shelf) in shelves(&log).iter().step_by(7) {
        let mut asked: BTreeSet<u64> = shelf.iter().step_by(1 + shelf.len() / 5).map(|(at, _)| *at).collect();
        asked.extend([shelf[0].0 - 1, head / 2, head]);
        for at in asked {
            let expected = shelf.iter().rev().find(|(position, _)| *position <= at).map(|(_, left)| *left);
            let answer = host.web.get(&format!("aggregates/stock/{subject}?at={at}"));
            match expected {
                Some(left) => assert_eq!(answer.expect(200).json()["state"], json!({ "left": left }), "{subject} at {at}"),
                None => drop(answer.problem(404, "unknown-subject")),
            }
        }
        let now = host.web.get(&format!("aggregates/stock/{subject}")).expect(200).json();
        assert_eq!(now["state"]["left"], shelf.last().expect("an event").1, "{subject}");
    }
}

#[test]
fn a_command_sent_by_many_at_once_is_done_once_and_all_get_one_answer() {
    let host = shop();
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let url = &host.url;
        let sent: Vec<_> = (0..64)
            .map(|_| {
                scope.spawn(move || Web::new(url).command("stock.receive", "stock/apple", "same", &json!({ "quantity": 5 })).expect(200))
            })
            .collect();
        sent.into_iter().map(|sent| sent.join().expect("answered").json()).collect()
    });
    let first = places(&answers[0]);
    assert!(answers.iter().all(|answer| places(answer) == first), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer["new"] == true).count(), 1);
    assert_eq!(host.web.get("aggregates/stock/stock/apple").expect(200).json()["state"]["left"], 5);
}

#[test]
fn a_decision_stands_on_events_that_others_append_too() {
    let host = shop();
    std::thread::scope(|scope| {
        for supplier in 0..4 {
            let url = &host.url;
            scope.spawn(move || {
                let web = Web::new(url);
                for n in 0..40 {
                    let id = format!("{supplier}-{n}");
                    web.append(&json!({"specversion": "1.0", "id": id, "source": "/supplier", "type": "stock.received", "subject": "stock/apple", "data": {"quantity": 1}})).expect(201);
                }
            });
            scope.spawn(move || {
                let web = Web::new(url);
                for n in 0..40 {
                    let id = format!("reserve-{supplier}-{n}");
                    let answered = || told(&web.command("stock.reserve", "stock/apple", &id, &json!({ "quantity": 1 })));
                    while answered().is_none() {}
                }
            });
        }
    });
    let log = host.web.events("");
    assert_eq!(log.iter().filter(|event| event["type"] == "stock.received").count(), 160);
    let left = shelves(&log)["stock/apple"].last().expect("events").1;
    assert_eq!(host.web.get("aggregates/stock/stock/apple").expect(200).json()["state"]["left"], left);
}

#[test]
fn a_command_tells_what_it_led_to_and_each_event_tells_its_command() {
    let host = shop();
    host.web.command("stock.receive", "stock/apple", "1", &json!({ "quantity": 5 })).expect(200);
    let path = "commands/stock.reserve?subject=stock/apple&id=2&source=/till&wait=handled";
    let answer = host.web.post(path, "application/json", r#"{"quantity":4}"#).expect(200).json();
    assert_eq!((&answer["id"], &answer["new"], &answer["handled"]), (&json!("2"), &json!(true), &json!(true)), "{answer}");
    let (command, events) = places(&answer);
    assert_eq!(events, [command + 1]);
    let event = &answer["events"][0];
    assert_eq!((&event["type"], &event["subject"]), (&json!("stock.reserved"), &json!("stock/apple")));
    assert_eq!((&event["data"], &event["source"]), (&json!({"quantity": 4, "left": 1}), &json!("/aggregates/stock")));
    assert_eq!((&event["causeposition"], &event["causationid"]), (&json!(command.to_string()), &json!("2")));
    let ran_low = &host.web.events("types=stock.ran-low")[0];
    assert_eq!(answer["derived"], json!([ran_low["position"]]), "what functions made of it is listed");
    // The same again, after everything happened, has the same answer.
    let again = host.web.post(path, "application/json", r#"{"quantity":4}"#).expect(200).json();
    assert_eq!((&again["events"], &again["derived"], &again["new"]), (&answer["events"], &answer["derived"], &json!(false)));
    let types = |list: &Value| -> Vec<String> {
        list.as_array().expect("a list").iter().map(|event| event["type"].as_str().expect("a type").to_owned()).collect()
    };
    let causes = |position: &Value| host.web.get(&format!("events/{}/causes", position.as_str().expect("text"))).expect(200).json();
    assert_eq!(types(&causes(&ran_low["position"])["causes"]), ["stock.reserved", "stock.reserve"]);
    assert_eq!(types(&causes(&answer["position"])["effects"]), ["stock.reserved", "stock.ran-low"]);
    assert!(types(&causes(&answer["position"])["causes"]).is_empty());
    for (asked, told) in [(events[0], "stock.reserve "), (command, "stock.reserved")] {
        let output = host.retold(&["why", &asked.to_string()]);
        let why = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && why.contains(told), "{told:?} is not in\n{why}");
    }
}

#[test]
fn a_command_that_can_not_be_asked_is_named_and_nothing_is_recorded() {
    let host = shop();
    let web = &host.web;
    let apples = json!({ "quantity": 5 });
    let head = web.events("").len();
    let problem = web.command("stock.steal", "stock/apple", "1", &apples).problem(404, "unknown-command");
    assert_eq!(problem["command"], "stock.steal", "{problem}");
    web.command("stock.received", "stock/apple", "1", &apples).problem(404, "unknown-command");
    let problem = web.post("commands/stock.receive?id=1", "application/json", r#"{"quantity":5}"#).problem(400, "invalid-parameter");
    assert_eq!(problem["field"], "subject", "{problem}");
    web.post("commands/stock.receive?subject=&id=1", "application/json", r#"{"quantity":5}"#).problem(400, "invalid-parameter");
    let problem =
        web.command("cart.add-item", "cart/1", "1", &json!({ "sku": "apple", "quantity": "two" })).problem(422, "schema-violation");
    assert_eq!((&problem["path"], &problem["event_type"]), (&json!("/quantity"), &json!("cart.add-item")), "{problem}");
    let problem = web.command("cart.add-item", "cart/1", "1", &json!({ "sku": "apple", "quantity": 0 })).problem(422, "schema-violation");
    assert_eq!(problem["path"], "/quantity", "{problem}");
    web.command("cart.add-item", "cart/1", "1", &json!({ "sku": "apple" })).problem(422, "schema-violation");
    web.post("commands/cart.add-item?subject=cart/1&id=1", "text/plain", "two apples").problem(422, "schema-violation");
    // A shape that only the module knows is refused by the module.
    let problem = web.command("stock.receive", "stock/apple", "1", &json!({ "quantity": -1 })).problem(422, "command-rejected");
    assert_eq!(problem["code"], "invalid-command", "{problem}");
    let problem = web.command("stock.reserve", "stock/apple", "1", &apples).problem(422, "command-rejected");
    assert_eq!((&problem["code"], &problem["data"]), (&json!("out-of-stock"), &json!({ "left": 0 })), "{problem}");
    assert_eq!(problem["detail"], "5 pieces are asked for, and 0 are left");
    web.post(&format!("commands/stock.receive?subject=stock/apple&id={}", "x".repeat(300)), "application/json", "{}")
        .problem(400, "invalid-event");
    web.post("commands/stock.receive?subject=stock/apple&source=/aggregates/stock", "application/json", r#"{"quantity":5}"#)
        .problem(400, "invalid-event");
    for form in ["application/x-www-form-urlencoded", "application/x-ndjson", "application/cloudevents-batch+json"] {
        web.post("commands/stock.receive?subject=stock/apple", form, r#"{"quantity":5}"#).problem(415, "unsupported-media-type");
    }
    let half = [("content-type", "application/json"), ("ce-subject", "stock/pear")];
    web.send("POST", "commands/stock.receive?subject=stock/apple", &half, br#"{"quantity":5}"#).problem(400, "invalid-event");
    web.post("commands/stock.receive?subject=stock/apple&time=9999-12-31T23:59:59-23:59", "application/json", r#"{"quantity":5}"#)
        .problem(400, "invalid-event");
    assert_eq!(web.events("").len(), head, "nothing of all that was recorded");
    // What was refused leaves its id free.
    web.command("stock.receive", "stock/apple", "1", &apples).expect(200);
    let all = json!({ "quantity": u32::MAX });
    assert_eq!(web.command("stock.receive", "stock/apple", "all", &all).problem(422, "command-rejected")["code"], "too-many");
}

#[test]
fn one_id_is_one_thing_for_ever_be_it_a_command_or_an_event() {
    let host = shop();
    let event = |id: &str| json!({"specversion": "1.0", "id": id, "source": "/till", "type": "stock.receive", "subject": "stock/apple", "data": {"quantity": 5}});
    let command = |id: &str, quantity: u32| {
        host.web.post(
            &format!("commands/stock.receive?subject=stock/apple&source=/till&id={id}"),
            "application/json",
            json!({ "quantity": quantity }).to_string(),
        )
    };
    let (first, _) = places(&command("1", 5).expect(200).json());
    let problem = command("1", 6).problem(409, "content-conflict");
    assert_eq!((&problem["id"], &problem["position"]), (&json!("1"), &json!(first.to_string())), "{problem}");
    // Only the same in every letter is the same.
    host.web.append(&event("1")).problem(409, "content-conflict");
    host.web.append(&event("2")).expect(201);
    command("2", 5).problem(409, "content-conflict");
    // Of other sources it is another command.
    host.web.command("stock.receive", "stock/apple", "1", &json!({ "quantity": 5 })).expect(200);
    assert_eq!(host.web.get("aggregates/stock/stock/apple").expect(200).json()["state"]["left"], 10);
}

#[test]
fn a_repeated_command_gets_its_first_answer_after_a_restart_also_when_its_aggregate_is_paused_or_gone() {
    let mut host = shop();
    let receive = |web: &Web, id: &str| web.command("stock.receive", "stock/apple", id, &json!({ "quantity": 5 }));
    let first = places(&receive(&host.web, "1").expect(200).json());
    host.kill();
    host.restart();
    let again = receive(&host.web, "1").expect(200).json();
    assert_eq!((places(&again), &again["new"]), (first.clone(), &json!(false)));
    host.web.post("functions/stock/pause", "application/json", "").expect(200);
    let problem = receive(&host.web, "2").problem(409, "control-conflict");
    assert_eq!(problem["function"], "stock", "{problem}");
    assert_eq!(places(&receive(&host.web, "1").expect(200).json()), first);
    // Paused, it still tells what it knows.
    assert_eq!(host.web.get("aggregates/stock/stock/apple").expect(200).json()["state"]["left"], 5);
    host.web.post("functions/stock/resume", "application/json", "").expect(200);
    receive(&host.web, "2").expect(200);
    host.web.delete("modules/shop").expect(200);
    receive(&host.web, "3").problem(404, "unknown-command");
    let gone = receive(&host.web, "1").expect(200).json();
    assert_eq!((places(&gone), &gone["new"]), (first, &json!(false)), "what was answered once is answered for ever");
    let problem = host.web.command("stock.receive", "stock/apple", "1", &json!({ "quantity": 7 })).problem(409, "content-conflict");
    assert_eq!(problem["id"], "1", "{problem}");
}

/// `faulty-kinds` under names of its own, but for the command.
fn rival() -> Vec<u8> {
    reworded(
        &guest("faulty-kinds"),
        &[
            ("faulty-kinds", "second-kinds"),
            ("faulty-account", "second-account"),
            ("faulty-rows", "second-rows"),
            ("faulty-upcaster", "second-upcaster"),
            ("new-reader", "two-reader"),
            ("static-counter", "second-counter"),
            ("test.old", "test.odd"),
        ],
    )
}

#[test]
fn two_modules_can_not_take_one_command_and_the_refusal_names_both() {
    let host = faulty_kinds();
    let problem = host.web.deploy("second-kinds", &rival()).problem(409, "command-taken");
    assert_eq!(problem["command"], "test.decide", "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("faulty-account"), "{detail}");
    host.web.get("modules/second-kinds").problem(404, "unknown-module");
    host.web.command("test.decide", "account/1", "1", &json!({ "do": "ok" })).expect(200);
    // Once it is free, it can be taken.
    host.web.delete("modules/faulty-kinds").expect(200);
    host.web.deploy("second-kinds", &rival()).expect(201);
}

#[test]
fn of_two_modules_deployed_at_once_that_take_one_command_one_is_there() {
    let host = Host::start();
    let modules = [("faulty-kinds", guest("faulty-kinds")), ("second-kinds", rival())];
    let mut answers: Vec<Answer> = std::thread::scope(|scope| {
        let url = &host.url;
        let deployed: Vec<_> = modules.iter().map(|(name, module)| scope.spawn(move || Web::new(url).deploy(name, module))).collect();
        deployed.into_iter().map(|deployed| deployed.join().expect("answered")).collect()
    });
    answers.sort_by_key(|answer| answer.status);
    assert_eq!(answers[0].status, 201, "{}", answers[0].text());
    answers[1].problem(409, "command-taken");
    assert_eq!(host.web.get("modules").expect(200).json()["modules"].as_array().map(Vec::len), Some(1));
}

#[test]
fn conditions_and_handlers_see_events_and_no_commands() {
    let host = faulty_kinds();
    let probe = reworded(&guest("wasi-probe"), &[("probe.asked", "test.decide")]);
    host.web.deploy("wasi-probe", &probe).expect(201);
    let before = host.web.events("").len();
    // A command without events: it alone is recorded.
    let answer = host.web.command("test.decide", "account/1", "1", &json!({ "do": "flood", "count": 0 })).expect(200).json();
    assert_eq!(places(&answer), (before as u64 + 1, vec![]));
    let event =
        |id: &str| json!({"specversion": "1.0", "id": id, "source": "/test", "type": "test.decide", "subject": "account/1", "data": {}});
    let path = format!("events?wait=handled&if-none-after={before}&if-none-types=test.decide&if-none-subjects=account/1");
    let appended = host.web.post(&path, "application/cloudevents+json", event("1").to_string()).expect(201).json();
    assert_eq!(appended["derived"].as_array().map(Vec::len), Some(1), "the handler reads the event: {appended}");
    host.web.post(&path, "application/cloudevents+json", event("2").to_string()).problem(409, "condition-failed");
    host.web.command("test.decide", "account/1", "2", &json!({ "do": "ok" })).expect(200);
    host.wait_until_level("probe");
    assert_eq!(host.web.events("types=probe.answered").len(), 1, "it reads no command of the same type");
}

/// What an aggregate may do wrong costs its own command, says what it was, and leaves nothing.
#[track_caller]
fn check_fault(host: &Host, name: &str, data: Value, reason: &str, says: &str) {
    let subject = format!("account/{name}");
    host.web.command("test.decide", &subject, &format!("{name}-1"), &json!({ "do": "ok" })).expect(200);
    let head = host.web.events("").len();
    let problem = host.web.command("test.decide", &subject, &format!("{name}-2"), &data).problem(500, "function-failed");
    let expected = (&json!("faulty-account"), &json!(subject), &json!(reason));
    assert_eq!((&problem["function"], &problem["subject"], &problem["reason"]), expected, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{name}: {problem} doesn't say {says:?}");
    assert_eq!(host.web.events("").len(), head, "{name}: nothing is recorded");
    host.web.command("test.decide", &subject, &format!("{name}-3"), &json!({ "do": "ok" })).expect(200);
    let state = host.web.get(&format!("aggregates/faulty-account/{subject}")).expect(200).json();
    assert_eq!(state["state"]["n"], 2, "{name}: {state}");
}

#[test]
fn an_aggregate_that_fails_costs_its_own_command_and_says_what_it_was() {
    let host = faulty_kinds();
    check_fault(&host, "trap", json!({ "do": "trap" }), "trap", "told to trap in decide");
    check_fault(&host, "loop", json!({ "do": "loop" }), "fuel", "fuel");
    check_fault(&host, "memory", json!({ "do": "memory" }), "memory", "memory-bytes");
    check_fault(&host, "flood", json!({ "do": "flood" }), "output", "outputs-per-call");
    check_fault(&host, "undeclared", json!({ "do": "undeclared" }), "undeclared", "test.undeclared");
    check_fault(&host, "other", json!({ "do": "elsewhere" }), "output", "account/elsewhere");
    assert_eq!(host.web.function("faulty-account")["status"], "active");
}

/// An event that can't be folded stops its subject, with its place and why.
#[track_caller]
fn check_unfoldable(host: &Host, name: &str, data: Value, reason: &str, says: &str) {
    let subject = format!("account/{name}");
    let problem = host.web.command("test.decide", &subject, &format!("{name}-1"), &data).problem(500, "function-failed");
    let expected = (&json!("faulty-account"), &json!(subject), &json!(reason));
    assert_eq!((&problem["function"], &problem["subject"], &problem["reason"]), expected, "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(says) && detail.contains("can't fold what it decided"), "{name}: {detail} doesn't say {says:?}");
    host.web.get(&format!("aggregates/faulty-account/{subject}")).problem(404, "unknown-subject");
    host.web.command("test.decide", &subject, &format!("{name}-2"), &json!({ "do": "ok" })).expect(200);
}

#[test]
fn a_decision_that_its_aggregate_can_not_fold_is_not_recorded_and_the_subject_goes_on() {
    let host = faulty_kinds();
    check_unfoldable(&host, "trap", json!({ "do": "trap", "in": "evolve" }), "trap", "told to trap in evolve");
    check_unfoldable(&host, "loop", json!({ "do": "loop", "in": "evolve" }), "fuel", "fuel");
    check_unfoldable(&host, "memory", json!({ "do": "memory", "in": "evolve" }), "memory", "memory-bytes");
    check_unfoldable(&host, "reject", json!({ "do": "refuse", "in": "evolve" }), "reject", "told to reject in evolve");
    check_unfoldable(&host, "grow", json!({ "do": "grow", "in": "evolve" }), "state", "state");
    check_unfoldable(&host, "1", json!({ "do": "bad_json" }), "reject", "");
}

#[test]
fn a_subject_with_an_event_that_can_not_be_folded_stands_still_and_others_go_on() {
    let mut host = faulty_kinds();
    let poison = json!({"specversion": "1.0", "id": "poison", "source": "/test", "type": "test.decided", "subject": "account/sick", "data": {"do": "trap", "n": null}});
    host.web.command("test.decide", "account/sick", "1", &json!({ "do": "ok" })).expect(200);
    let place = position(&host.web.append(&poison).expect(201).json()["positions"][0]);
    for time in ["warm", "cold"] {
        let problem = host.web.command("test.decide", "account/sick", "2", &json!({ "do": "ok" })).problem(500, "function-failed");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(&format!("at event {place}"))), "{time}: {problem}");
        host.web.get("aggregates/faulty-account/account/sick").problem(500, "function-failed");
        host.web.command("test.decide", "account/well", time, &json!({ "do": "ok" })).expect(200);
        // As it was before, it can be read.
        let state = host.web.get(&format!("aggregates/faulty-account/account/sick?at={}", place - 1)).expect(200).json();
        assert_eq!(state["state"]["n"], 1, "{time}: {state}");
        host.kill();
        host.restart();
    }
}

#[test]
fn what_an_aggregate_knows_can_be_asked_only_of_what_there_is() {
    let host = shop();
    host.web.command("stock.receive", "stock/apple", "1", &json!({ "quantity": 5 })).expect(200);
    host.web.get("aggregates/nothing/stock/apple").problem(404, "unknown-function");
    host.web.get("aggregates/pricing/stock/apple").problem(404, "unknown-function");
    host.web.get("aggregates/stock/stock/pear").problem(404, "unknown-subject");
    host.web.get("aggregates/stock/stock/apple?at=0").problem(404, "unknown-subject");
    let problem = host.web.get("aggregates/stock/stock/apple?at=99").problem(400, "invalid-parameter");
    assert_eq!((&problem["field"], &problem["position"]), (&json!("at"), &json!("3")), "{problem}");
    host.web.get("aggregates/stock/stock/apple?at=yesterday").problem(400, "invalid-parameter");
    host.web.get("aggregates/stock/stock/apple?as-of=3").problem(400, "invalid-parameter");
}
