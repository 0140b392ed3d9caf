//! Real input: the flights of New York, against figures computed from the CSV itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use flights_convert::Timetable;
use serde_json::{Value, json};

use crate::support::{Answer, Host, guest, repository};

/// Loads a file of flights as one stream of events.
fn load(host: &Host, csv: &Path) -> Value {
    let table = Timetable::open(csv).expect("the flights can be read");
    let body: String = table.lines().map(|line| line + "\n").collect();
    loaded(host.web.post("events", "application/x-ndjson", body))
}

/// The tally of a stream that was taken whole.
#[track_caller]
fn loaded(answer: Answer) -> Value {
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.json()
}

fn count(host: &Host, r#type: &str) -> u64 {
    host.web.events(&format!("types={type}")).len() as u64
}

/// What is in the log, in the words of the independent script.
fn figures(host: &Host) -> Value {
    json!({
        "scheduled": count(host, "flight.scheduled"),
        "departed": count(host, "flight.departed"),
        "arrived": count(host, "flight.arrived"),
        "cancelled": count(host, "flight.cancelled"),
        "delayed": count(host, "flight.delayed"),
        "knock_ons": count(host, "aircraft.knock-on"),
    })
}

/// What the independent script prints of a file; nothing where Python is not installed.
pub fn script(options: &[&str], csv: &Path) -> Option<Value> {
    let script = repository().join("guest-examples/flights/check/figures.py");
    let output = Command::new("python3").arg(script).args(options).arg(csv).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("one JSON object"))
}

/// The figures of the independent script.
fn independent(csv: &Path) -> Option<Value> {
    let mut figures = script(&[], csv)?;
    figures.as_object_mut().expect("an object").remove("flights");
    Some(figures)
}

/// The rows of a view at the head, as one JSON object.
fn rows(host: &Host, view: &str) -> Value {
    let head = host.web.get("//readyz").expect(200).json()["namespaces"][0]["head"].as_str().expect("a position").to_owned();
    Value::Object(host.web.rows(view, &format!("min-position={head}&timeout=300s")).into_iter().collect())
}

/// Both views, the one that is folded whole and the one that is split by carrier, say the same as the
/// independent script, and say it again when their files are gone.
#[track_caller]
fn check_months(host: &mut Host, expected: &Value) {
    const VIEWS: [&str; 2] = ["delays-by-month", "delays-by-carrier"];
    for time in ["as they were folded", "folded again"] {
        for view in VIEWS {
            let found = rows(host, view);
            for (key, month) in expected.as_object().expect("months") {
                assert_eq!(&found[key], month, "{view} {key}, {time}");
            }
            assert_eq!(&found, expected, "{view}, {time}");
        }
        if time == "folded again" {
            return;
        }
        assert!(host.terminate().success());
        let mut removed = 0;
        for entry in std::fs::read_dir(host.data().join("namespaces/main")).expect("the namespace's folder") {
            let path = entry.expect("an entry").path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("view-")) {
                std::fs::remove_file(path).expect("removed");
                removed += 1;
            }
        }
        assert_eq!(removed, VIEWS.len());
        host.restart();
    }
}

/// The whole year, where it is at hand: beside the repository, or where RETOLD_FLIGHTS says.
pub fn year() -> Option<PathBuf> {
    let path =
        std::env::var_os("RETOLD_FLIGHTS").map_or_else(|| repository().join("../shared/data/nycflights13/flights.csv.gz"), PathBuf::from);
    path.exists().then_some(path)
}

fn host_with_flights() -> Host {
    let host = Host::start();
    host.web.deploy("flights", &guest("flights")).expect(201);
    host
}

fn wait(host: &Host) {
    host.wait_until_level("delays");
    host.wait_until_level("knock-on");
}

#[test]
fn a_day_of_flights_gives_the_figures_of_the_independent_script() {
    let csv = repository().join("guest-examples/flights/data/2013-01-01.csv");
    let host = host_with_flights();
    load(&host, &csv);
    wait(&host);
    let expected = json!({"scheduled": 842, "departed": 838, "arrived": 837, "cancelled": 4, "delayed": 158, "knock_ons": 27});
    assert_eq!(figures(&host), expected);
    assert_eq!(independent(&csv).unwrap_or(expected.clone()), expected);
    // The same day again adds nothing.
    let again = load(&host, &csv);
    assert_eq!(again["new"], 0, "{again}");
    wait(&host);
    assert_eq!(figures(&host), expected);
}

#[test]
fn the_views_of_a_day_of_flights_have_the_rows_of_the_independent_script_also_when_their_files_are_gone() {
    let csv = repository().join("guest-examples/flights/data/2013-01-01.csv");
    let recorded = repository().join("guest-examples/flights/data/2013-01-01.months.json");
    let expected: Value = serde_json::from_slice(&std::fs::read(recorded).expect("the day's rows")).expect("JSON");
    assert_eq!(script(&["--months"], &csv).unwrap_or(expected.clone()), expected);
    let mut host = host_with_flights();
    load(&host, &csv);
    check_months(&mut host, &expected);
    let carrier =
        host.web.post("views/delays-by-carrier/query?name=of-carrier", "application/json", r#"{"carrier":"UA"}"#).expect(200).json();
    assert_eq!(carrier, json!([["2013-01", expected["UA/2013-01"]]]));
}

#[test]
fn a_year_of_flights_gives_the_figures_of_the_independent_script_also_when_killed_ten_times() {
    let Some(csv) = year() else {
        eprintln!("skipped: the year of flights is not at hand; set RETOLD_FLIGHTS to its flights.csv.gz");
        return;
    };
    let Some(expected) = independent(&csv) else {
        eprintln!("skipped: python3 is not installed, so there is nothing to compare with");
        return;
    };
    let mut host = host_with_flights();
    let table = Timetable::open(&csv).expect("the flights can be read");
    let body: String = table.lines().map(|line| line + "\n").collect();
    // A client that sends it all again whenever it got no answer, while the host is killed under it.
    for kill in 0..10_u64 {
        let web = host.web.clone();
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| web.try_send("POST", "events", &[("content-type", "application/x-ndjson")], body.as_bytes()));
            std::thread::park_timeout(std::time::Duration::from_millis(200 + kill * 397 % 1_500));
            host.kill();
            drop(sending.join());
        });
        host.restart();
    }
    loaded(host.web.post("events", "application/x-ndjson", &body));
    wait(&host);
    assert_eq!(figures(&host), expected);
    let again = host.web.post("events", "application/x-ndjson", &body).expect(200).json();
    assert_eq!(again["new"], 0, "the same year again adds nothing: {again}");
    wait(&host);
    assert_eq!(figures(&host), expected);
    check_months(&mut host, &script(&["--months"], &csv).expect("python3 ran before"));
}
