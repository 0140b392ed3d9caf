//! `faulty-rows`: a view that misbehaves on request, and queries that do.

use std::sync::atomic::{AtomicU64, Ordering};

use retold::__private::handler::retold::module as host;
use retold::prelude::*;

use crate::harm::{eat_memory, run_for_ever};

/// What `test.show` can ask for in `do`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Counts the events of this subject, under the subject.
    Ok,
    /// Writes a row and panics: nothing may be left of it.
    Trap,
    /// Never returns.
    Loop,
    /// Allocates until there is no more.
    Memory,
    /// Writes a row and rejects the event: nothing may be left of it.
    Reject,
    /// Writes `count` (100,000) rows of `bytes` (100) each.
    Flood,
    /// Writes a row that is no JSON.
    BadJson,
    /// Writes on behalf of an event outside the batch.
    BadIndex,
    /// Writes how often this instance was asked so: takes memory for state.
    Remember,
}

#[derive(Event, Deserialize)]
#[event("test.show")]
pub struct Show {
    #[serde(rename = "do")]
    what: What,
    count: Option<usize>,
    bytes: Option<usize>,
}

#[view]
pub fn faulty_rows(event: Recorded<Show>, rows: &mut Rows<Json>) -> Result<()> {
    let key = event.subject();
    match event.what {
        What::Ok => {
            let count = rows.get(key)?.and_then(|row| row.as_u64()).unwrap_or(0);
            rows.put(key, &(count + 1).into())
        }
        What::Trap => {
            rows.put(key, &"half done".into())?;
            panic!("told to trap in project")
        }
        What::Loop => run_for_ever(),
        What::Memory => eat_memory(),
        What::Reject => {
            rows.put(key, &"half done".into())?;
            Err(Error::reject("told to reject in project"))
        }
        What::Flood => {
            let row = Json::from("x".repeat(event.bytes.unwrap_or(100)));
            (0..event.count.unwrap_or(100_000)).try_for_each(|n| rows.put(&format!("row-{n}"), &row))
        }
        What::BadJson => {
            host::state::put(0, key, b"{\"broken\":");
            Ok(())
        }
        What::BadIndex => {
            host::state::put(1_000_000, key, b"1");
            Ok(())
        }
        What::Remember => rows.put(key, &remember().into()),
    }
}

fn remember() -> u64 {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    ASKED.fetch_add(1, Ordering::Relaxed) + 1
}

/// What `misbehave-in-query` can be asked for.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Answers with the number of rows.
    Count,
    Trap,
    Loop,
    Memory,
    Refuse,
    /// Answers with 64 MiB.
    Flood,
    /// Writes a row, which no query may.
    Write,
}

#[query(view = faulty_rows, name = "misbehave")]
pub fn misbehave_in_query(question: Question, rows: &Rows<Json>) -> Result<Json, Rejection> {
    match question {
        Question::Count => Ok(rows.scan("").count().into()),
        Question::Trap => panic!("told to trap in a query"),
        Question::Loop => run_for_ever(),
        Question::Memory => eat_memory(),
        Question::Refuse => Err(Rejection::new("told", "told to refuse").with(&7)),
        Question::Flood => Ok("x".repeat(64 << 20).into()),
        Question::Write => {
            host::state::put(0, "written-by-a-query", b"1");
            Ok("written".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn a_rejected_event_leaves_no_row() {
        let mut trial = Trial::<faulty_rows>::new();
        let mut show = |what: &str| trial.project(&Given::json("test.show", format!(r#"{{"do":"{what}"}}"#)).about("a"));
        show("ok").unwrap();
        show("ok").unwrap();
        assert!(show("reject").is_err());
        assert_eq!(trial.row("a"), Some(2.into()));
        assert_eq!(trial.ask::<misbehave_in_query>(&"count").unwrap(), 1);
        assert_eq!(trial.ask::<misbehave_in_query>(&"refuse").unwrap_err().code(), "told");
    }
}
