//! What becomes of a namespace: held against another, promoted, gone back from, dropped.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::parameters::{DEPLOY_SECONDS_DEFAULT, WAIT_SECONDS_MAX};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::difference_answer::DifferenceAnswer;
use crate::drive::{Dropped, NamespaceRole, Promoted, ReplayStatus, Scope};

const BODY_BYTES_MAX: usize = 4 << 10;

pub async fn diff(call: Box<Call>) -> Answer {
    let wait = call.query()?.duration("timeout", Duration::from_secs(WAIT_SECONDS_MAX))?;
    let wait = wait.unwrap_or(Duration::from_secs(DEPLOY_SECONDS_DEFAULT));
    let difference = Box::pin(call.site.host.diff(call.parameter("ns"), call.parameter("other"), wait)).await?;
    let status = if difference.status == ReplayStatus::Running { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(json(status, &DifferenceAnswer::from(difference)))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PromoteBody {
    #[serde(default)]
    back: bool,
}

#[derive(Serialize)]
struct PromotedAnswer {
    namespace: String,
    generation: u64,
    old: String,
    paused_us: u64,
    old_head: String,
    new_head: String,
    old_chain: String,
    new_chain: String,
    kept: u64,
    dropped: u64,
    forgotten: u64,
}

impl From<Promoted> for PromotedAnswer {
    fn from(promoted: Promoted) -> PromotedAnswer {
        PromotedAnswer {
            namespace: promoted.namespace,
            generation: promoted.generation,
            old: promoted.old,
            paused_us: promoted.paused_us,
            old_head: promoted.old_head.to_string(),
            new_head: promoted.new_head.to_string(),
            old_chain: format!("sha256:{}", promoted.old_chain),
            new_chain: format!("sha256:{}", promoted.new_chain),
            kept: promoted.kept,
            dropped: promoted.dropped,
            forgotten: promoted.forgotten,
        }
    }
}

pub async fn promote(call: Box<Call>) -> Answer {
    call.query()?;
    let (host, name) = (call.site.host.clone(), call.parameter("ns").to_owned());
    // What it takes the place of changes too.
    if let Some(NamespaceRole::Retelling { base }) = host.namespace(&name).map(|namespace| namespace.generations().role) {
        call.pass.demand(Scope::Operate, &base)?;
    }
    let body = call.whole_body(BODY_BYTES_MAX).await?;
    let PromoteBody { back } = if body.trim_ascii().is_empty() {
        PromoteBody::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            let what = format!("the body is not what this path takes ({error}): send {{}} to promote, or {{\"back\":true}} to go back");
            Problem::new(&kinds::MALFORMED_REQUEST, what).with("field", "back")
        })?
    };
    let promoted = if back { Box::pin(host.promote_back(&name)).await? } else { Box::pin(host.promote(&name)).await? };
    Ok(json(StatusCode::OK, &PromotedAnswer::from(promoted)))
}

#[derive(Serialize)]
struct DroppedAnswer {
    namespace: String,
    files: usize,
    bytes: u64,
}

pub async fn drop_namespace(call: Box<Call>) -> Answer {
    call.query()?;
    let Dropped { namespace, files, bytes } = Box::pin(call.site.host.drop_namespace(call.parameter("ns"))).await?;
    Ok(json(StatusCode::OK, &DroppedAnswer { namespace, files, bytes }))
}

#[cfg(test)]
pub mod tests {
    use retold_engine::model::{Digest, Position};
    use serde_json::json as value;

    use super::*;
    use crate::drive::{DifferenceKind, LogDifference, LogEntryDifference, OutputCounts, Shown, ViewDifference};

    pub fn samples() -> Vec<(&'static str, serde_json::Value)> {
        let value = |sample: serde_json::Result<serde_json::Value>| sample.expect("JSON");
        vec![
            ("Promoted", value(serde_json::to_value(PromotedAnswer::from(promoted())))),
            ("LogDifference", value(serde_json::to_value(DifferenceAnswer::from(difference())))),
            ("Dropped", value(serde_json::to_value(DroppedAnswer { namespace: "x".into(), files: 1, bytes: 2 }))),
        ]
    }

    fn promoted() -> Promoted {
        Promoted {
            namespace: "main".into(),
            generation: 2,
            old: "main@1".into(),
            paused_us: 12_000,
            old_head: Position(100),
            new_head: Position(90),
            old_chain: Digest::of(b"old"),
            new_chain: Digest::of(b"new"),
            kept: 80,
            dropped: 5,
            forgotten: 5,
        }
    }

    #[test]
    fn a_promotion_leaves_a_receipt() {
        let told = serde_json::to_value(PromotedAnswer::from(promoted())).expect("JSON");
        assert_eq!((&told["old"], &told["new_head"], &told["forgotten"]), (&value!("main@1"), &value!("90"), &value!(5)));
        assert!(told["old_chain"].as_str().is_some_and(|chain| chain.len() == 71 && chain != told["new_chain"]));
    }

    fn difference() -> LogDifference {
        let shown = |data: &[u8]| Shown {
            position: Some(Position(3)),
            r#type: "order.priced".into(),
            subject: "order/1".into(),
            content_type: "application/json".into(),
            data: data.to_vec(),
            cut: false,
        };
        let entry = LogEntryDifference {
            kind: DifferenceKind::Missing,
            derived: true,
            source: "/functions/pricing".into(),
            id: "x".into(),
            base: Some(shown(b"1")),
            other: None,
        };
        let view = ViewDifference {
            view: "orders".into(),
            rows: OutputCounts { equal: 1, different: 1, ..OutputCounts::default() },
            first: vec![("order/1".into(), Some(b"{\"n\":1}".to_vec()), None)],
            note: None,
        };
        LogDifference {
            base: "main".into(),
            other: "whatif".into(),
            status: ReplayStatus::Done,
            position: Position(9),
            head: Position(9),
            source: OutputCounts { equal: 5, ..OutputCounts::default() },
            derived: OutputCounts { missing: 1, ..OutputCounts::default() },
            functions: vec![("pricing".into(), OutputCounts { missing: 1, ..OutputCounts::default() })],
            first: vec![entry],
            views: vec![view],
        }
    }

    #[test]
    fn two_logs_are_told_side_by_side_with_their_views() {
        let told = serde_json::to_value(DifferenceAnswer::from(difference())).expect("JSON");
        assert_eq!((&told["functions"][0]["outputs"]["missing"], &told["first"][0]["kind"]), (&value!(1), &value!("missing")));
        assert_eq!((&told["first"][0]["base"]["data"], &told["first"][0]["other"]), (&value!(1), &value!(null)));
        assert_eq!(told["views"][0]["first"][0], value!({ "key": "order/1", "base": { "data": { "n": 1 } }, "other": null }));
    }
}
