//! Everything that a handler may read, and what it may ask of an event.

use retold::prelude::*;
use retold::testing::{Given, Trial};
use retold::{Details, Function};

#[derive(Event, Deserialize)]
#[event("flight.departed")]
struct Departed<'a> {
    #[serde(rename = "tailnum")]
    tail_number: &'a str,
    #[serde(default)]
    delay: i32,
}

#[derive(Event, Deserialize)]
#[event("flight.arrived")]
struct Arrived {
    delay: i32,
}

#[derive(Event)]
enum Movement<'a> {
    Departed(Departed<'a>),
    Arrived(Arrived),
}

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event("seen")]
struct Seen {
    what: String,
    time: Timestamp,
    position: Position,
}

#[handler]
fn movements(movement: Recorded<Movement>) -> Result<Seen> {
    let what = match &*movement {
        Movement::Departed(it) => format!("{} departed {}", it.tail_number, it.delay),
        Movement::Arrived(it) => format!("arrived {}", it.delay),
    };
    Ok(Seen { what, time: movement.time(), position: movement.position() })
}

#[handler(subscribes("order.*", "flight.departed"))]
fn any(event: Recorded<Json>) -> Result<Seen> {
    Ok(Seen { what: format!("{} {} {}", event.event_type(), event.subject(), event["x"]), time: event.time(), position: event.position() })
}

#[handler(subscribes("scan.*"))]
fn bytes(event: Recorded<&[u8]>) -> Result<()> {
    info!("{} bytes", event.len());
    Ok(())
}

#[handler(subscribes("*"))]
fn details(event: Recorded<Json>) -> Result<()> {
    let Details { id, source, tags, extensions, .. } = event.details();
    warn!("{id} {source} {tags:?} {extensions:?}");
    Ok(())
}

#[test]
fn one_handler_reads_several_types_in_the_order_of_the_log() {
    let mut trial = Trial::<movements>::new();
    let departed = Given::json("flight.departed", r#"{"tailnum":"N1"}"#).at("2013-01-01T10:17:00Z");
    let arrived = Given::json("flight.arrived", r#"{"delay":5}"#).at("2013-01-01T14:00:00Z");
    let first: Seen = trial.give(&departed).unwrap()[0].read();
    let second: Seen = trial.give(&arrived).unwrap()[0].read();
    let seen = |what: &str, time: &str, position| Seen { what: what.to_owned(), time: time.parse().unwrap(), position: Position(position) };
    assert_eq!(first, seen("N1 departed 0", "2013-01-01T10:17:00Z", 1));
    assert_eq!(second, seen("arrived 5", "2013-01-01T14:00:00Z", 2));
    assert_eq!(movements::describe().subscribes, ["flight.departed", "flight.arrived"]);
}

#[test]
fn a_handler_with_patterns_reads_any_json() {
    let mut trial = Trial::<any>::new();
    assert_eq!(any::describe().subscribes, ["order.*", "flight.departed"]);
    assert!(!trial.subscribes_to("flight.arrived"));
    let given = Given::json("order.shipped", r#"{"x":[1]}"#).about("o/1");
    let seen: Seen = trial.give(&given).unwrap()[0].read();
    assert_eq!(seen.what, "order.shipped o/1 [1]");
}

#[test]
fn data_that_is_no_json_is_read_as_bytes() {
    let mut trial = Trial::<bytes>::new();
    let image = Given::json("scan.made", [0xff, 0xd8, 0xff]);
    assert_eq!(trial.give(&image).unwrap(), []);
    assert_eq!(trial.log(), ["info: 3 bytes"]);
}

#[test]
fn details_are_there_on_demand() {
    let mut trial = Trial::<details>::new();
    let given = Given::json("a", "1").id("7").source("/s").tag("t");
    trial.give(&given.extension("traceparent", "00")).unwrap();
    assert_eq!(trial.log(), [r#"warn: 7 /s ["t"] [("traceparent", "00")]"#]);
}

#[test]
fn data_that_does_not_fit_is_rejected_by_type_and_field() {
    let mut trial = Trial::<movements>::new();
    let given = Given::json("flight.arrived", r#"{"delay":"late"}"#);
    let error = trial.give(&given).unwrap_err();
    assert_eq!(error.kind(), retold::ErrorKind::Reject);
    assert_eq!(
        error.message(),
        r#"flight.arrived can't be read as Arrived: invalid type: string "late", expected i32 at line 1 column 15"#
    );
}

#[test]
fn data_that_is_no_text_is_rejected() {
    let given = Given::json("flight.arrived", *b"{\"delay\":\xff}");
    let error = Trial::<movements>::new().give(&given).unwrap_err();
    assert_eq!(error.message(), "flight.arrived can't be read as Arrived: invalid utf-8 sequence of 1 bytes from index 9");
}

#[test]
#[should_panic(expected = "movements subscribes to flight.departed, flight.arrived, not to order")]
fn a_trial_refuses_an_event_that_the_host_would_never_hand_over() {
    let _ = Trial::<movements>::new().give(&Given::json("order", "{}"));
}

#[derive(Event, Deserialize)]
#[event("boxed")]
struct Boxed<T> {
    inner: T,
}

#[handler]
fn boxed(event: Recorded<Boxed<Vec<Position>>>) -> Result<()> {
    info!("{:?}", event.inner);
    Ok(())
}

#[test]
fn an_event_may_have_type_parameters() {
    let mut trial = Trial::<boxed>::new();
    let given = Given::json("boxed", r#"{"inner":[4]}"#);
    trial.give(&given).unwrap();
    assert_eq!(trial.log(), ["info: [Position(4)]"]);
}
