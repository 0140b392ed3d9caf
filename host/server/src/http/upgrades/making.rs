//! `POST /v1/namespaces`: a new log, empty, a fork of another or a retelling of it.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::admin::NamespaceAnswer;
use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::cursor::parse_cursor;
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::deploying::under_way;
use super::rules::RetellBody;
use crate::drive::{DriveError, ForkOptions, Forked, Host, Scope};

/// Several modules in base64.
const BODY_BYTES_MAX: usize = 96 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewNamespace<'a> {
    name: String,
    fork: Option<ForkBody>,
    #[serde(borrow)]
    retell: Option<RetellBody<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForkBody {
    base: String,
    /// The head, without it.
    at: Option<String>,
    /// Whether its timers fire and its requests leave.
    #[serde(default)]
    effects: bool,
}

#[derive(Serialize)]
struct ForkedAnswer {
    name: String,
    base: String,
    at: String,
    segments: usize,
    bytes_copied: u64,
    took_us: u64,
}

impl From<Forked> for ForkedAnswer {
    fn from(Forked { name, base, at, segments, bytes_copied, took_us }: Forked) -> ForkedAnswer {
        ForkedAnswer { name, base, at: at.to_string(), segments, bytes_copied, took_us }
    }
}

pub async fn create_namespace(call: Box<Call>) -> Answer {
    call.query()?;
    let (site, pass) = (call.site.clone(), call.pass.clone());
    let host = site.host.clone();
    let body = call.whole_body(BODY_BYTES_MAX).await?;
    let NewNamespace { name, fork, retell } = serde_json::from_slice(&body).map_err(|error| {
        let what =
            format!("the body is not what this path takes ({error}): send {{\"name\":\"shop\"}}, with a `fork` or a `retell` if it is one");
        Problem::new(&kinds::MALFORMED_REQUEST, what).with("field", "name")
    })?;
    pass.demand(Scope::Operate, &name)?;
    match (fork, retell) {
        (None, None) => {
            drop(body);
            let (namespace, created) = host.create_namespace(&name).await?;
            let status = if created { StatusCode::CREATED } else { StatusCode::OK };
            Ok(json(status, &NamespaceAnswer::of(&namespace, &pass, &site)))
        }
        (Some(fork), None) => {
            pass.demand(Scope::Operate, &fork.base)?;
            forked(&host, &name, fork).await
        }
        (None, Some(retell)) => {
            let request = retell.request(name)?;
            drop(body);
            let base = request.base.clone();
            pass.demand(Scope::Operate, &base)?;
            if !request.modules.is_empty() {
                [&base, &request.name].into_iter().try_for_each(|namespace| pass.demand(Scope::Deploy, namespace))?;
            }
            let replay = Box::pin(host.retell(request)).await?;
            Ok(under_way(&base, replay))
        }
        (Some(_), Some(_)) => {
            let what = "the body has `fork` and `retell`: a namespace is one of both; leave the other out";
            Err(Problem::new(&kinds::MALFORMED_REQUEST, what).with("field", "retell"))
        }
    }
}

async fn forked(host: &Host, name: &str, ForkBody { base, at, effects }: ForkBody) -> Answer {
    let namespace = host.namespace(&base).ok_or_else(|| DriveError::UnknownNamespace(base.clone()))?;
    let at = match at {
        Some(text) => {
            let cursor = parse_cursor(&text).map_err(|what| Problem::parameter("at", what))?;
            Some(cursor.position("at", &namespace)?)
        }
        None => None,
    };
    let head = namespace.reader().head();
    if let Some(at) = at.filter(|at| *at > head) {
        let what = format!("is {at}, and {base} ends at {head}: fork at an earlier place, or leave it out for the head");
        return Err(Problem::parameter("at", what).with("head", head.to_string()));
    }
    let forked = Box::pin(host.fork(&base, name, ForkOptions { at, effects })).await?;
    Ok(json(StatusCode::CREATED, &ForkedAnswer::from(forked)))
}

#[cfg(test)]
pub mod tests {
    use retold_engine::model::Position;

    use super::*;

    pub fn samples() -> Vec<(&'static str, serde_json::Value)> {
        let forked = Forked { name: "whatif".into(), base: "main".into(), at: Position(7), segments: 2, bytes_copied: 4_096, took_us: 900 };
        vec![("Forked", serde_json::to_value(ForkedAnswer::from(forked)).expect("JSON"))]
    }
}
