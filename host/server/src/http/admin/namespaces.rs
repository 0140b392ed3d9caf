//! Namespaces, listed: where each is from and how far it is.

use http::StatusCode;
use serde::Serialize;

use super::super::admission::Pass;
use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::quota::QuotaAnswer;
use super::super::site::Site;
use super::super::timestamps::timestamp_text;
use crate::drive::{Generations, Namespace, NamespaceRole, Retention};

#[derive(Serialize)]
pub struct NamespaceAnswer {
    name: String,
    created: String,
    head: String,
    functions: usize,
    modules: usize,
    generation: u64,
    /// `own`, `fork`, `retelling` or `old`.
    role: &'static str,
    /// What it is a fork, a retelling or an earlier generation of.
    base: Option<String>,
    /// Up to where a fork shares its base's history.
    at: Option<String>,
    /// Earlier generations that are kept.
    previous: Vec<String>,
    quota: QuotaAnswer,
    /// How much of what is over is kept; parked events without a bound where it is `null`.
    keep: KeepAnswer,
}

#[derive(Serialize)]
struct KeepAnswer {
    versions: usize,
    log_lines: usize,
    replays: usize,
    parked_days: Option<u32>,
}

impl From<Retention> for KeepAnswer {
    fn from(Retention { versions, log_lines, replays, parked_days }: Retention) -> KeepAnswer {
        KeepAnswer { versions, log_lines, replays, parked_days }
    }
}

impl NamespaceAnswer {
    /// What `pass` may know of it: of what it is a fork of, say, nothing unless that is open to it too.
    pub fn of(namespace: &Namespace, pass: &Pass, site: &Site) -> NamespaceAnswer {
        let Generations { generation, role, previous } = namespace.generations();
        let (role, base, at) = told(role);
        let base = base.filter(|base| pass.sees(base));
        NamespaceAnswer {
            name: namespace.name().to_owned(),
            created: timestamp_text(namespace.created()),
            head: namespace.reader().head().to_string(),
            functions: namespace.functions().len(),
            modules: namespace.modules().len(),
            generation,
            role,
            base,
            at,
            previous,
            keep: namespace.retention().into(),
            quota: QuotaAnswer::of(namespace, site),
        }
    }
}

fn told(role: NamespaceRole) -> (&'static str, Option<String>, Option<String>) {
    match role {
        NamespaceRole::Own => ("own", None, None),
        NamespaceRole::Fork { base, at } => ("fork", Some(base), Some(at.to_string())),
        NamespaceRole::Retelling { base } => ("retelling", Some(base), None),
        NamespaceRole::Old { of } => ("old", Some(of), None),
    }
}

#[derive(Serialize)]
struct NamespacesAnswer {
    namespaces: Vec<NamespaceAnswer>,
}

pub async fn list_namespaces(call: Box<Call>) -> Answer {
    call.query()?;
    let namespaces = call
        .site
        .host
        .namespaces()
        .iter()
        .filter(|namespace| call.pass.sees(namespace.name()))
        .map(|namespace| NamespaceAnswer::of(namespace, &call.pass, &call.site))
        .collect();
    Ok(json(StatusCode::OK, &NamespacesAnswer { namespaces }))
}

pub async fn one_namespace(call: Box<Call>) -> Answer {
    call.query()?;
    Ok(json(StatusCode::OK, &NamespaceAnswer::of(&call.namespace()?, &call.pass, &call.site)))
}

#[cfg(test)]
mod tests {
    use retold_engine::model::Position;

    use super::*;

    #[test]
    fn a_namespace_tells_where_it_is_from() {
        let base = || "main".to_owned();
        assert_eq!(told(NamespaceRole::Own), ("own", None, None));
        assert_eq!(told(NamespaceRole::Fork { base: base(), at: Position(7) }), ("fork", Some(base()), Some("7".into())));
        assert_eq!(told(NamespaceRole::Retelling { base: base() }), ("retelling", Some(base()), None));
        assert_eq!(told(NamespaceRole::Old { of: base() }), ("old", Some(base()), None));
    }
}
