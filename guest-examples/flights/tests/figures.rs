//! The functions over real flights, held against the figures that `check/figures.py` computes from
//! the CSV itself. The whole year is read on the real binary, in `tests/it/flights.rs`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use flights::delays::delays;
use flights::knock_on::knock_on;
use flights::month::{Month, delays_by_carrier, delays_by_month};
use flights_convert::Timetable;
use retold::testing::{Given, Trial};
use retold::{Json, View};
use serde_json::json;

#[test]
fn the_day_has_the_figures_that_the_script_computed() {
    let read = handled(&of_example("data/2013-01-01.csv"));
    assert_eq!(read.figures, committed("data/2013-01-01.figures.json"));
    assert_eq!(read.months, committed("data/2013-01-01.months.json"));
}

#[test]
fn the_script_still_computes_the_committed_figures() {
    let day = of_example("data/2013-01-01.csv");
    if let (Some(figures), Some(months)) = (scripted(&[], &day), scripted(&["--months"], &day)) {
        assert_eq!(figures, committed("data/2013-01-01.figures.json"));
        assert_eq!(months, committed("data/2013-01-01.months.json"));
    }
}

fn committed(path: &str) -> Json {
    let committed = std::fs::read_to_string(of_example(path)).unwrap();
    serde_json::from_str(&committed).unwrap()
}

fn of_example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What the functions make of the converter's events.
struct Handled {
    figures: Json,
    months: Json,
}

fn handled(csv: &Path) -> Handled {
    let timetable = Timetable::open(csv).unwrap();
    let mut late = Trial::<delays>::new();
    let mut following = Trial::<knock_on>::new();
    let mut by_month = Trial::<delays_by_month>::new();
    let mut by_carrier = Trial::<delays_by_carrier>::new();
    let (mut delayed, mut knock_ons) = (0, 0);
    for line in timetable.lines() {
        let event = given(&line);
        if late.subscribes_to(event.event_type()) {
            delayed += late.give(&event).unwrap().len();
        }
        if following.subscribes_to(event.event_type()) {
            knock_ons += following.give(&event).unwrap().len();
        }
        if by_month.subscribes_to(event.event_type()) {
            by_month.project(&event).unwrap();
            by_carrier.project(&event).unwrap();
        }
    }
    let months = months(&mut by_month);
    assert_eq!(months, self::months(&mut by_carrier), "a split changes no row");
    let counts = timetable.counts();
    let figures = json!({
        "flights": counts.flights,
        "scheduled": counts.scheduled,
        "departed": counts.departed,
        "arrived": counts.arrived,
        "cancelled": counts.cancelled,
        "delayed": delayed,
        "knock_ons": knock_ons,
    });
    Handled { figures, months: json!(months) }
}

fn months<V: View<Row = Month>>(trial: &mut Trial<V>) -> BTreeMap<String, Month> {
    trial.rows().scan("").map(Result::unwrap).collect()
}

fn given(line: &str) -> Given {
    let event: Json = serde_json::from_str(line).unwrap();
    let text = |name: &str| event[name].as_str().unwrap();
    Given::json(text("type"), event["data"].to_string()).about(text("subject")).at(text("time")).id(text("id")).source(text("source"))
}

/// What the script computes; nothing on a machine without Python.
fn scripted(what: &[&str], csv: &Path) -> Option<Json> {
    let script = of_example("check/figures.py");
    let output = match Command::new("python3").arg(script).args(what).arg(csv).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("no python3 here: check/figures.py was not run");
            return None;
        }
        output => output.unwrap(),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
