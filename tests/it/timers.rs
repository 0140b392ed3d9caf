//! Timers and schedules on the real host: when they are due, when it was down, when it is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Host, Web, guest, reworded};

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;

#[expect(clippy::disallowed_methods, reason = "timers are due by the clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros() as u64
}

fn rest(ms: u64) {
    std::thread::park_timeout(Duration::from_millis(ms));
}

fn host() -> Host {
    let host = Host::start();
    host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    host
}

fn reach(id: &str, subject: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": "test.reach", "subject": subject, "data": data})
}

/// Has `reach-out` do something, and waits until it has.
#[track_caller]
fn ask(web: &Web, id: &str, subject: &str, data: &Value) -> Value {
    let answer = web.post("events?wait=handled", "application/cloudevents+json", reach(id, subject, data).to_string());
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.json()
}

fn set(web: &Web, id: &str, key: &str, due: u64) {
    ask(web, id, &format!("about/{key}"), &json!({"do": "timer", "key": key, "due": due}));
}

fn pending(web: &Web) -> u64 {
    web.get("timers").expect(200).json()["total"].as_u64().expect("a number")
}

#[track_caller]
fn wait_for_events(host: &Host, query: &str, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    host.wait_until(&format!("{count} of {query}"), || {
        events = host.web.happened(query);
        events.len() >= count
    });
    assert_eq!(events.len(), count);
    events
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[test]
fn a_timer_makes_its_event_when_it_is_due_and_its_time_is_the_due_time() {
    let host = host();
    let due = now() + 3 * SECOND;
    set(&host.web, "1", "soon", due);
    let listed = host.web.get("timers").expect(200).json();
    let timer = &listed["timers"][0];
    assert_eq!((text(timer, "function"), text(timer, "key"), text(timer, "type")), ("reach-out", "soon", "test.came"), "{listed}");
    assert_eq!(host.web.function("reach-out")["timers"], 1);
    let metrics = String::from_utf8(host.web.get("//metrics").expect(200).body).expect("text");
    assert!(metrics.contains("retold_timers_pending{namespace=\"main\"} 1\n"), "{metrics}");
    let came = wait_for_events(&host, "types=test.came", 1).remove(0);
    assert!(now() >= due);
    assert_eq!((text(&came, "source"), text(&came, "subject"), text(&came, "timerkey")), ("/timers/reach-out", "about/soon", "soon"));
    assert_eq!((&came["time"], &came["causeposition"]), (&timer["due"], &timer["position"]));
    assert!(text(&came, "recordedtime") >= text(&came, "time"), "{came}");
    let told = wait_for_events(&host, "types=test.told", 1).remove(0);
    assert_eq!((&told["time"], &told["data"]["time"]), (&timer["due"], &timer["due"]), "late or not, functions see the due time");
    // The entry says it as people read it.
    let entry = host.web.get(&format!("events/{}", text(timer, "position"))).expect(200).json();
    assert_eq!((&entry["timerdue"], text(&entry, "entrykind")), (&timer["due"], "timer"), "{entry}");
    let why = host.retold(&["why", text(&told, "position"), "--json"]);
    assert!(String::from_utf8_lossy(&why.stdout).contains("/timers/reach-out"), "{}", String::from_utf8_lossy(&why.stdout));
    assert_eq!(pending(&host.web), 0);
    let metrics = String::from_utf8(host.web.get("//metrics").expect(200).body).expect("text");
    assert!(metrics.contains("retold_timers_fired_total{namespace=\"main\"} 1\n"), "{metrics}");
}

#[test]
fn a_timer_in_the_past_fires_at_once_and_one_beyond_the_year_9999_is_refused() {
    let host = host();
    set(&host.web, "1", "past", 5);
    let came = wait_for_events(&host, "types=test.came", 1).remove(0);
    assert_eq!(text(&came, "time"), "1970-01-01T00:00:00.000005Z");
    wait_for_events(&host, "types=test.told", 1);
    for (id, what) in
        [("2", "timer_beyond_year9999"), ("3", "timer_without_key"), ("4", "timer_with_a_long_key"), ("5", "timer_of_the_hosts_type")]
    {
        let answer = ask(&host.web, id, &format!("bad/{id}"), &json!({"do": what, "due": 1}));
        assert_eq!(answer["parked"].as_array().map(Vec::len), Some(1), "{what}: {answer}");
    }
    let parked = host.web.get("functions/reach-out/parked").expect(200).json();
    let messages: Vec<&str> = parked["parked"].as_array().expect("a list").iter().map(|parked| text(parked, "message")).collect();
    assert!(messages[0].contains("9999"), "{messages:?}");
    assert_eq!((host.web.happened("types=test.came").len(), pending(&host.web)), (1, 0));
}

#[test]
fn a_timer_is_replaced_and_cancelled_by_its_key() {
    let host = host();
    set(&host.web, "1", "a", now() + HOUR);
    set(&host.web, "2", "b", now() + HOUR);
    set(&host.web, "3", "a", now() + 2 * HOUR);
    assert_eq!(pending(&host.web), 2);
    ask(&host.web, "4", "about/b", &json!({"do": "cancel", "key": "b"}));
    ask(&host.web, "5", "about/c", &json!({"do": "cancel", "key": "never-set"}));
    assert_eq!(pending(&host.web), 1);
    let due = now() - SECOND;
    set(&host.web, "6", "a", due);
    let came = wait_for_events(&host, "types=test.came", 1).remove(0);
    assert_eq!((text(&came, "timerkey"), pending(&host.web)), ("a", 0));
    // The same event again: known, and nothing is set again.
    ask(&host.web, "6", "about/a", &json!({"do": "timer", "key": "a", "due": due}));
    host.web.post("functions/reach-out/rewind?to=0", "application/json", "").expect(200);
    host.wait_until_level("reach-out");
    rest(300);
    assert_eq!((host.web.happened("types=test.came").len(), pending(&host.web)), (1, 0));
}

#[test]
fn timers_are_listed_page_by_page_by_when_they_are_due_and_by_key() {
    let host = host();
    let due = now() + HOUR;
    ask(&host.web, "1", "flood", &json!({"do": "timer_flood", "count": 25, "due": due}));
    let listed = |query: &str| -> Vec<String> {
        let (mut keys, mut after) = (Vec::new(), String::new());
        loop {
            let page = host.web.get(&format!("timers?limit=10{query}{after}")).expect(200).json();
            assert_eq!(page["total"], 25, "{page}");
            keys.extend(page["timers"].as_array().expect("a list").iter().map(|timer| text(timer, "key").to_owned()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return keys,
            }
        }
    };
    let by_due: Vec<String> = (0..25).map(|n| format!("k{n}")).collect();
    assert_eq!(listed(""), by_due);
    let by_key: BTreeSet<String> = by_due.into_iter().collect();
    assert_eq!(listed("&function=reach-out"), by_key.into_iter().collect::<Vec<_>>());
    host.web.get("timers?function=nobody").problem(404, "unknown-function");
    host.web.get("timers?after=7").problem(400, "invalid-parameter");
    host.web.get("timers?limit=0").problem(400, "invalid-parameter");
    let shown = host.retold(&["timers", "--json", "--limit", "7"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!((shown["timers"].as_array().map(Vec::len), &shown["total"]), (Some(7), &json!(25)));
}

#[test]
fn thousands_of_timers_of_one_event_that_are_long_due_come_one_after_the_other_each_once() {
    let mut host = host();
    const COUNT: usize = 1_500;
    ask(&host.web, "1", "flood", &json!({"do": "timer_flood", "count": COUNT, "due": 7}));
    host.wait_until("some have come", || host.web.happened("types=test.came").len() > 20);
    host.kill();
    host.restart();
    let came = wait_for_events(&host, "types=test.came", COUNT);
    let keys: Vec<&str> = came.iter().map(|came| text(came, "timerkey")).collect();
    assert_eq!(keys, (0..COUNT).map(|n| format!("k{n}")).collect::<Vec<_>>(), "in the order in which they were due");
    wait_for_events(&host, "types=test.told", COUNT);
    // What each one gave comes before the next one of the subject.
    let order = host.web.happened("types=test.came,test.told");
    let types: Vec<&str> = order.iter().map(|event| text(event, "type")).collect();
    assert!(types.chunks(2).all(|two| two == ["test.came", "test.told"]), "each is dealt with before the next comes");
}

#[test]
fn timers_of_a_host_that_was_down_come_when_it_is_up_with_their_own_times_in_their_order() {
    let mut host = host();
    let due = now() + 2 * SECOND;
    for n in 0..20_u64 {
        ask(&host.web, &n.to_string(), &format!("subject/{}", n % 3), &json!({"do": "timer", "key": format!("k{n}"), "due": due + n}));
    }
    host.kill();
    while now() < due + 4 * SECOND {
        rest(200);
    }
    host.restart();
    let came = wait_for_events(&host, "types=test.came", 20);
    let keys: Vec<&str> = came.iter().map(|came| text(came, "timerkey")).collect();
    assert_eq!(keys, (0..20).map(|n| format!("k{n}")).collect::<Vec<_>>());
    let told = wait_for_events(&host, "types=test.told", 20);
    let times = |events: &[Value]| events.iter().map(|event| text(event, "time").to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(times(&told), times(&came));
    assert_eq!(times(&came).len(), 20);
}

#[test]
fn every_timer_fires_once_and_not_early_when_the_host_is_killed_again_and_again() {
    const COUNT: u64 = 200;
    let mut host = host();
    let first = now() + 4 * SECOND;
    let lines: String = (0..COUNT)
        .map(|n| {
            let due = first + n * 40_000;
            let event = reach(&n.to_string(), &format!("subject/{}", n % 17), &json!({"do": "timer", "key": format!("k{n}"), "due": due}));
            event.to_string() + "\n"
        })
        .collect();
    host.web.post("events", "application/x-ndjson", lines).expect(201);
    for kill in 0..12 {
        rest(350 + 97 * (kill % 5));
        host.kill();
        host.restart();
    }
    let came = wait_for_events(&host, "types=test.came", COUNT as usize);
    wait_for_events(&host, "types=test.told", COUNT as usize);
    let keys: BTreeSet<&str> = came.iter().map(|came| text(came, "timerkey")).collect();
    assert_eq!(keys.len(), COUNT as usize, "each once");
    for event in &came {
        assert!(text(event, "recordedtime") >= text(event, "time"), "early: {event}");
    }
    // In each subject in the order in which they were due.
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for event in &came {
        let before = last.insert(text(event, "subject"), text(event, "time"));
        assert!(before.is_none_or(|before| before < text(event, "time")), "out of order: {event}");
    }
    assert_eq!(pending(&host.web), 0);
}

#[test]
fn a_timer_that_sets_itself_again_for_at_once_is_parked_after_its_hops() {
    let host = host();
    let tick = json!({"specversion": "1.0", "id": "1", "source": "/test", "type": "test.tick", "subject": "clock", "data": {}});
    host.web.append(&tick).expect(201);
    let parked = host.wait_for("self-timer", |now| now["parked"] == 1);
    assert_eq!(parked["timers"], 0, "{parked}");
    assert!(host.web.happened("types=test.tick").len() > 20);
}

#[test]
fn no_timer_fires_in_a_fork_unless_it_is_to_have_effects() {
    let host = host();
    let due = now() + 2 * SECOND;
    set(&host.web, "1", "soon", due);
    let fork = |name: &str, effects: bool| {
        let body = json!({"name": name, "fork": {"base": "main", "effects": effects}}).to_string();
        host.web.post("//v1/namespaces", "application/json", body).expect(201);
        host.web.namespace(name)
    };
    let (quiet, loud) = (fork("quiet", false), fork("loud", true));
    wait_for_events(&host, "types=test.came", 1);
    host.wait_until("it fires in the fork with effects", || loud.happened("types=test.came").len() == 1);
    assert_eq!(loud.happened("types=test.came")[0]["id"], host.web.happened("types=test.came")[0]["id"]);
    rest(1_500);
    assert_eq!((quiet.happened("types=test.came").len(), pending(&quiet), pending(&loud)), (0, 1, 0));
}

#[test]
fn a_retelling_has_the_timers_that_fired_and_those_pending_fire_once_it_is_promoted() {
    let host = host();
    set(&host.web, "1", "past", 5);
    wait_for_events(&host, "types=test.told", 1);
    let due = now() + 9 * SECOND;
    set(&host.web, "2", "later", due);
    set(&host.web, "3", "cancelled", due);
    ask(&host.web, "4", "about/cancelled", &json!({"do": "cancel", "key": "cancelled"}));
    host.web.retell("again", json!({})).expect(202);
    host.web.wait_until_retold("again");
    let again = host.web.namespace("again");
    let ids = |web: &Web| -> BTreeSet<String> {
        web.happened("types=test.came,test.told,retold.timer.cancelled").iter().map(|event| text(event, "id").to_owned()).collect()
    };
    assert_eq!(ids(&again), ids(&host.web));
    assert_eq!((pending(&again), pending(&host.web)), (1, 1));
    again.promote().expect(200);
    let came = wait_for_events(&host, "types=test.came", 2);
    assert_eq!(text(&came[1], "timerkey"), "later");
    wait_for_events(&host, "types=test.told", 2);
    rest(1_500);
    assert_eq!(pending(&host.web.namespace("main@1")), 1, "in an earlier generation nothing fires any more");
    assert_eq!(host.web.namespace("main@1").happened("types=test.came").len(), 1);
}

/// The report of the shop, by another clock.
fn report(cron: &str) -> Vec<u8> {
    reworded(&guest("shop-report"), &[("0 18 * * *", cron)])
}

#[test]
fn a_schedule_that_makes_no_sense_is_refused_by_name() {
    let host = Host::start();
    for (module, field) in [
        (report("0 99 * * *"), "cron"),
        (report("x y z * * "), "cron"),
        (report("0 0 30 2 *"), "cron"),
        (reworded(&guest("shop-report"), &[("Europe/Berlin", "Europe/Nowher")]), "time-zone"),
    ] {
        let problem = host.web.deploy("shop-report", &module).problem(422, "module-refused");
        assert!(text(&problem, "detail").contains(&format!("schedules[0].{field}")), "{problem}");
    }
    assert_eq!(host.web.get("schedules").expect(200).json(), json!({"schedules": []}));
}

#[test]
fn a_schedule_comes_by_its_clock_and_goes_with_its_module() {
    let mut host = Host::start();
    host.web.deploy("shop-report", &report("*  * * * *")).expect(201);
    let schedule = |host: &Host| host.web.get("schedules").expect(200).json()["schedules"][0].clone();
    host.wait_until("it is known when it comes", || schedule(&host)["next"].is_string());
    let first = schedule(&host);
    assert_eq!((text(&first, "function"), text(&first, "key"), text(&first, "missed")), ("daily-report", "evening", "all"), "{first}");
    host.kill();
    host.restart();
    let came = wait_for_events(&host, "types=shop.evening-came", 1).remove(0);
    assert_eq!((&came["time"], text(&came, "source"), text(&came, "subject")), (&first["next"], "/timers/daily-report", "evening"));
    assert!(text(&came, "time").ends_with(":00Z"), "{came}");
    wait_for_events(&host, "types=shop.day-reported", 1);
    assert!(text(&schedule(&host), "next") > text(&first, "next"));
    // A retelling has it too.
    host.web.retell("again", json!({})).expect(202);
    host.web.wait_until_retold("again");
    let again = host.web.namespace("again").happened("types=shop.evening-came");
    assert_eq!(again[0]["id"], came["id"]);
    let shown = String::from_utf8(host.retold(&["timers"]).stdout).expect("text");
    assert!(shown.contains("Europe/Berlin"), "{shown}");
    host.web.delete("modules/shop-report").expect(200);
    assert_eq!(host.web.get("schedules").expect(200).json(), json!({"schedules": []}));
}
