//! `misbehave`: does what the event says, one bad thing each.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use retold::__private::{Output, Unchecked, handler::retold::module as host, wire};
use retold::Input;
use retold::prelude::*;

/// What `test.do` can ask for in `do`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Emits `test.done` with the data of the event.
    Ok,
    /// Panics.
    Trap,
    /// Never returns.
    Loop,
    /// Allocates until there is no more.
    Memory,
    /// Calls itself for ever.
    DeepRecursion,
    /// Emits `count` (10,000) times `test.done`.
    Flood,
    /// Emits one `test.done` with a string of `bytes` (2 MiB).
    BigOutput,
    /// Emits `test.undeclared`, which the manifest doesn't have.
    Undeclared,
    /// Emits `test.done` caused by an event outside the batch.
    BadCause,
    /// Emits `test.done` with data that is no JSON, though it says so.
    BadJson,
    /// Writes state on behalf of an event outside the batch.
    BadStateIndex,
    /// Asks for details of an event outside the batch.
    BadDetails,
    /// Writes `count` (100,000) keys of `bytes` (100) each.
    StateFlood,
    /// Fails with `retry`.
    Retry,
    /// Fails with `reject`.
    Reject,
    /// Writes `count` (1) lines of `bytes` (10) into the log, then does as `ok`.
    Log,
    /// Emits how often this instance was asked so: takes memory for state.
    Remember,
}

#[derive(Event, Deserialize)]
#[event("test.do")]
pub struct Request {
    #[serde(rename = "do")]
    what: What,
    count: Option<usize>,
    bytes: Option<usize>,
}

#[derive(Event, Serialize)]
#[event("test.done")]
#[serde(transparent)]
pub struct Done(Json);

#[handler(subscribes("test.do"), start = "beginning")]
pub fn misbehave(event: Recorded<&[u8]>, state: &mut State<String>) -> Result<(Vec<Done>, Unchecked)> {
    let Request { what, count, bytes } = Request::decode(event.event_type(), (*event).into())?;
    let data = Json::decode(event.event_type(), (*event).into())?;
    let mut emitted = Vec::new();
    let mut unchecked = Vec::new();
    match what {
        What::Ok => emitted.push(Done(data)),
        What::Trap => panic!("told to trap at {}", event.position()),
        What::Loop => run_for_ever(),
        What::Memory => eat_memory(),
        What::DeepRecursion => emitted.push(Done(recurse(1).into())),
        What::Flood => {
            let count = count.unwrap_or(10_000);
            emitted.extend((0..count).map(|_| Done(data.clone())));
        }
        What::BigOutput => emitted.push(Done("x".repeat(bytes.unwrap_or(2 << 20)).into())),
        What::Undeclared => unchecked.push((None, new_event("test.undeclared", &event, b"1"))),
        What::BadCause => {
            unchecked.push((Some(1_000_000), new_event("test.done", &event, b"1")));
        }
        What::BadJson => unchecked.push((None, new_event("test.done", &event, b"{\"broken\":"))),
        What::BadStateIndex => host::state::put(1_000_000, "key", b"1"),
        What::BadDetails => drop(host::context::details(u64::MAX)),
        What::StateFlood => {
            for n in 0..count.unwrap_or(100_000) {
                state.put(&format!("key-{n}"), &"x".repeat(bytes.unwrap_or(100)))?;
            }
        }
        What::Retry => return Err(Error::retry("told to retry")),
        What::Reject => return Err(Error::reject("told to reject")),
        What::Log => {
            for _ in 0..count.unwrap_or(1) {
                info!("{}", "x".repeat(bytes.unwrap_or(10)));
            }
            emitted.push(Done(data));
        }
        What::Remember => emitted.push(Done(remember().into())),
    }
    Ok((emitted, Unchecked(unchecked)))
}

fn new_event(event_type: &str, cause: &Recorded<&[u8]>, data: &[u8]) -> Output {
    Output::Emit(wire::NewEvent {
        type_: event_type.to_owned(),
        subject: cause.subject().to_owned(),
        tags: Vec::new(),
        content_type: None,
        data: data.to_owned(),
        key: None,
        time: None,
    })
}

fn run_for_ever() {
    let mut n = 0_u64;
    while black_box(true) {
        n = black_box(n).wrapping_add(1);
    }
}

/// A mebibyte at a time, written to so that it counts. Where no more is given Rust aborts: a trap.
fn eat_memory() {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    while black_box(true) {
        eaten.push(black_box(vec![1; 1 << 20]));
    }
}

/// No tail call: the compiler can't make a loop of it.
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    let below = if black_box(true) { recurse(depth + 1) } else { 0 };
    below + black_box(frame)[0]
}

fn remember() -> u64 {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    ASKED.fetch_add(1, Ordering::Relaxed) + 1
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Output, Trial};

    use super::*;

    fn told(data: &str) -> Result<Vec<Output>> {
        Trial::<misbehave>::new().give(&Given::json("test.do", data).about("a"))
    }

    #[test]
    fn ok_echoes_the_data() {
        let outputs = told(r#"{"do":"ok","n":1}"#).unwrap();
        assert_eq!(outputs.len(), 1);
        assert_eq!(outputs[0].event_type, "test.done");
        assert_eq!(outputs[0].json(), r#"{"do":"ok","n":1}"#);
    }

    #[test]
    fn each_fault_is_what_it_says() {
        assert_eq!(told(r#"{"do":"flood","count":7}"#).unwrap().len(), 7);
        assert_eq!(told(r#"{"do":"big_output"}"#).unwrap()[0].data.len(), (2 << 20) + 2);
        let undeclared = told(r#"{"do":"undeclared"}"#).unwrap();
        assert_eq!(undeclared[0].event_type, "test.undeclared");
        let retry = told(r#"{"do":"retry"}"#).unwrap_err();
        assert_eq!(retry, Error::retry("told to retry"));
        let reject = told(r#"{"do":"reject"}"#).unwrap_err();
        assert_eq!(reject, Error::reject("told to reject"));
    }

    #[test]
    #[should_panic(expected = "told to trap at 1")]
    fn a_trap_is_a_panic() {
        let _ = told(r#"{"do":"trap"}"#);
    }

    #[test]
    fn an_unknown_request_is_rejected_with_the_known_ones() {
        let error = told(r#"{"do":"sing"}"#).unwrap_err();
        assert!(error.message().contains("unknown variant `sing`"), "{error}");
    }
}
