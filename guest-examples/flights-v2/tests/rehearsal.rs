//! Version 2 over a day that version 1 has handled, held against the figures that
//! `flights/check/figures.py` computes from the CSV itself.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use flights_convert::Timetable;
use retold::testing::{Given, Trial};
use retold::{Handler, Json};
use serde_json::json;

#[test]
fn the_day_is_rehearsed_as_the_script_computed() {
    let events: Vec<Given> = Timetable::open(&of_flights("data/2013-01-01.csv")).unwrap().lines().map(|line| given(&line)).collect();
    let rehearsed = json!({
        "delays": rehearsed::<flights::delays::delays, flights_v2::delays::delays>(&events),
        "knock-on": rehearsed::<flights::knock_on::knock_on, flights_v2::knock_on::knock_on>(&events),
    });
    assert_eq!(rehearsed, committed());
}

#[test]
fn the_script_still_computes_the_committed_rehearsal() {
    if let Some(rehearsal) = scripted() {
        assert_eq!(rehearsal, committed());
    }
}

/// How the candidate's outputs compare with those of the running version, over the same events.
fn rehearsed<Running: Handler, Candidate: Handler>(events: &[Given]) -> Json {
    let (read, recorded) = outputs::<Running>(events);
    let (_, found) = outputs::<Candidate>(events);
    let in_both = || recorded.iter().filter_map(|(name, data)| Some((data, found.get(name)?)));
    let equal = in_both().filter(|(recorded, found)| recorded == found).count();
    let both = in_both().count();
    json!({
        "events": read,
        "equal": equal,
        "new": found.len() - both,
        "missing": recorded.len() - both,
        "different": both - equal,
    })
}

/// The number of events that a handler reads, and the data of its outputs, by what their ids are made
/// of: cause, type and subject.
fn outputs<H: Handler>(events: &[Given]) -> (usize, BTreeMap<(usize, String, String), String>) {
    let mut trial = Trial::<H>::new();
    let (mut read, mut outputs) = (0, BTreeMap::new());
    for (cause, event) in events.iter().enumerate() {
        if !trial.subscribes_to(event.event_type()) {
            continue;
        }
        read += 1;
        for output in trial.give(event).unwrap() {
            let data = output.json().to_owned();
            assert_eq!(outputs.insert((cause, output.event_type, output.subject), data), None, "two outputs of one name");
        }
    }
    (read, outputs)
}

fn of_flights(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../flights").join(path)
}

fn given(line: &str) -> Given {
    let event: Json = serde_json::from_str(line).unwrap();
    let text = |name: &str| event[name].as_str().unwrap();
    Given::json(text("type"), event["data"].to_string()).about(text("subject")).at(text("time")).id(text("id")).source(text("source"))
}

fn committed() -> Json {
    let committed = std::fs::read_to_string(of_flights("data/2013-01-01.rehearsal.json")).unwrap();
    serde_json::from_str(&committed).unwrap()
}

/// What the script computes; nothing on a machine without Python.
fn scripted() -> Option<Json> {
    let (script, day) = (of_flights("check/figures.py"), of_flights("data/2013-01-01.csv"));
    let output = match Command::new("python3").arg(script).args(["--rehearse", "30"]).arg(day).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("no python3 here: check/figures.py was not run");
            return None;
        }
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
