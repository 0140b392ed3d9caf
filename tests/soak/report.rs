//! What a run found: a line that a page can carry, and everything that was wrong.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::history::Totals;
use crate::time::started;

/// Of these so many are shown; more say the same.
const SHOWN_MAX: usize = 20;

pub struct Report {
    verb: &'static str,
    seed: u64,
    began: Instant,
    counts: BTreeMap<&'static str, u64>,
    wrong: Vec<String>,
}

impl Report {
    pub fn of(verb: &'static str, seed: u64) -> Report {
        println!("{verb} with seed {seed}");
        Report { verb, seed, began: started(), counts: BTreeMap::new(), wrong: Vec::new() }
    }

    pub fn count(&mut self, what: &'static str, more: u64) {
        *self.counts.entry(what).or_default() += more;
    }

    pub fn wrong(&mut self, when: &str, what: impl IntoIterator<Item = String>) {
        for what in what {
            if self.wrong.len() < SHOWN_MAX {
                eprintln!("WRONG, {when}: {what}");
            }
            self.wrong.push(what);
        }
    }

    /// What a judgement came to. A log is judged again and again: what it holds is counted when it is left.
    pub fn judged(&mut self, when: &str, judged: Result<Totals, Vec<String>>) -> Totals {
        self.count("judgements", 1);
        judged.unwrap_or_else(|wrong| {
            self.wrong(when, wrong);
            Totals::default()
        })
    }

    /// Of a log that is left.
    pub fn left(&mut self, totals: Totals) {
        self.count("events acknowledged", totals.acknowledged);
        self.count("events without an answer", totals.unknown);
        self.count("of these there", totals.unknown_there);
        self.count("outputs", totals.derived);
    }

    /// Prints the line; true if nothing was wrong.
    pub fn end(&self) -> bool {
        let counts: Vec<String> = self.counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
        let seconds = self.began.elapsed().as_secs();
        println!("{}: seed {}, {seconds} s, {}, wrong {}", self.verb, self.seed, counts.join(", "), self.wrong.len());
        self.wrong.is_empty()
    }
}
