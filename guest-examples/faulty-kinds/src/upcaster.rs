//! `faulty-upcaster`: turns `test.old` into `test.new`, and misbehaves on request.

use retold::__private::Unchecked;
use retold::prelude::*;

use crate::harm::{eat_memory, run_for_ever, unchecked};

/// What `test.old` can ask for in `do`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Becomes one `test.new`.
    Ok,
    /// Becomes nothing.
    None,
    /// Becomes `count` (2) `test.new`.
    Several,
    /// Panics.
    Trap,
    /// Never returns.
    Loop,
    /// Allocates until there is no more.
    Memory,
    /// Rejects the event.
    Reject,
    /// Becomes an event that the manifest doesn't have.
    Undeclared,
    /// Becomes an event about another subject.
    Elsewhere,
    /// Becomes an event whose data is no JSON, though it says so.
    BadJson,
}

#[derive(Event, Deserialize)]
#[event("test.old")]
pub struct Old {
    #[serde(rename = "do")]
    what: What,
    count: Option<u32>,
}

#[derive(Event, Serialize, Deserialize)]
#[event("test.new")]
pub struct New {
    /// Place among the parts of one event.
    pub n: u32,
}

#[upcaster]
pub fn faulty_upcaster(old: Recorded<Old>) -> Result<(Vec<New>, Unchecked)> {
    let parts = |count| Ok(((0..count).map(|n| New { n }).collect(), Unchecked::default()));
    match old.what {
        What::Ok => parts(1),
        What::None => parts(0),
        What::Several => parts(old.count.unwrap_or(2)),
        What::Trap => panic!("told to trap in upcast"),
        What::Loop => run_for_ever(),
        What::Memory => eat_memory(),
        What::Reject => Err(Error::reject("told to reject in upcast")),
        What::Undeclared => Ok(unchecked("test.undeclared", old.subject(), b"1")),
        What::Elsewhere => Ok(unchecked("test.new", "elsewhere", br#"{"n":0}"#)),
        What::BadJson => Ok(unchecked("test.new", old.subject(), b"{\"broken\":")),
    }
}

/// Reads what became of the old events: `test.seen` for each part.
#[derive(Event, Serialize)]
#[event("test.seen")]
pub struct Seen {
    n: u32,
}

#[handler(name = "new-reader", start = "beginning")]
pub fn new_reader(event: Recorded<New>) -> Result<Seen> {
    Ok(Seen { n: event.n })
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn an_old_event_becomes_what_it_asks_for() {
        let mut trial = Trial::<faulty_upcaster>::new();
        let mut parts = |data: &str| trial.upcast(&Given::json("test.old", data).about("a")).map(|parts| parts.len());
        assert_eq!(parts(r#"{"do":"ok"}"#), Ok(1));
        assert_eq!(parts(r#"{"do":"none"}"#), Ok(0));
        assert_eq!(parts(r#"{"do":"several","count":3}"#), Ok(3));
        assert_eq!(parts(r#"{"do":"reject"}"#), Err(Error::reject("told to reject in upcast")));
    }
}
