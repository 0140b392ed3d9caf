//! `faulty-account`: an aggregate that misbehaves on request, in deciding and in evolving.

use std::sync::atomic::{AtomicU64, Ordering};

use retold::prelude::*;

use crate::harm::{eat_memory, run_for_ever};

/// What `test.decide` can ask for in `do`; with `in: "evolve"` the event that it answers does it.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Answers one event.
    Ok,
    /// Panics.
    Trap,
    /// Never returns.
    Loop,
    /// Allocates until there is no more.
    Memory,
    /// Refuses the command, with data; in evolve: rejects the event.
    Refuse,
    /// Answers `count` (10,000) events.
    Flood,
    /// Answers an event that the manifest doesn't have.
    Undeclared,
    /// Answers an event about another subject.
    Elsewhere,
    /// Answers an event whose data is no JSON, though it says so.
    BadJson,
    /// In evolve: grows the state by `bytes` (2 MiB).
    Grow,
    /// Answers how often this instance was asked so: takes memory for state. In evolve: keeps it.
    Remember,
}

#[derive(Command, Serialize, Deserialize)]
#[command("test.decide")]
pub struct Decide {
    #[serde(rename = "do")]
    pub what: What,
    #[serde(default, rename = "in")]
    pub place: Place,
    pub count: Option<u64>,
}

#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    #[default]
    Decide,
    Evolve,
}

#[derive(Event, Serialize, Deserialize)]
#[event("test.decided")]
pub struct Decided {
    #[serde(rename = "do")]
    pub what: What,
    /// A count or a size, where there is one to tell.
    pub n: Option<u64>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultyAccount {
    /// Events so far.
    pub n: u64,
    pub ballast: String,
    /// Takes memory for state: not the same on every host.
    pub remembered: u64,
}

#[aggregate]
impl FaultyAccount {
    #[decide]
    fn decide(&self, command: Received<Decide>) -> Result<(Vec<Decided>, retold::__private::Unchecked), Rejection> {
        let Decide { what, place, count } = command.into_data();
        let one = |n| Ok((vec![Decided { what, n }], Default::default()));
        if place == Place::Evolve {
            return one(count);
        }
        match what {
            What::Ok | What::Grow => one(Some(self.n)),
            What::Trap => panic!("told to trap in decide"),
            What::Loop => run_for_ever(),
            What::Memory => eat_memory(),
            What::Refuse => Err(Rejection::new("told", "told to refuse").with(&self.n)),
            What::Flood => {
                let events = (0..count.unwrap_or(10_000)).map(|n| Decided { what: What::Ok, n: Some(n) });
                Ok((events.collect(), Default::default()))
            }
            What::Undeclared => Ok(crate::harm::unchecked("test.undeclared", "account/1", b"1")),
            What::Elsewhere => Ok(crate::harm::unchecked("test.decided", "account/elsewhere", br#"{"do":"ok","n":null}"#)),
            What::BadJson => Ok(crate::harm::unchecked("test.decided", "account/1", b"{\"broken\":")),
            What::Remember => one(Some(remember())),
        }
    }

    #[evolve]
    fn decided(&mut self, event: Recorded<Decided>) -> Result<()> {
        self.n += 1;
        match event.what {
            What::Trap => panic!("told to trap in evolve"),
            What::Loop => run_for_ever(),
            What::Memory => eat_memory(),
            What::Refuse => return Err(Error::reject("told to reject in evolve")),
            What::Grow => self.ballast.push_str(&"x".repeat(event.n.map_or(2 << 20, |bytes| bytes as usize))),
            What::Remember => self.remembered = remember(),
            What::Ok | What::Flood | What::Undeclared | What::Elsewhere | What::BadJson => {}
        }
        Ok(())
    }
}

fn remember() -> u64 {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    ASKED.fetch_add(1, Ordering::Relaxed) + 1
}

#[cfg(test)]
mod tests {
    use retold::testing::{Trial, When};

    use super::*;

    fn told(data: &str) -> Result<usize, Rejection> {
        let mut trial = Trial::<FaultyAccount>::new();
        trial.when(&When::json("test.decide", data).to("account/1")).map(|events| events.len())
    }

    #[test]
    fn each_fault_is_what_it_says() {
        assert_eq!(told(r#"{"do":"ok"}"#), Ok(1));
        assert_eq!(told(r#"{"do":"flood","count":7}"#), Ok(7));
        assert_eq!(told(r#"{"do":"refuse"}"#).unwrap_err().code(), "told");
        assert_eq!(told(r#"{"do":"refuse","in":"evolve"}"#).unwrap_err().message(), "told to reject in evolve");
    }

    #[test]
    fn a_state_grows_as_told() {
        let mut trial = Trial::<FaultyAccount>::new();
        trial.when(&When::json("test.decide", r#"{"do":"grow","in":"evolve","count":9}"#).to("account/1")).unwrap();
        assert_eq!(trial.aggregate("account/1").ballast.len(), 9);
    }
}
