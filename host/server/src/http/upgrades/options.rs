//! How an upload asks to be rehearsed, from the query string.

use std::time::Duration;

use super::super::cursor::Lineage;
use super::super::parameters::{DEPLOY_SECONDS_DEFAULT, WAIT_SECONDS_MAX};
use super::super::problem::Problem;
use super::super::query::Query;
use crate::drive::{DeployOptions, Rehearse, ReplayOptions};

/// What is asked for; `default` is the word for `rehearse` where none is given.
pub fn options(query: &Query<'_>, lineage: &impl Lineage, default: Rehearse) -> Result<DeployOptions, Problem> {
    let rehearse = match query.text("rehearse")?.as_deref() {
        None => default,
        Some("first") => Rehearse::First,
        Some("only") => Rehearse::Only,
        Some("skip") => Rehearse::Skip,
        Some(other) => return Err(Problem::parameter("rehearse", format!("is {other:?}: use first, only or skip"))),
    };
    let options = DeployOptions {
        rehearse,
        expect_same: query.flag("expect-same")?,
        backfill: query.flag("backfill")?,
        send: query.flag("send")?,
        replay: replay(query, lineage)?,
        wait: query.duration("timeout", Duration::from_secs(WAIT_SECONDS_MAX))?.unwrap_or(Duration::from_secs(DEPLOY_SECONDS_DEFAULT)),
    };
    fitting(&options)?;
    Ok(options)
}

fn replay(query: &Query<'_>, lineage: &impl Lineage) -> Result<ReplayOptions, Problem> {
    let options = ReplayOptions {
        since: query.position("since", lineage)?,
        last: query.number("last", u64::MAX)?,
        sample: query.number("sample", u32::MAX.into())?.map(|sample| sample as u32),
        budget_percent: query.number("budget", 100)?.map(|percent| percent as u8),
    };
    if options.since.is_some() && options.last.is_some() {
        return Err(Problem::parameter("last", "stands beside since: both say where comparing begins; give one"));
    }
    Ok(options)
}

/// What is asked for together must make sense together.
fn fitting(options: &DeployOptions) -> Result<(), Problem> {
    let skipped = options.rehearse == Rehearse::Skip;
    let ReplayOptions { since, last, sample, .. } = options.replay;
    let bounds = [("since", since.is_some()), ("last", last.is_some()), ("sample", sample.is_some()), ("expect-same", options.expect_same)];
    if let Some((name, _)) = bounds.into_iter().find(|(_, given)| skipped && *given) {
        return Err(Problem::parameter(name, "is for a rehearsal, and there is none: say rehearse=first, or leave it out"));
    }
    let acts = [("backfill", options.backfill, "appends events"), ("send", options.send, "has functions act")];
    if let Some((name, _, what)) = acts.into_iter().find(|(_, given, _)| *given && options.rehearse == Rehearse::Only) {
        return Err(Problem::parameter(name, format!("{what}, and rehearse=only changes nothing: leave one of them out")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use retold_engine::model::Position;

    use super::super::super::cursor::tests::Third;
    use super::super::super::parameters::DEPLOY_PARAMETERS;
    use super::*;

    fn read(text: &str) -> Result<DeployOptions, Problem> {
        options(&Query::read(text, DEPLOY_PARAMETERS)?, &Third, Rehearse::First)
    }

    #[test]
    fn an_upload_is_rehearsed_first_unless_told_otherwise() {
        let options = read("").expect("options");
        assert_eq!(options, DeployOptions { wait: Duration::from_secs(30), ..DeployOptions::default() });
        let options = read("rehearse=only&expect-same=true&since=3.120&sample=10&budget=50&timeout=10s").expect("options");
        let replay = ReplayOptions { since: Some(Position(120)), last: None, sample: Some(10), budget_percent: Some(50) };
        assert_eq!((options.rehearse, options.expect_same, options.replay), (Rehearse::Only, true, replay));
        assert_eq!(options.wait, Duration::from_secs(10));
        assert_eq!(read("since=1.1200").expect("options").replay.since, Some(Position(120)), "an earlier generation's");
        let options = read("rehearse=skip&backfill=true&last=1000000");
        assert!(options.is_err_and(|problem| problem.detail.contains("`last` is for a rehearsal")));
    }

    #[test]
    fn what_makes_no_sense_together_is_refused_and_the_parameter_named() {
        for (text, says) in [
            ("rehearse=maybe", "first, only or skip"),
            ("since=1&last=2", "give one"),
            ("rehearse=skip&expect-same=true", "`expect-same` is for a rehearsal"),
            ("rehearse=skip&sample=2", "`sample`"),
            ("rehearse=only&backfill=true", "`backfill` appends"),
            ("rehearse=only&send=true", "`send` has functions act"),
            ("budget=0", "1 to 100"),
            ("budget=101", "1 to 100"),
            ("expect-same=yes", "true or false"),
            ("timeout=301s", "at most 300s"),
        ] {
            assert!(read(text).is_err_and(|problem| problem.detail.contains(says)), "{text}");
        }
    }
}
