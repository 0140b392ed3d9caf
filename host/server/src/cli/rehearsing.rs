//! What verbs that replay history have in common: where comparing begins, and how much it may use.

use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::address::query;

/// Percent of a processor's time, written `50` or `50%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub u8);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Percent, String> {
        match text.strip_suffix('%').unwrap_or(text).parse() {
            Ok(percent @ 1..=100) => Ok(Percent(percent)),
            _ => Err("use a percentage from 1% to 100%".to_owned()),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Rehearse {
    /// Then the module takes over if it can
    #[default]
    First,
    /// Nothing is changed
    Only,
    /// Nothing is compared
    Skip,
}

impl Rehearse {
    fn word(self) -> &'static str {
        match self {
            Rehearse::First => "first",
            Rehearse::Only => "only",
            Rehearse::Skip => "skip",
        }
    }
}

#[derive(Clone, Debug, Default, Args)]
pub struct Bounds {
    /// Compare from behind this position on
    #[arg(long, value_name = "POSITION", conflicts_with = "last")]
    since: Option<String>,
    /// Compare the last so many positions
    #[arg(long, value_name = "NUMBER")]
    last: Option<u64>,
    /// Compare one in so many subjects
    #[arg(long, value_name = "NUMBER")]
    sample: Option<u32>,
    /// How much of a processor's time it may take, such as 50% [default: what live work leaves]
    #[arg(long, value_name = "PERCENT")]
    budget: Option<Percent>,
}

/// How an upload is to be taken.
#[derive(Clone, Debug, Default)]
pub struct Asked<'a> {
    pub rehearse: Rehearse,
    pub expect_same: bool,
    pub backfill: bool,
    pub send: bool,
    pub bounds: Option<&'a Bounds>,
}

/// How long the host holds an answer back that may be short: what takes longer is watched from here.
pub const ANSWER_WITHIN: &str = "1s";

impl Asked<'_> {
    pub fn query(&self) -> String {
        let none = Bounds::default();
        let bounds = self.bounds.unwrap_or(&none);
        let (last, sample) = (bounds.last.map(|last| last.to_string()), bounds.sample.map(|sample| sample.to_string()));
        let budget = bounds.budget.map(|Percent(percent)| percent.to_string());
        query(&[
            ("rehearse", Some(self.rehearse.word())),
            ("expect-same", self.expect_same.then_some("true")),
            ("backfill", self.backfill.then_some("true")),
            ("send", self.send.then_some("true")),
            ("since", bounds.since.as_deref()),
            ("last", last.as_deref()),
            ("sample", sample.as_deref()),
            ("budget", budget.as_deref()),
            ("timeout", Some(ANSWER_WITHIN)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_percentage() {
        assert_eq!(("50%".parse(), "7".parse()), (Ok(Percent(50)), Ok(Percent(7))));
        for text in ["0", "101%", "half", "-1", ""] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_asked_for_stands_in_the_query() {
        assert_eq!(Asked::default().query(), "?rehearse=first&timeout=1s");
        let bounds = Bounds { since: Some("1.20".into()), last: None, sample: Some(10), budget: Some(Percent(50)) };
        let asked = Asked { rehearse: Rehearse::Only, expect_same: true, bounds: Some(&bounds), ..Asked::default() };
        assert_eq!(asked.query(), "?rehearse=only&expect-same=true&since=1.20&sample=10&budget=50&timeout=1s");
    }
}
