//! Pending timers, by when they are due or by their keys, and schedules.

use http::StatusCode;
use retold_engine::model::{Missed, Timestamp};
use serde::Serialize;

use super::admin::known;
use super::body::json;
use super::call::{Answer, Call};
use super::parameters::{TIMERS_DEFAULT, TIMERS_MAX};
use super::problem::Problem;
use super::timestamps::timestamp_text;
use crate::drive::{Namespace, ScheduleInfo, TimerInfo, TimerInfoPage, TimerPlace};

#[derive(Serialize)]
struct TimerAnswer {
    function: String,
    key: String,
    due: String,
    r#type: String,
    subject: String,
    position: String,
}

#[derive(Serialize)]
struct TimersAnswer {
    timers: Vec<TimerAnswer>,
    /// Where the next page begins; `null`: this was all.
    next: Option<String>,
    /// On all pages.
    total: u64,
}

#[derive(Serialize)]
struct ScheduleAnswer {
    function: String,
    key: String,
    cron: String,
    time_zone: String,
    r#type: String,
    /// `all`, `latest` or `skip`.
    missed: &'static str,
    next: Option<String>,
}

#[derive(Serialize)]
struct SchedulesAnswer {
    schedules: Vec<ScheduleAnswer>,
}

impl From<TimerInfo> for TimerAnswer {
    fn from(TimerInfo { function, key, due, r#type, subject, position }: TimerInfo) -> TimerAnswer {
        TimerAnswer { function, key, due: timestamp_text(due), r#type, subject, position: position.to_string() }
    }
}

impl From<ScheduleInfo> for ScheduleAnswer {
    fn from(ScheduleInfo { function, key, cron, time_zone, r#type, missed, next }: ScheduleInfo) -> ScheduleAnswer {
        ScheduleAnswer {
            function,
            key,
            cron,
            time_zone,
            r#type,
            missed: match missed {
                Missed::All => "all",
                Missed::Latest => "latest",
                Missed::Skip => "skip",
            },
            next: next.map(timestamp_text),
        }
    }
}

pub async fn list_timers(call: Box<Call>) -> Answer {
    let query = call.query()?;
    let namespace = call.namespace()?;
    let function = query.text("function")?.map(|name| name.into_owned());
    let after = query.text("after")?.map(|place| place.into_owned());
    let limit = query.number("limit", TIMERS_MAX)?.unwrap_or(TIMERS_DEFAULT) as usize;
    if let Some(function) = &function {
        known(&namespace, function)?;
    }
    let place = match (&function, &after) {
        (None, Some(text)) => Some(parse_place(text)?),
        _ => None,
    };
    // Entries of the log are read: not on a thread of the runtime.
    let answer = tokio::task::spawn_blocking(move || answered(&namespace, function, after, place, limit)).await;
    let answer = answer.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
    Ok(json(StatusCode::OK, &answer))
}

fn answered(
    namespace: &Namespace,
    function: Option<String>,
    after: Option<String>,
    place: Option<TimerPlace>,
    limit: usize,
) -> Result<TimersAnswer, Problem> {
    let TimerInfoPage { timers, more, total } = match &function {
        Some(function) => namespace.timers_of(function, after.as_deref().unwrap_or_default(), limit)?,
        None => namespace.timers_by_due(place.as_ref(), limit)?,
    };
    let next = timers.last().filter(|_| more).map(|last| match &function {
        Some(_) => last.key.clone(),
        None => place_text(last),
    });
    Ok(TimersAnswer { timers: timers.into_iter().map(TimerAnswer::from).collect(), next, total })
}

fn place_text(timer: &TimerInfo) -> String {
    format!("{}.{}.{}", timer.due.0, timer.function, timer.key)
}

/// Names of functions hold no dot, keys may.
fn parse_place(text: &str) -> Result<TimerPlace, Problem> {
    let mut parts = text.splitn(3, '.');
    let mut part =
        || parts.next().ok_or_else(|| Problem::parameter("after", "is no place between timers: use the `next` of the page before"));
    let (due, function, key) = (part()?, part()?.to_owned(), part()?.to_owned());
    let due = due.parse().map_err(|_| Problem::parameter("after", "is no place between timers: use the `next` of the page before"))?;
    Ok(TimerPlace { due: Timestamp(due), function, key })
}

pub async fn list_schedules(call: Box<Call>) -> Answer {
    call.query()?;
    let schedules = call.namespace()?.schedules()?.into_iter().map(ScheduleAnswer::from).collect();
    Ok(json(StatusCode::OK, &SchedulesAnswer { schedules }))
}

#[cfg(test)]
pub mod tests {
    use retold_engine::model::Position;

    use super::*;

    fn timer() -> TimerInfo {
        let (function, key) = ("time-limit".to_owned(), "order/7.late".to_owned());
        TimerInfo {
            function,
            key,
            due: Timestamp(1_795_238_316_123_456),
            r#type: "order.late".into(),
            subject: "order/7".into(),
            position: Position(9),
        }
    }

    pub fn samples() -> Vec<(&'static str, serde_json::Value)> {
        let timers = TimersAnswer { timers: vec![TimerAnswer::from(timer())], next: Some(place_text(&timer())), total: 7 };
        let schedule = ScheduleInfo {
            function: "daily".into(),
            key: "evening".into(),
            cron: "0 18 * * *".into(),
            time_zone: "Europe/Berlin".into(),
            r#type: "evening.came".into(),
            missed: Missed::Latest,
            next: None,
        };
        let schedules = SchedulesAnswer { schedules: vec![ScheduleAnswer::from(schedule)] };
        let value = |answer: Result<serde_json::Value, _>| answer.expect("JSON");
        vec![("Timers", value(serde_json::to_value(timers))), ("Schedules", value(serde_json::to_value(schedules)))]
    }

    #[test]
    fn a_place_between_timers_comes_back_as_it_was_whatever_is_in_the_key() {
        let place = parse_place(&place_text(&timer())).expect("a place");
        assert_eq!(place, TimerPlace { due: timer().due, function: "time-limit".into(), key: "order/7.late".into() });
        for text in ["", "7", "7.f", "x.f.k", "-1.f.k", "99999999999999999999.f.k"] {
            assert!(parse_place(text).is_err(), "{text}");
        }
    }
}
