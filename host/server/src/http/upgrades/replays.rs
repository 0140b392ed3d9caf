//! `…/replays`: what is replayed, how far it is and what it has found; and the operator's word to it.

use http::StatusCode;
use serde::Serialize;
use serde_json::json as value;

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::replay_answer::ReplayAnswer;
use crate::drive::DriveError;

#[derive(Serialize)]
struct ReplaysAnswer {
    replays: Vec<ReplayAnswer>,
}

pub async fn list_replays(call: Box<Call>) -> Answer {
    call.query()?;
    let replays = call.namespace()?.replays().into_iter().map(ReplayAnswer::from).collect();
    Ok(json(StatusCode::OK, &ReplaysAnswer { replays }))
}

pub async fn one_replay(call: Box<Call>) -> Answer {
    call.query()?;
    let id = call.parameter("id");
    let replay = call.namespace()?.replay(id).ok_or_else(|| DriveError::UnknownReplay(id.to_owned()))?;
    Ok(json(StatusCode::OK, &ReplayAnswer::from(replay)))
}

pub async fn stop_replay(call: Box<Call>) -> Answer {
    call.query()?;
    let replay = call.namespace()?.stop_replay(call.parameter("id")).await?;
    Ok(json(StatusCode::OK, &ReplayAnswer::from(replay)))
}

pub async fn resume_replay(call: Box<Call>) -> Answer {
    call.query()?;
    let replay = call.namespace()?.resume_replay(call.parameter("id")).await?;
    Ok(json(StatusCode::OK, &ReplayAnswer::from(replay)))
}

pub async fn drop_replay(call: Box<Call>) -> Answer {
    call.query()?;
    let id = call.parameter("id");
    call.namespace()?.drop_replay(id).await?;
    Ok(json(StatusCode::OK, &value!({ "replay": id })))
}

#[cfg(test)]
pub mod tests {
    use retold_engine::model::{Digest, FunctionKind, Position, Timestamp};

    use super::*;
    use crate::drive::{
        DifferenceKind, FormerVersion, FunctionReplay, OutputCounts, OutputDifference, ReplayFailure, ReplayInfo, ReplayKind, ReplayStatus,
        ReplayedModule, RetellingInfo, Shown, StateCompared,
    };

    /// A rehearsal that has found something of each sort.
    pub fn rehearsal() -> ReplayInfo {
        let shown = |total: u64| Shown {
            position: Some(Position(18)),
            r#type: "order.priced".into(),
            subject: "order/17".into(),
            content_type: "application/json".into(),
            data: format!("{{\"total\":{total}}}").into_bytes(),
            cut: false,
        };
        let difference = OutputDifference {
            kind: DifferenceKind::Different,
            id: "a1".into(),
            cause: Position(17),
            recorded: Some(shown(750)),
            made: Some(Shown { position: None, ..shown(749) }),
        };
        let failure = ReplayFailure {
            position: Position(20),
            r#type: "order.placed".into(),
            subject: "order/20".into(),
            reason: "trap".into(),
            message: "unreachable".into(),
        };
        let function = FunctionReplay {
            function: "pricing".into(),
            kind: FunctionKind::Handler,
            new: false,
            retired: false,
            events: 1_000,
            passes_now: 2,
            fails_still: 1,
            outputs: OutputCounts { equal: 996, new: 0, missing: 1, different: 1 },
            differences: vec![difference],
            failures: 1,
            first_failures: vec![failure],
            state_rows: 12,
            state_bytes: 3_456,
            state: Some(StateCompared {
                position: Position(1_234),
                rows: OutputCounts { equal: 11, new: 0, missing: 0, different: 1 },
                first: vec![("total/17".into(), Some(b"750".to_vec()), Some(vec![0, 255]))],
            }),
            fuel_per_event: Some(12_345.6),
            microseconds_per_event: Some(1.5),
            running_fuel_per_event: Some(10_000.0),
            running_microseconds_per_event: None,
            note: None,
            former: Some(FormerVersion { version: "1.0.0".into(), after: 0, upto: 900 }),
            encoded: Vec::new(),
        };
        ReplayInfo {
            id: "7".into(),
            kind: ReplayKind::Rehearsal,
            status: ReplayStatus::Done,
            started: Timestamp(1_795_238_316_000_000),
            ended: Some(Timestamp(1_795_238_317_000_000)),
            module: Some(ReplayedModule { name: "pricing".into(), version: "1.1.0".into(), digest: Digest::of(b"pricing") }),
            target: None,
            position: Position(1_234),
            head: Position(1_234),
            events: 1_000,
            events_per_second: 999.5,
            seconds_left: None,
            warnings: vec!["pricing no longer reads the 3 events of type order.noted that are stored".into()],
            functions: vec![function],
            retelling: None,
        }
    }

    pub fn samples() -> Vec<(&'static str, serde_json::Value)> {
        let status = ReplayStatus::Failed { reason: "different".into(), message: "1 output differs".into() };
        let retelling = Some(RetellingInfo { base: "main".into(), ..RetellingInfo::default() });
        let failed = ReplayInfo { status, retelling, module: None, target: Some("x".into()), seconds_left: Some(1.5), ..rehearsal() };
        let value = |info: ReplayInfo| serde_json::to_value(ReplayAnswer::from(info)).expect("JSON");
        vec![("Replay", value(rehearsal())), ("Replay", value(failed))]
    }

    #[test]
    fn a_replay_is_told_whole_with_its_differences_and_failures() {
        let told = serde_json::to_value(ReplayAnswer::from(rehearsal())).expect("JSON");
        assert_eq!((told["id"].as_str(), told["status"].as_str(), told["position"].as_str()), (Some("7"), Some("done"), Some("1234")));
        let function = &told["functions"][0];
        assert_eq!(function["outputs"], value!({ "equal": 996, "new": 0, "missing": 1, "different": 1 }));
        assert_eq!(function["differences"][0]["recorded"]["data"], value!({ "total": 750 }));
        assert_eq!((&function["differences"][0]["cause"], &function["differences"][0]["made"]["position"]), (&value!("17"), &value!(null)));
        assert_eq!(function["first_failures"][0]["reason"], "trap");
        assert!(told["module"]["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")));
    }

    #[test]
    fn a_replay_that_failed_says_why_and_a_retelling_what_it_kept() {
        let status = ReplayStatus::Failed { reason: "different".into(), message: "1 output differs".into() };
        let retelling = RetellingInfo { base: "main".into(), kept: 9, dropped: 1, ..RetellingInfo::default() };
        let kind = ReplayKind::Retelling;
        let told = serde_json::to_value(ReplayAnswer::from(ReplayInfo { kind, status, retelling: Some(retelling), ..rehearsal() }));
        let told = told.expect("JSON");
        assert_eq!((&told["status"], &told["failed"]["reason"]), (&value!("failed"), &value!("different")));
        assert_eq!((&told["kind"], &told["retelling"]["kept"]), (&value!("retelling"), &value!(9)));
    }
}
