//! Namespaces, listed: where each is from and how far it is.

use http::StatusCode;
use serde::Serialize;

use super::super::admission::Pass;
use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::timestamps::timestamp_text;
use crate::drive::{Generations, Namespace, NamespaceRole};

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
    /// What it may have; `null` is as much as there is.
    quota: QuotaAnswer,
}

#[derive(Serialize)]
struct QuotaAnswer {
    events: Option<u64>,
    bytes: Option<u64>,
}

impl NamespaceAnswer {
    /// What `pass` may know of it: of what it is a fork of, say, nothing unless that is open to it too.
    pub fn of(namespace: &Namespace, pass: &Pass) -> NamespaceAnswer {
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
            quota: QuotaAnswer { events: namespace.quota().events_max, bytes: namespace.quota().bytes_max },
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
        .map(|namespace| NamespaceAnswer::of(namespace, &call.pass))
        .collect();
    Ok(json(StatusCode::OK, &NamespacesAnswer { namespaces }))
}

pub async fn one_namespace(call: Box<Call>) -> Answer {
    call.query()?;
    Ok(json(StatusCode::OK, &NamespaceAnswer::of(&call.namespace()?, &call.pass)))
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
