//! `POST …/restore`: a backup of any size in constant memory, checked as it comes.

use http::StatusCode;
use retold_engine::model::Position;
use retold_engine::store::{FRAME_BYTES_MAX, StoreError, Until};
use serde::Serialize;
use tokio::sync::mpsc;

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::problem::Problem;
use super::super::query::Query;
use super::super::timestamps::parse_timestamp;
use super::super::upload::{next_part, refuse_encodings};
use crate::drive::{BackupBytes, DriveError, RestoreOptions, RestoredNamespace};

/// Portions of the body that may wait to be taken in.
const PORTIONS_READY_MAX: usize = 4;

#[derive(Serialize)]
struct RestoredAnswer {
    name: String,
    of: String,
    generation: u64,
    at: String,
    commit: u64,
    rebuilding: Vec<String>,
    without_code: Vec<String>,
    took_us: u64,
}

impl From<RestoredNamespace> for RestoredAnswer {
    fn from(restored: RestoredNamespace) -> RestoredAnswer {
        let RestoredNamespace { name, of, generation, at, commit, rebuilding, without_code, took_us } = restored;
        RestoredAnswer { name, of, generation, at: at.to_string(), commit, rebuilding, without_code, took_us }
    }
}

pub async fn restore(call: Box<Call>) -> Answer {
    refuse_encodings(call.headers())?;
    let (options, name) = (options(&call.query()?)?, call.parameter("ns").to_owned());
    let _held = call.site.bodies.hold(FRAME_BYTES_MAX)?;
    let host = call.site.host.clone();
    let (sender, receiver) = mpsc::channel(PORTIONS_READY_MAX);
    let restoring = tokio::spawn(async move { host.restore(&name, options, receiver).await });
    let mut body = call.body;
    let broken = loop {
        match next_part(&mut body).await {
            Ok(Some(bytes)) => {
                // It isn't taken any more: why is what the restore answers.
                if sender.send(BackupBytes::Some(bytes)).await.is_err() {
                    break None;
                }
            }
            Ok(None) => {
                let _ = sender.send(BackupBytes::End).await;
                break None;
            }
            Err(problem) => break Some(problem),
        }
    };
    drop(sender);
    let restored = restoring.await.map_err(|_| DriveError::Stopping)?;
    drop(body);
    if let Some(problem) = broken {
        return Err(problem);
    }
    match restored {
        Ok(restored) => Ok(json(StatusCode::CREATED, &RestoredAnswer::from(restored))),
        Err(DriveError::Store(StoreError::BeyondHead { at, head })) => {
            let what = format!("is {at}, and the backup ends at {head}: restore up to an earlier place, or leave it out for all of it");
            Err(Problem::parameter("at", what).with("head", head.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

fn options(query: &Query<'_>) -> Result<RestoreOptions, Problem> {
    let at = match query.text("at")? {
        Some(text) => match text.parse() {
            Ok(at) => Some(Until::Position(Position(at))),
            Err(_) => return Err(Problem::parameter("at", format!("is {text:?}: use a position, such as 1200"))),
        },
        None => None,
    };
    let until = match query.text("until")? {
        Some(text) => {
            let time = parse_timestamp(&text).map_err(|what| Problem::parameter("until", what.to_owned()))?;
            Some(Until::Time(time))
        }
        None => None,
    };
    if at.is_some() && until.is_some() {
        return Err(Problem::parameter("until", "stands beside `at`: give one of them"));
    }
    Ok(RestoreOptions { until: at.or(until).unwrap_or(Until::End), effects: query.flag("effects")? })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn samples() -> Vec<(&'static str, serde_json::Value)> {
        let restored = RestoredNamespace {
            name: "shop".into(),
            of: "main".into(),
            generation: 2,
            at: Position(7),
            commit: 5,
            rebuilding: vec!["pricing".into()],
            without_code: Vec::new(),
            took_us: 900,
        };
        vec![("Restored", serde_json::to_value(RestoredAnswer::from(restored)).expect("JSON"))]
    }

    #[track_caller]
    fn check(query: &str, expected: Result<(Until, bool), &str>) {
        use super::super::super::parameters::{EFFECTS, RESTORE_AT, RESTORE_UNTIL};
        let known = [RESTORE_AT, RESTORE_UNTIL, EFFECTS];
        let Ok(read) = Query::read(query, &known) else { panic!("{query} can't be read") };
        let found = options(&read).map(|options| (options.until, options.effects)).map_err(|problem| problem.detail);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{query}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{query}: {found}"),
            (found, expected) => panic!("{query}: {found:?} rather than {expected:?}"),
        }
    }

    #[test]
    fn a_restore_ends_at_a_position_or_a_time_or_nowhere() {
        check("", Ok((Until::End, false)));
        check("at=0&effects=true", Ok((Until::Position(Position(0)), true)));
        let time = parse_timestamp("2026-11-21T10:00:00Z").expect("a time");
        check("until=2026-11-21T10:00:00Z", Ok((Until::Time(time), false)));
        check("at=soon", Err("position"));
        check("until=yesterday", Err("until"));
        check("at=1&until=2026-11-21T10:00:00Z", Err("one of them"));
    }
}
