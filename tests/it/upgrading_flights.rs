//! Version 2 of the flights, by which a flight is late after half an hour: rehearsed over history that
//! version 1 has handled, put in its place and taken back while flights go on, under the eyes of a client
//! that reads all events and of one that reads all views.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use flights_convert::Timetable;
use serde_json::{Value, json};

use crate::flights::{script, year};
use crate::support::{Ends, FlightLog, Host, Months, Rule, Traffic, Web, follow, guest, repository};

const VIEWS: [&str; 2] = ["delays-by-month", "delays-by-carrier"];
/// The last event of a story: whoever reads it has read all.
const LAST: &str = "test.over";

/// What the host is asked for at a moment. Between two of these it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    First,
    ToSecond,
    Second,
    Back,
    FirstAgain,
}

const PHASES: [Phase; 5] = [Phase::First, Phase::ToSecond, Phase::Second, Phase::Back, Phase::FirstAgain];

/// A page of all rows, and the phase when it was asked for and when it was answered.
struct Look {
    asked: Phase,
    answered: Phase,
    position: u64,
    rows: Months,
}

/// Sends code and waits until its replay is over. Answers that replay.
fn replayed(web: &Web, method: &str, path: &str, module: &[u8]) -> Value {
    let mut answer = web.send(method, path, &[("content-type", "application/wasm")], module);
    while answer.status == 202 {
        let replay = answer.json()["id"].as_str().expect("an id").to_owned();
        answer = web.get(&format!("replays/{replay}"));
        if answer.json()["status"] != "running" {
            break;
        }
        answer.status = 202;
        std::thread::park_timeout(Duration::from_millis(100));
    }
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.json()
}

/// What is told of the handlers, in the words of the independent script.
fn compared(replay: &Value) -> Value {
    let handlers = replay["functions"].as_array().expect("functions").iter().filter(|function| function["kind"] == "handler");
    let counts = |function: &Value| {
        let outputs = &function["outputs"];
        json!({
            "events": function["events"], "equal": outputs["equal"], "new": outputs["new"],
            "missing": outputs["missing"], "different": outputs["different"],
        })
    };
    handlers.map(|function| (function["function"].as_str().expect("a name").to_owned(), counts(function))).collect()
}

/// A rehearsal finds what the script computes, shows the first of it, and changes nothing.
fn rehearse(host: &Host, expected: &Value) {
    let head = host.web.events("types=retold.*").len();
    let replay = replayed(&host.web, "PUT", "modules/flights?rehearse=only&timeout=100s", &guest("flights-v2"));
    assert_eq!((&replay["kind"], &replay["status"]), (&json!("rehearsal"), &json!("done")), "{replay}");
    assert_eq!(&compared(&replay), expected);
    for function in replay["functions"].as_array().expect("functions").iter().filter(|function| function["kind"] == "handler") {
        let shown = function["differences"].as_array().expect("differences");
        assert!(!shown.is_empty(), "{function}");
        for difference in shown {
            assert_eq!((&difference["kind"], &difference["made"]), (&json!("missing"), &Value::Null), "{difference}");
            let data = &difference["recorded"]["data"];
            let minutes = [&data["dep_delay"], &data["arr_delay"]].map(|minutes| minutes.as_i64().unwrap_or(i64::MAX));
            assert!(minutes.iter().all(|minutes| *minutes > 15) && minutes.iter().any(|minutes| *minutes <= 30), "{difference}");
        }
    }
    assert_eq!(host.web.events("types=retold.*").len(), head);
    assert_eq!(host.web.get("modules/flights").expect(200).json()["version"], "0.1.0");
}

/// Reads both views until it is over. Every answer must be one.
fn look(web: &Web, phase: &AtomicU8, over: &AtomicBool, looks: &Mutex<BTreeMap<&'static str, Vec<Look>>>) {
    let now = || PHASES[usize::from(phase.load(Ordering::Acquire))];
    while !over.load(Ordering::Acquire) {
        for view in VIEWS {
            let asked = now();
            let page = web.get(&format!("views/{view}?limit=1000")).expect(200).json();
            let position = page["position"].as_str().and_then(|position| position.parse().ok()).expect("a position");
            assert_eq!(page["more"], false);
            let look = Look { asked, answered: now(), position, rows: Months::of(&page) };
            looks.lock().expect("nobody panicked").entry(view).or_default().push(look);
        }
        web.post("views/delays-by-carrier/query?name=of-carrier", "application/json", r#"{"carrier":"UA"}"#).expect(200);
    }
}

/// Waits until both views were asked for in the phase that it is: a page asked for before may take as long as the phase.
fn wait_for_looks(host: &Host, phase: &AtomicU8, looks: &Mutex<BTreeMap<&'static str, Vec<Look>>>) {
    let now = PHASES[usize::from(phase.load(Ordering::Acquire))];
    host.wait_until("both views are looked at", || {
        let looks = looks.lock().expect("nobody panicked");
        VIEWS.iter().all(|view| looks.get(view).and_then(|looks| looks.last()).is_some_and(|look| look.asked == now))
    });
}

/// Every page of rows is the fold of exactly what stands up to the position that it tells, by one version's
/// rule: the first's, then the second's, then the first's again. No reader is led back.
fn check_looks(view: &str, looks: &[Look], log: &FlightLog) {
    let mut by_position: Vec<usize> = (0..looks.len()).collect();
    by_position.sort_by_key(|at| looks[*at].position);
    let (mut departures, mut folds) = (log.departures().peekable(), [Months::default(), Months::default()]);
    let mut rules = vec![None; looks.len()];
    for at in by_position {
        let look = &looks[at];
        while let Some((_, flight, delay)) = departures.next_if(|(position, ..)| *position <= look.position) {
            for (fold, late) in folds.iter_mut().zip([15, 30]) {
                fold.add(flight, delay, late);
            }
        }
        rules[at] = folds.iter().position(|fold| *fold == look.rows);
        assert!(rules[at].is_some(), "{view} at {}, {:?}: no version's rows", look.position, look.asked);
    }
    assert!(looks.is_sorted_by_key(|look| look.position), "{view}: led back");
    let mut stretches: Vec<usize> = rules.iter().map(|rule| rule.expect("a rule")).collect();
    for (look, rule) in looks.iter().zip(&stretches) {
        match (look.asked, look.answered) {
            (_, Phase::First) | (Phase::FirstAgain, _) => assert_eq!(*rule, 0, "{view} at {}", look.position),
            (Phase::Second, Phase::Second) => assert_eq!(*rule, 1, "{view} at {}", look.position),
            _ => {}
        }
    }
    stretches.dedup();
    assert_eq!(stretches, [0, 1, 0], "{view}");
    let [_, to, back] = log.switches()[..] else { panic!("{:?}", log.switches()) };
    for (look, rule) in looks.iter().zip(rules) {
        let stale = if rule == Some(1) { look.position > back } else { (to..back).contains(&look.position) && look.asked < Phase::Back };
        assert!(!stale, "{view} at {}, {:?}: switches at {to} and {back}", look.position, look.asked);
    }
    for phase in PHASES {
        assert!(looks.iter().any(|look| look.asked == phase), "{view}: nobody looked in {phase:?}");
    }
}

/// The whole story, over any file of flights.
fn upgraded_and_rolled_back(csv: &Path, expected: Option<&Value>) {
    let lines: Vec<String> = Timetable::open(csv).expect("the flights can be read").lines().collect();
    let host = Host::start();
    host.web.deploy("flights", &guest("flights")).expect(201);
    let first = Rule::of(&host.web, 15);
    host.web.post("events", "application/x-ndjson", lines.join("\n")).expect(201);
    host.wait_until_level("delays");
    host.wait_until_level("knock-on");
    if let Some(expected) = expected {
        rehearse(&host, expected);
    }
    // Views are level from here on: who asks is always answered.
    for view in VIEWS {
        host.web.rows(view, &format!("min-position={}&timeout=300s", lines.len()));
    }
    let (over, phase, looks) = (AtomicBool::new(false), AtomicU8::new(0), Mutex::default());
    let (traffic, web) = (Traffic::of(&lines), &host.web);
    let stopped = AtomicBool::new(false);
    let (log, second) = std::thread::scope(|scope| {
        let _ends = (Ends(&over), Ends(&stopped));
        let reading = scope.spawn(|| {
            let mut log = FlightLog::default();
            follow(web, &over, |_, event| {
                let event: Value = serde_json::from_str(event).expect("JSON");
                log.take(&event);
                if event["type"] == LAST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            log
        });
        let sending = scope.spawn(|| traffic.run(web, &stopped));
        let looking = scope.spawn(|| look(web, &phase, &stopped, &looks));
        let enter = |next: Phase| phase.store(next as u8, Ordering::Release);
        let looked = || wait_for_looks(&host, &phase, &looks);
        traffic.wait_for_more(&host);
        looked();
        enter(Phase::ToSecond);
        replayed(web, "PUT", "modules/flights?timeout=100s", &guest("flights-v2"));
        looked();
        enter(Phase::Second);
        let second = Rule::of(web, 30);
        traffic.wait_for_more(&host);
        looked();
        enter(Phase::Back);
        replayed(web, "POST", "modules/flights/rollback?timeout=100s", b"");
        looked();
        enter(Phase::FirstAgain);
        assert_eq!(Rule::of(web, 15), first);
        traffic.wait_for_more(&host);
        looked();
        stopped.store(true, Ordering::Release);
        sending.join().expect("every append was answered well");
        looking.join().expect("every question was answered well");
        host.wait_until_level("delays");
        host.wait_until_level("knock-on");
        web.append(&json!({ "specversion": "1.0", "id": "last", "source": "/test", "type": LAST })).expect(201);
        (reading.join().expect("no gap, no duplicate"), second)
    });
    let contested = log.check(&[first.clone(), second, first]);
    assert!(contested.iter().all(|count| *count > 0), "nothing was shown: {contested:?}");
    for (view, looks) in looks.into_inner().expect("nobody panicked") {
        check_looks(view, &looks, &log);
    }
}

#[test]
fn a_day_of_flights_is_upgraded_and_rolled_back_while_all_is_read_and_nothing_is_missed_doubled_or_mixed() {
    let data = repository().join("guest-examples/flights/data");
    let expected = std::fs::read(data.join("2013-01-01.rehearsal.json")).expect("the day's rehearsal");
    upgraded_and_rolled_back(&data.join("2013-01-01.csv"), serde_json::from_slice(&expected).ok().as_ref());
}

#[test]
fn a_year_of_flights_is_upgraded_and_rolled_back_while_all_is_read_and_nothing_is_missed_doubled_or_mixed() {
    let Some(csv) = year() else {
        eprintln!("skipped: the year of flights is not at hand; set RETOLD_FLIGHTS to its flights.csv.gz");
        return;
    };
    upgraded_and_rolled_back(&csv, script(&["--rehearse", "30"], &csv).as_ref());
}
