//! `PUT …/modules/{name}` and `POST …/modules/{name}/rollback`: a version takes over, at once or when its
//! replay has come so far.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use retold_engine::model::limits;
use serde::Deserialize;

use super::super::admin::ModuleAnswer;
use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::options::options;
use super::replay_answer::ReplayAnswer;
use crate::drive::{DeployOutcome, Rehearse, ReplayInfo};

const BODY_BYTES_MAX: usize = 4 << 10;

pub async fn deploy(call: Box<Call>) -> Answer {
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    let options = call.query().and_then(|query| options(&query, &namespace, Rehearse::First));
    // Whoever still sends would not hear what is wrong with the query.
    let body = call.whole_body(limits::MODULE_BYTES_MAX).await?;
    let outcome = Box::pin(namespace.deploy(&name, body.bytes.clone(), options?)).await?;
    Ok(answer(namespace.name(), outcome))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollbackBody {
    /// The version, as its manifest has it.
    to: Option<String>,
}

pub async fn rollback(call: Box<Call>) -> Answer {
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    let options = options(&call.query()?, &namespace, Rehearse::Skip)?;
    let body = call.whole_body(BODY_BYTES_MAX).await?;
    let RollbackBody { to } = if body.trim_ascii().is_empty() {
        RollbackBody::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            let what =
                format!("the body is not what this path takes ({error}): send {{\"to\":\"1.0.0\"}}, or nothing for the version before");
            Problem::new(&kinds::MALFORMED_REQUEST, what).with("field", "to")
        })?
    };
    let outcome = Box::pin(namespace.rollback(&name, to.as_deref(), options)).await?;
    Ok(answer(namespace.name(), outcome))
}

fn answer(namespace: &str, outcome: DeployOutcome) -> http::Response<super::super::body::Body> {
    match outcome {
        DeployOutcome::Deployed { deployed, replay } => {
            let status = if deployed.unchanged { StatusCode::OK } else { StatusCode::CREATED };
            json(status, &ModuleAnswer::deployed(deployed, replay.map(ReplayAnswer::from)))
        }
        DeployOutcome::Rehearsed(replay) => json(StatusCode::OK, &ReplayAnswer::from(replay)),
        DeployOutcome::UnderWay(replay) => under_way(namespace, replay),
    }
}

/// 202, and where to look.
pub fn under_way(namespace: &str, replay: ReplayInfo) -> http::Response<super::super::body::Body> {
    let location = HeaderValue::try_from(format!("/v1/namespaces/{namespace}/replays/{}", replay.id));
    let mut response = json(StatusCode::ACCEPTED, &ReplayAnswer::from(replay));
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::super::body::Body;
    use super::super::replays::tests::rehearsal;
    use super::*;
    use crate::drive::{Deployed, ModuleInfo};

    #[track_caller]
    fn check(outcome: DeployOutcome, status: u16) -> (Value, Option<String>) {
        let response = answer("main", outcome);
        assert_eq!(response.status(), status);
        let location = response.headers().get(LOCATION).map(|location| location.to_str().expect("text").to_owned());
        let Body::Whole(bytes) = response.into_body() else { panic!("whole") };
        (serde_json::from_slice(&bytes).expect("JSON"), location)
    }

    #[test]
    fn an_upload_is_answered_by_what_became_of_it() {
        let module = ModuleInfo {
            name: "pricing".into(),
            version: "1.1.0".into(),
            digest: rehearsal().module.expect("a module").digest,
            deployed_at: retold_engine::model::Position(7),
            active: true,
            functions: vec!["pricing".into()],
        };
        let deployed = |unchanged| Deployed { module: module.clone(), unchanged };
        let (body, _) = check(DeployOutcome::Deployed { deployed: deployed(false), replay: Some(rehearsal()) }, 201);
        assert_eq!((body["version"].as_str(), body["replay"]["id"].as_str()), (Some("1.1.0"), Some("7")));
        let (body, location) = check(DeployOutcome::Deployed { deployed: deployed(true), replay: None }, 200);
        assert_eq!((body.get("replay"), &body["unchanged"], location), (None, &Value::Bool(true), None));
        let (body, _) = check(DeployOutcome::Rehearsed(rehearsal()), 200);
        assert_eq!(body["kind"], "rehearsal");
        let (_, location) = check(DeployOutcome::UnderWay(rehearsal()), 202);
        assert_eq!(location.as_deref(), Some("/v1/namespaces/main/replays/7"));
    }
}
