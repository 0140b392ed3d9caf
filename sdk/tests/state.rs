//! A handler's state, natively.

use retold::prelude::*;
use retold::testing::{Given, Trial};

#[derive(Event, Deserialize)]
#[event("stock.moved")]
struct Moved {
    item: String,
    by: i64,
}

#[derive(Event, Serialize)]
#[event("stock.listed")]
struct Listed {
    items: Vec<(String, i64)>,
}

/// Keeps the stock of each item, and lists what there is of those whose name begins alike.
#[handler]
fn stock(moved: Recorded<Moved>, stock: &mut State<i64>) -> Result<Listed> {
    let left = stock.get(&moved.item)?.unwrap_or(0) + moved.by;
    match left {
        0 => stock.delete(&moved.item),
        _ => stock.put(&moved.item, &left)?,
    }
    if left < 0 {
        return Err(Error::retry(format!("{} is out of stock", moved.item)));
    }
    let prefix = &moved.item[..1];
    let items = stock.scan(prefix).collect::<Result<_>>()?;
    Ok(Listed { items })
}

fn moved(item: &str, by: i64) -> Given {
    let data = format!(r#"{{"item":"{item}","by":{by}}}"#);
    Given::json("stock.moved", data)
}

#[test]
fn state_is_kept_between_events_and_listed_in_key_order() {
    let mut trial = Trial::<stock>::new();
    for (item, by) in [("pear", 2), ("fig", 9), ("apple", 1), ("plum", 4)] {
        trial.give(&moved(item, by)).unwrap();
    }
    let outputs = trial.give(&moved("peach", 1)).unwrap();
    assert_eq!(outputs[0].json(), r#"{"items":[["peach",1],["pear",2],["plum",4]]}"#);
    let outputs = trial.give(&moved("pear", -2)).unwrap();
    assert_eq!(outputs[0].json(), r#"{"items":[["peach",1],["plum",4]]}"#);
}

#[test]
fn a_failed_event_leaves_the_state_as_it_was() {
    let mut trial = Trial::<stock>::new();
    trial.give(&moved("fig", 3)).unwrap();
    let error = trial.give(&moved("fig", -4)).unwrap_err();
    assert_eq!(error, Error::retry("fig is out of stock"));
    assert_eq!(trial.state::<i64>().get("fig"), Ok(Some(3)));
    assert!(trial.give(&moved("kiwi", -1)).is_err());
    assert_eq!(trial.state::<i64>().get("kiwi"), Ok(None));
}

#[test]
fn a_scan_goes_on_beyond_the_first_page() {
    let mut trial = Trial::<stock>::new();
    for n in 0..250 {
        trial.state().put(&format!("n{n:03}"), &i64::from(n)).unwrap();
    }
    trial.state().put("o", &-1).unwrap();
    let state = trial.state::<i64>();
    let found: Vec<_> = state.scan("n").map(Result::unwrap).collect();
    assert_eq!(found.len(), 250);
    assert!(found.is_sorted());
}

#[test]
fn state_of_another_shape_is_rejected_by_its_key() {
    let mut trial = Trial::<stock>::new();
    trial.state().put("fig", &"three".to_owned()).unwrap();
    let error = trial.give(&moved("fig", 1)).unwrap_err();
    assert_eq!(error.message(), r#"state "fig" can't be read as i64: invalid type: string "three", expected i64 at line 1 column 7"#);
}
