//! Namespaces: made, listed.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::super::timestamps::timestamp_text;
use crate::drive::Namespace;

/// What is enough for a name and what a client may send beside it by mistake.
const BODY_BYTES_MAX: usize = 4 << 10;

#[derive(Serialize)]
struct NamespaceAnswer {
    name: String,
    created: String,
    head: String,
    functions: usize,
    modules: usize,
}

impl NamespaceAnswer {
    fn of(namespace: &Namespace) -> NamespaceAnswer {
        NamespaceAnswer {
            name: namespace.name().to_owned(),
            created: timestamp_text(namespace.created()),
            head: namespace.reader().head().to_string(),
            functions: namespace.functions().len(),
            modules: namespace.modules().len(),
        }
    }
}

#[derive(Serialize)]
struct NamespacesAnswer {
    namespaces: Vec<NamespaceAnswer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewNamespace {
    name: String,
}

pub async fn list_namespaces(call: Box<Call>) -> Answer {
    call.query()?;
    let namespaces = call.site.host.namespaces().iter().map(NamespaceAnswer::of).collect();
    Ok(json(StatusCode::OK, &NamespacesAnswer { namespaces }))
}

pub async fn one_namespace(call: Box<Call>) -> Answer {
    call.query()?;
    Ok(json(StatusCode::OK, &NamespaceAnswer::of(&call.namespace()?)))
}

pub async fn create_namespace(call: Box<Call>) -> Answer {
    call.query()?;
    let host = call.site.host.clone();
    let body = call.whole_body(BODY_BYTES_MAX).await?;
    let NewNamespace { name } = serde_json::from_slice(&body).map_err(|error| {
        Problem::new(&kinds::MALFORMED_REQUEST, format!("the body is not what this path takes ({error}): send {{\"name\":\"shop\"}}"))
            .with("field", "name")
    })?;
    let (namespace, created) = host.create_namespace(&name).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, &NamespaceAnswer::of(&namespace)))
}
