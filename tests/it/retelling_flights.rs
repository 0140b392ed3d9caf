//! The flights retold with version 2 and promoted while more of them come: as if version 2 had been there
//! from the first flight on. And back again.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use flights_convert::Timetable;
use serde_json::{Value, json};

use crate::flights::year;
use crate::support::{Ends, FlightLog, Host, Rule, Traffic, Web, follow, guest, guest_file, repository};

/// What an event says, as it was said: type, subject, time, tags, and its data byte for byte.
type Said = (String, String, String, String, String);
/// Source and id.
type Key = (String, String);

/// Everything a reader was shown, by source and id, and the last cursor that it was given.
#[derive(Default)]
struct Shown {
    events: BTreeMap<Key, Said>,
    cursor: String,
}

/// A line of NDJSON, by source and id.
#[track_caller]
fn read(line: &str) -> (Key, Said) {
    let event: Value = serde_json::from_str(line).expect("JSON");
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    // It stands last, and nowhere else could this stand: in a text, quotes are escaped.
    let (_, data) = line.split_once(",\"data\":").unwrap_or_default();
    (
        (text("source"), text("id")),
        (text("type"), text("subject"), text("time"), text("tags"), data.strip_suffix('}').unwrap_or_default().to_owned()),
    )
}

/// All events of a log, line by line.
fn lines(web: &Web) -> Vec<String> {
    let answer = web.send("GET", "events", &[("accept", "application/x-ndjson")], b"").expect(200);
    String::from_utf8(answer.body).expect("UTF-8").lines().map(str::to_owned).collect()
}

fn is_the_hosts_own(key: &Key) -> bool {
    key.0.starts_with("/retold/")
}

/// By source and id, without what the host says of itself.
fn said(lines: &[String]) -> BTreeMap<Key, Said> {
    lines.iter().map(|line| read(line)).filter(|(key, _)| !is_the_hosts_own(key)).collect()
}

/// Ids of the source events, in their order.
fn sources(lines: &[String]) -> Vec<String> {
    let keys = lines.iter().map(|line| read(line).0);
    keys.filter(|key| !is_the_hosts_own(key) && !key.0.starts_with("/functions/")).map(|(_, id)| id).collect()
}

/// What two logs say differently, if anything.
#[track_caller]
fn check_same(these: &BTreeMap<Key, Said>, those: &BTreeMap<Key, Said>, what: &str) {
    let first = |these: &BTreeMap<_, _>, those: &BTreeMap<_, _>| {
        these.iter().find(|(key, said)| those.get(*key) != Some(*said)).map(|one| format!("{one:?}"))
    };
    assert!(these == those, "{what}: {:?} against {:?}", first(these, those), first(those, these));
}

/// The reader was shown every one of these, as it is.
#[track_caller]
fn check_shown(shown: &Mutex<Shown>, lines: &[String]) {
    let shown = shown.lock().expect("nobody panicked");
    for line in lines {
        let (key, said) = read(line);
        assert_eq!(shown.events.get(&key), Some(&said), "{key:?}");
    }
}

/// Everything that functions made follows from the source events by this rule, and from nothing else.
fn check_made(lines: &[String], rule: &Rule) {
    let mut log = FlightLog::default();
    for line in lines {
        log.take(&serde_json::from_str(line).expect("JSON"));
    }
    let contested = log.check(std::slice::from_ref(rule));
    assert!(contested.iter().all(|count| *count > 0), "nothing was shown: {contested:?}");
}

fn wait(web: &Web) {
    for function in ["delays", "knock-on"] {
        Host::wait_in(web, function, |now| now["lag"] == 0 && now["rebuilding"] != true);
    }
}

/// Waits until the reader stands in this generation, at its head as it is now. Answers where it stands then.
fn wait_for_reader(host: &Host, shown: &Mutex<Shown>, generation: u64) -> usize {
    let head: usize =
        host.web.get("events?limit=1").expect(200).json()["head"].as_str().and_then(|head| head.parse().ok()).expect("a head");
    let stands = std::cell::Cell::new(0);
    host.wait_for("delays", |_| {
        let cursor = shown.lock().expect("nobody panicked").cursor.clone();
        let numbers: Vec<usize> = cursor.split('.').filter_map(|number| number.parse().ok()).collect();
        stands.set(*numbers.last().unwrap_or(&0));
        numbers.len() == 2 && numbers[0] as u64 == generation && stands.get() >= head
    });
    stands.get()
}

/// The command line does what it is told.
#[track_caller]
fn run(host: &Host, arguments: &[&str]) {
    let output = host.retold(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Reads all events for as long as the test goes, wherever it is led.
fn read_all(web: &Web, over: &AtomicBool, shown: &Mutex<Shown>) {
    follow(web, over, |cursor, event| {
        let (key, said) = read(event);
        let mut shown = shown.lock().expect("nobody panicked");
        cursor.clone_into(&mut shown.cursor);
        let before = shown.events.insert(key.clone(), said.clone());
        // What the host says of itself is numbered in each generation anew.
        assert!(is_the_hosts_own(&key) || before.is_none_or(|before| before == said), "{key:?} says something else now");
        ControlFlow::Continue(())
    });
}

/// Does something while flights go on, before it and behind it.
fn under_traffic(host: &Host, traffic: &Traffic<'_>, work: impl FnOnce()) {
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ends = Ends(&stopped);
        let sending = scope.spawn(|| traffic.run(&host.web, &stopped));
        traffic.wait_for_more(host);
        work();
        traffic.wait_for_more(host);
        stopped.store(true, Ordering::Release);
        sending.join().expect("every append was answered well");
    });
    wait(&host.web);
}

/// What a fresh host makes of these events with the second version.
fn loaded_afresh(events: &[String], second: &Rule) -> BTreeMap<Key, Said> {
    let fresh = Host::start();
    fresh.web.deploy("flights", &guest("flights-v2")).expect(201);
    fresh.web.post("events", "application/x-ndjson", events.join("\n")).expect(201);
    wait(&fresh.web);
    let fresh = lines(&fresh.web);
    check_made(&fresh, second);
    said(&fresh)
}

/// The whole story, over the first so many events of any file of flights.
fn retold_promoted_and_back(csv: &Path, events: usize) {
    let flights: Vec<String> = Timetable::open(csv).expect("the flights can be read").lines().take(events).collect();
    let host = Host::start();
    host.web.deploy("flights", &guest("flights")).expect(201);
    let first = Rule::of(&host.web, 15);
    host.web.post("events", "application/x-ndjson", flights.join("\n")).expect(201);
    let with = guest_file("flights-v2");
    let (over, shown) = (AtomicBool::new(false), Mutex::new(Shown::default()));
    let (traffic, web) = (Traffic::of(&flights), &host.web);
    let ids_so_far = || flights.iter().cloned().chain(traffic.sent()).map(|line| read(&line).0.1).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let _ends = Ends(&over);
        scope.spawn(|| read_all(web, &over, &shown));
        under_traffic(&host, &traffic, || {
            run(&host, &["retell", "main", "--as", "anew", "--with", with.to_str().expect("a path in text")]);
            traffic.wait_for_more(&host);
            run(&host, &["promote", "anew"]);
        });
        // It is what a fresh host makes of the same flights, and the reader was shown all of it: the most by
        // the old generation, the rest by the new one.
        let second = Rule::of(web, 30);
        assert_ne!(second.digest, first.digest);
        let upto = wait_for_reader(&host, &shown, 2);
        let anew = lines(web);
        assert_eq!(anew.len(), upto);
        check_shown(&shown, &anew);
        let ids = ids_so_far();
        assert!(sources(&anew) == ids, "each flight that was accepted, in order");
        let sent: Vec<String> = flights.iter().cloned().chain(traffic.sent()).collect();
        check_same(&said(&anew), &loaded_afresh(&sent, &second), "retold and loaded afresh");

        // The way back: all of the old as it was, then what was accepted since, handled by the old code.
        let old = lines(&web.namespace("main@1"));
        under_traffic(&host, &traffic, || run(&host, &["promote", "--back", "main"]));
        let upto = wait_for_reader(&host, &shown, 3);
        let back = lines(web);
        assert_eq!(back.len(), upto);
        check_shown(&shown, &back);
        assert!(back[..old.len()] == old[..], "what was there before is there as it was");
        assert!(sources(&back) == ids_so_far(), "each flight that was accepted, in order");
        check_made(&back, &first);
        over.store(true, Ordering::Release);
        // So that the reader has something to read, and sees that it is over.
        web.append(&json!({ "specversion": "1.0", "id": "last", "source": "/test", "type": "test.over" })).expect(201);
    });
}

#[test]
fn a_day_of_flights_retold_and_promoted_is_what_a_fresh_load_makes_and_the_way_back_loses_nothing() {
    retold_promoted_and_back(&repository().join("guest-examples/flights/data/2013-01-01.csv"), usize::MAX);
}

/// As `retold_promoted_and_back`, over the first so many events of the year, if it is at hand.
fn of_the_year(events: usize) {
    let Some(csv) = year() else {
        eprintln!("skipped: the year of flights is not at hand; set RETOLD_FLIGHTS to its flights.csv.gz");
        return;
    };
    retold_promoted_and_back(&csv, events);
}

#[test]
fn a_month_of_flights_retold_and_promoted_is_what_a_fresh_load_makes_and_the_way_back_loses_nothing() {
    /// About as many as January has.
    const EVENTS: usize = 80_000;
    of_the_year(EVENTS);
}

#[test]
#[ignore = "takes minutes and gigabytes: every event is held against another log's, three times"]
fn a_year_of_flights_retold_and_promoted_is_what_a_fresh_load_makes_and_the_way_back_loses_nothing() {
    of_the_year(usize::MAX);
}

#[test]
fn a_retelling_is_level_also_where_the_log_ends_with_many_outputs() {
    const FLIGHTS: u32 = 21_000;
    let host = Host::start();
    host.web.deploy("flights", &guest("flights")).expect(201);
    host.web.post("functions/delays/pause", "application/json", "").expect(200);
    let departed = |number: u32| {
        let event = json!({
            "specversion": "1.0", "id": number.to_string(), "source": "/airports/EWR", "type": "flight.departed",
            "subject": format!("UA/{number}/2013-01-01"), "data": { "tailnum": null, "dep_delay": 60 },
        });
        event.to_string() + "\n"
    };
    host.web.post("events", "application/x-ndjson", (0..FLIGHTS).map(departed).collect::<String>()).expect(201);
    host.web.post("functions/delays/resume", "application/json", "").expect(200);
    wait(&host.web);
    run(&host, &["retell", "main", "--as", "anew", "--with", guest_file("flights-v2").to_str().expect("a path in text")]);
    run(&host, &["promote", "anew"]);
    wait(&host.web);
    assert_eq!(host.web.events("types=flight.delayed").len(), FLIGHTS as usize);
}
