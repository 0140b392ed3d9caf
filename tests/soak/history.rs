//! What clients know of a host, and the judgement of what is found in its log: Retold is a black box here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Events that one request was to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Ids of its events, in order.
    pub ids: Vec<String>,
    pub subject: String,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No answer yet, or none for ever: all of it may be there, or nothing.
    Unknown,
    /// The host said that these are their positions.
    Acknowledged(Vec<u64>),
    /// The host said that nothing of it was kept.
    Refused,
}

/// All that clients have asked of one log, in the order in which each of them asked.
#[derive(Default)]
pub struct History(Mutex<Vec<Request>>);

/// An event as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub position: u64,
    pub id: String,
    pub subject: String,
    pub made: Made,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// By a client.
    Source,
    /// By the handler, of the event at `cause`: the `count`th of its subject.
    Derived { cause: u64, count: u64 },
    /// By the host, about itself.
    Other,
}

/// What was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub acknowledged: u64,
    /// Of requests without an answer: events that are there.
    pub unknown_there: u64,
    pub unknown: u64,
    pub derived: u64,
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Vec<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before it is sent. Answers its number.
    pub fn invoke(&self, subject: &str, ids: Vec<String>) -> usize {
        let mut requests = self.lock();
        requests.push(Request { ids, subject: subject.to_owned(), outcome: Outcome::Unknown });
        requests.len() - 1
    }

    /// Once it is answered.
    pub fn answered(&self, request: usize, outcome: Outcome) {
        self.lock()[request].outcome = outcome;
    }

    /// As it is known at this moment.
    pub fn snapshot(&self) -> Vec<Request> {
        self.lock().clone()
    }
}

/// Everything that is wrong with a log, in words; nothing, if it keeps what was promised: positions without gaps,
/// what was acknowledged there once and where it was said to be, requests whole or not at all, nothing that nobody
/// sent, the order of each subject, and of each event that a client made one output, counted without a gap.
pub fn judge(history: &[Request], log: &[Found]) -> Result<Totals, Vec<String>> {
    let mut wrong = Vec::new();
    let mut totals = Totals::default();
    for (index, found) in log.iter().enumerate() {
        if found.position != index as u64 + 1 {
            wrong.push(format!("position {} comes as number {}", found.position, index + 1));
            break;
        }
    }
    let mut sources: BTreeMap<&str, &Found> = BTreeMap::new();
    for found in log.iter().filter(|found| found.made == Made::Source) {
        if let Some(before) = sources.insert(&found.id, found) {
            wrong.push(format!("{} is there twice, at {} and {}", found.id, before.position, found.position));
        }
    }
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut sent = 0;
    for request in history {
        let there: Vec<&Found> = request.ids.iter().filter_map(|id| sources.get(id.as_str()).copied()).collect();
        sent += there.len();
        let at: Vec<u64> = there.iter().map(|found| found.position).collect();
        if !at.is_empty() && there.len() < request.ids.len() {
            wrong.push(format!("of {:?} only {} of {} events are there", request.ids[0], there.len(), request.ids.len()));
        }
        match &request.outcome {
            Outcome::Acknowledged(positions) => {
                totals.acknowledged += positions.len() as u64;
                if *positions != at {
                    wrong.push(format!("{:?} was acknowledged at {positions:?} and is at {at:?}", request.ids));
                }
            }
            Outcome::Refused if !there.is_empty() => wrong.push(format!("{:?} was refused and is there", request.ids)),
            Outcome::Refused => {}
            Outcome::Unknown => {
                totals.unknown += request.ids.len() as u64;
                totals.unknown_there += there.len() as u64;
            }
        }
        for found in there {
            let before = last.insert(&request.subject, found.position).unwrap_or_default();
            if found.subject != request.subject || found.position <= before {
                wrong.push(format!("{} of {} is at {}, behind {before}", found.id, request.subject, found.position));
            }
        }
    }
    if sent != sources.len() {
        wrong.push(format!("{} events are there, of which {sent} were sent", sources.len()));
    }
    totals.derived = outputs(log, &mut wrong);
    if wrong.is_empty() { Ok(totals) } else { Err(wrong) }
}

/// Of each source event one output, in order. Answers how many.
fn outputs(log: &[Found], wrong: &mut Vec<String>) -> u64 {
    let mut causes: BTreeMap<u64, u64> = BTreeMap::new();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for found in log {
        let Made::Derived { cause, count } = found.made else { continue };
        if let Some(before) = causes.insert(cause, found.position) {
            wrong.push(format!("the event at {cause} has two outputs, at {before} and {}", found.position));
        }
        let so_far = counts.entry(&found.subject).or_default();
        *so_far += 1;
        if *so_far != count {
            wrong.push(format!("output {so_far} of {} says {count}", found.subject));
        }
    }
    let without = log.iter().filter(|found| found.made == Made::Source && !causes.contains_key(&found.position));
    wrong.extend(without.map(|found| format!("{} at {} has no output", found.id, found.position)));
    causes.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two requests of a subject, the first acknowledged, and outputs of all: a log with nothing wrong.
    fn whole() -> (Vec<Request>, Vec<Found>) {
        let request =
            |ids: &[&str], outcome| Request { ids: ids.iter().map(|id| (*id).to_owned()).collect(), subject: "s".to_owned(), outcome };
        let history = vec![
            request(&["a", "b"], Outcome::Acknowledged(vec![1, 2])),
            request(&["c", "d"], Outcome::Unknown),
            request(&["e"], Outcome::Unknown),
            request(&["f"], Outcome::Refused),
        ];
        let found = |position, id: &str, made| Found { position, id: id.to_owned(), subject: "s".to_owned(), made };
        let output = |position, cause, count| found(position, "o", Made::Derived { cause, count });
        let log = vec![
            found(1, "a", Made::Source),
            found(2, "b", Made::Source),
            output(3, 1, 1),
            output(4, 2, 2),
            found(5, "c", Made::Source),
            found(6, "d", Made::Source),
            output(7, 5, 3),
            output(8, 6, 4),
        ];
        (history, log)
    }

    #[track_caller]
    fn finds(what: &str, forge: impl FnOnce(&mut Vec<Request>, &mut Vec<Found>)) {
        let (mut history, mut log) = whole();
        forge(&mut history, &mut log);
        let wrong = judge(&history, &log).expect_err("it was forged");
        assert!(wrong.iter().any(|wrong| wrong.contains(what)), "{wrong:?}");
    }

    #[test]
    fn a_history_with_nothing_wrong_is_found_so() {
        let (history, log) = whole();
        assert_eq!(judge(&history, &log), Ok(Totals { acknowledged: 2, unknown_there: 2, unknown: 3, derived: 4 }));
    }

    #[test]
    fn every_forged_history_is_found_out() {
        finds("position 3 comes as number 2", |_, log| drop(log.remove(1)));
        finds("acknowledged at", |_, log| log.iter_mut().take(2).for_each(|found| found.made = Made::Other));
        finds("acknowledged at [1, 3]", |history, _| history[0].outcome = Outcome::Acknowledged(vec![1, 3]));
        finds("only 1 of 2", |_, log| log[5].made = Made::Other);
        finds("c is there twice", |_, log| log[5].id = "c".to_owned());
        finds("of which 4 were sent", |_, log| {
            log.push(Found { position: 9, id: "x".to_owned(), ..log[0].clone() });
            log.push(Found { position: 10, made: Made::Derived { cause: 9, count: 5 }, ..log[2].clone() });
        });
        finds("was refused and is there", |history, _| history[1].outcome = Outcome::Refused);
        finds("behind", |history, _| history.swap(0, 1));
        finds("has two outputs", |_, log| log[7].made = Made::Derived { cause: 5, count: 4 });
        finds("has no output", |_, log| drop(log.pop()));
        finds("output 4 of s says 5", |_, log| log[7].made = Made::Derived { cause: 6, count: 5 });
    }
}
