//! A host that was down, or whose clock jumps: what was due meanwhile comes as if nothing had been.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Host, Web, guest, reworded};

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

#[expect(clippy::disallowed_methods, reason = "timers are due by the clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros() as u64
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn event(id: &str, r#type: &str, subject: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": r#type, "subject": subject, "data": data})
}

fn timer(id: &str, subject: &str, key: &str, due: u64) -> Value {
    event(id, "test.reach", subject, &json!({"do": "timer", "key": key, "due": due}))
}

#[track_caller]
fn append(web: &Web, query: &str, events: &[Value]) {
    let answer = web.post(&format!("events{query}"), "application/cloudevents-batch+json", json!(events).to_string());
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
}

/// The same data, in a folder of its own.
fn copy_of(host: &Host) -> Host {
    let data = host.data().with_extension("copy");
    let _ = std::fs::remove_dir_all(&data);
    assert!(Command::new("cp").arg("-a").arg(host.data()).arg(&data).status().expect("cp runs").success());
    Host::start_on_saying(&data, &[])
}

/// Stops the host and starts it when so many hours have passed.
fn go_to(host: &mut Host, hours: f64) {
    host.kill();
    let seconds = format!("{}s", (hours * 3_600.0) as u64);
    host.say(&["--clock-ahead", &seconds]);
    host.restart();
}

#[track_caller]
fn wait_until_nothing_is_due(host: &Host, functions: &[&str]) {
    let look = || host.web.get("//readyz").expect(200).json()["namespaces"][0].clone();
    host.wait_until("nothing is due, and nothing comes of what was", || {
        let before = look();
        let level = functions.iter().all(|name| host.web.function(name)["lag"] == 0);
        let after = look();
        level && [&before, &after].iter().all(|now| now["timers_overdue_seconds"] == 0) && before["head"] == after["head"]
    });
}

fn of_time(web: &Web) -> Vec<Value> {
    web.happened("types=test.came,test.told,test.renewed,shop.evening-came,shop.day-reported")
}

/// All but where and when it was recorded.
fn said(event: &Value) -> String {
    let mut event = event.clone();
    for name in ["recordedtime", "position", "causeposition"] {
        event.as_object_mut().expect("an object").remove(name);
    }
    event.to_string()
}

/// Six hours in which timers chain, are set by others, are cancelled and replaced, and a schedule comes each hour.
#[test]
fn six_hours_in_which_the_host_was_down_give_the_same_events_times_and_ids_as_six_hours_in_which_it_ran() {
    const FUNCTIONS: [&str; 3] = ["reach-out", "renewing", "daily-report"];
    let mut down = Host::start();
    down.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    down.web.deploy("shop-report", &reworded(&guest("shop-report"), &[("0 18 * * *", "7 * * * * ")])).expect(201);
    let start = now();
    let mut events = vec![
        event("renewed/45", "test.renewed", "renewed/45", &json!({"every_seconds": 2_700})),
        event("renewed/17", "test.renewed", "renewed/17", &json!({"every_seconds": 1_000})),
        timer("gone", "one", "gone", start + 2 * HOUR),
        event("cancel", "test.reach", "one", &json!({"do": "cancel", "key": "gone"})),
        timer("first", "one", "twice", start + HOUR),
        timer("second", "one", "twice", start + 3 * HOUR),
        timer("beyond", "one", "beyond", start + 7 * HOUR),
        timer("end", "end", "end", start + 6 * HOUR),
    ];
    events.extend((0..40).map(|n| timer(&n.to_string(), &format!("subject/{}", n % 3), &format!("k{n}"), start + (n + 1) * 8 * MINUTE)));
    append(&down.web, "?wait=handled", &events);
    down.kill();
    let mut up = copy_of(&down);
    // The one runs: it is there a little after each thing that is due.
    for step in 1..=30 {
        go_to(&mut up, f64::from(step) * 0.2);
        wait_until_nothing_is_due(&up, &FUNCTIONS);
    }
    go_to(&mut down, 6.0);
    wait_until_nothing_is_due(&down, &FUNCTIONS);
    // The one that was stopped is looked at a little later than the other.
    let within = |host: &Host| -> Vec<Value> {
        let events = of_time(&host.web);
        let end = events.iter().find(|event| event["timerkey"] == "end").map(|end| text(end, "time").to_owned()).expect("the end came");
        events.into_iter().filter(|event| event["time"].as_str().is_none_or(|time| time <= end.as_str())).collect()
    };
    let (up, down) = (within(&up), within(&down));
    let all = |events: &[Value]| events.iter().map(said).collect::<BTreeSet<_>>();
    assert_eq!(all(&down), all(&up));
    assert_eq!((all(&down).len(), down.len()), (up.len(), up.len()), "each once");
    let count = |r#type: &str| down.iter().filter(|event| text(event, "type") == r#type).count();
    assert_eq!(count("test.came"), 42, "forty, the end, and one that was replaced; one was cancelled, one is to come");
    assert!(count("test.renewed") >= 2 + 7 + 20 && matches!(count("shop.evening-came"), 6 | 7), "{:?}", all(&down));
    // What is about one subject is in the same order.
    let by_subject = |events: &[Value]| -> BTreeMap<String, Vec<String>> {
        let mut by_subject: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in events {
            by_subject.entry(text(event, "subject").to_owned()).or_default().push(text(event, "id").to_owned());
        }
        by_subject
    };
    assert_eq!(by_subject(&down), by_subject(&up));
    let at_once = down.iter().filter(|event| text(event, "type") == "test.came" && text(event, "recordedtime") < text(event, "time"));
    assert_eq!(at_once.count(), 0, "nothing is recorded before it was due");
}

#[test]
fn a_process_that_renews_itself_each_day_is_no_circle_however_many_days_it_makes_up_for() {
    const NEW_YEAR_2026: u64 = 1_767_225_600 * SECOND;
    let host = Host::start();
    host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    let mut began = event("1", "test.renewed", "account/7", &json!({"every_seconds": 86_400}));
    began["time"] = json!("2026-01-01T00:00:00Z");
    let days = (now() - NEW_YEAR_2026) / DAY;
    append(&host.web, "", &[began]);
    host.wait_until("all days have come", || host.web.happened("types=test.renewed").len() as u64 > days);
    host.wait_until_level("renewing");
    let (function, timers) = (host.web.function("renewing"), host.web.get("timers").expect(200).json());
    assert_eq!((&function["parked"], &function["timers"], &timers["total"]), (&json!(0), &json!(1), &json!(1)));
    assert!(days > 100 && text(&timers["timers"][0], "due").ends_with("T00:00:00Z"), "{timers}");
    // The same in a retelling.
    host.web.retell("again", json!({})).expect(202);
    host.web.wait_until_retold("again");
    let ids = |web: &Web| web.happened("types=test.renewed").iter().map(|event| text(event, "id").to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&host.web.namespace("again")), ids(&host.web));
}

#[test]
fn missed_times_of_a_schedule_come_all_or_the_latest_or_none() {
    let mut host = Host::start();
    host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    host.wait_until("it is known when they come", || {
        host.web.get("schedules").expect(200).json()["schedules"]
            .as_array()
            .is_some_and(|all| all.iter().all(|one| one["next"].is_string()))
    });
    go_to(&mut host, 3.0 * 24.0);
    wait_until_nothing_is_due(&host, &["rising"]);
    let came = |host: &Host| -> BTreeMap<String, Vec<String>> {
        let mut came: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in host.web.happened("types=test.morning") {
            came.entry(text(&event, "subject").to_owned()).or_default().push(text(&event, "time").to_owned());
        }
        came
    };
    let missed = came(&host);
    let all = missed["all"].clone();
    assert_eq!((all.len(), &missed["latest"][..], missed.get("skip")), (3, &all[2..], None), "{missed:?}");
    assert!(all.iter().all(|time| time.ends_with("T03:30:00Z")), "{all:?}");
    // What comes next is the same for all of them, and comes again.
    let next = host.web.get("schedules").expect(200).json()["schedules"].as_array().expect("a list").clone();
    let next: BTreeSet<&str> = next.iter().map(|schedule| text(schedule, "next")).collect();
    assert_eq!(next.len(), 1, "{next:?}");
    assert!(next.first().is_some_and(|next| **next > *all[2]));
}

#[test]
fn a_clock_that_is_set_forward_a_day_and_back_again_loses_nothing_and_doubles_nothing() {
    let mut host = Host::start();
    host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    let start = now();
    let timers = [
        timer("1", "a", "in a second", start + SECOND),
        timer("2", "b", "in half a day", start + DAY / 2),
        timer("3", "c", "a day and a little later", start + DAY + 20 * SECOND),
        timer("4", "d", "in two days", start + 2 * DAY),
    ];
    append(&host.web, "?wait=handled", &timers);
    go_to(&mut host, 24.0);
    host.wait_until("what is due by the new time has come", || host.web.happened("types=test.told").len() >= 2);
    go_to(&mut host, 0.0);
    // Time goes on from where it was, a day ahead of the machine's.
    host.wait_until("what is due a little later comes a little later", || host.web.happened("types=test.told").len() >= 3);
    assert!(now() < start + HOUR, "and not a day later");
    append(&host.web, "?wait=handled", &[timer("5", "e", "set after", start + SECOND)]);
    host.wait_until("and time goes on", || host.web.happened("types=test.told").len() >= 4);
    host.kill();
    host.restart();
    host.wait_until_level("reach-out");
    let came = host.web.happened("types=test.came");
    let keys: Vec<&str> = came.iter().map(|event| text(event, "timerkey")).collect();
    assert_eq!(keys, ["in a second", "in half a day", "a day and a little later", "set after"]);
    assert!(came.iter().all(|event| text(event, "recordedtime") >= text(event, "time")), "none is early: {came:?}");
    assert!(came.windows(2).all(|two| text(&two[0], "recordedtime") <= text(&two[1], "recordedtime")), "{came:?}");
    assert_eq!(host.web.get("timers").expect(200).json()["total"], 1);
}

#[test]
fn what_the_host_had_not_dealt_with_when_it_was_killed_is_dealt_with_before_what_was_due_since() {
    const COUNT: u64 = 600;
    let mut host = Host::start();
    host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    let due = now() + HOUR;
    let subject = |n: u64| format!("subject/{n}");
    let set: Vec<Value> = (0..COUNT).map(|n| timer(&format!("set/{n}"), &subject(n), &subject(n), due + n)).collect();
    append(&host.web, "?wait=handled&timeout=120s", &set);
    assert_eq!(host.web.get("timers").expect(200).json()["total"], COUNT);
    // Most of these are not read yet when the host dies; the last ones say something of what is set.
    let cancel = |n: u64| event(&format!("cancel/{n}"), "test.reach", &subject(n), &json!({"do": "cancel", "key": subject(n)}));
    append(&host.web, "", &(0..COUNT + 3_400).rev().map(cancel).collect::<Vec<_>>());
    go_to(&mut host, 2.0);
    wait_until_nothing_is_due(&host, &["reach-out"]);
    assert_eq!((host.web.happened("types=test.came").len(), host.web.get("timers").expect(200).json()["total"].clone()), (0, json!(0)));
}

#[test]
fn a_function_that_is_paused_holds_up_none_of_what_is_late() {
    const COUNT: u64 = 60;
    let mut host = Host::start();
    host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    let due = now() + HOUR;
    let set: Vec<Value> = (0..COUNT).map(|n| timer(&n.to_string(), "one", &format!("k{n}"), due + n)).collect();
    append(&host.web, "?wait=handled", &set);
    host.web.post("functions/reach-out/pause", "application/json", "").expect(200);
    let began = now();
    go_to(&mut host, 2.0);
    host.wait_until("all have come", || host.web.happened("types=test.came").len() as u64 == COUNT);
    assert!(now() - began < 60 * SECOND, "{} s", (now() - began) / SECOND);
    assert_eq!(host.web.happened("types=test.told").len(), 0);
    host.web.post("functions/reach-out/resume", "application/json", "").expect(200);
    host.wait_until("they are read", || host.web.happened("types=test.told").len() as u64 == COUNT);
}
