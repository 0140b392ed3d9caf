//! The catalogue of types, and schemas that operators give.

use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use super::body::json;
use super::call::{Answer, Call};
use super::problem::Problem;
use super::problem_kinds as kinds;
use crate::drive::{Namespace, TypeInfo};

/// Beyond what a schema may have, so that it is the schema's own limit that is told.
const SCHEMA_BYTES_MAX: usize = 1 << 20;

#[derive(Serialize)]
struct TypeAnswer {
    r#type: String,
    /// `event`, `command`, `timer` or `request`.
    kind: &'static str,
    count: u64,
    first_position: Option<String>,
    last_position: Option<String>,
    emitted_by: Vec<String>,
    read_by: Vec<String>,
    upcast_by: Option<String>,
    schema: Option<Box<RawValue>>,
    /// The module that brought it, or `operator`.
    schema_by: Option<String>,
}

impl From<TypeInfo> for TypeAnswer {
    fn from(info: TypeInfo) -> TypeAnswer {
        let schema = info.schema.and_then(|schema| RawValue::from_string(schema).ok());
        TypeAnswer {
            r#type: info.r#type,
            kind: info.kind.word(),
            count: info.count,
            first_position: info.first.map(|position| position.to_string()),
            last_position: info.last.map(|position| position.to_string()),
            emitted_by: info.emitted_by,
            read_by: info.read_by,
            upcast_by: info.upcast_by,
            schema_by: schema
                .as_ref()
                .map(|_| info.schema_module.map_or_else(|| "operator".to_owned(), |module| format!("module {module}"))),
            schema,
        }
    }
}

#[derive(Serialize)]
struct TypesAnswer {
    types: Vec<TypeAnswer>,
}

async fn catalogue(namespace: Namespace) -> Result<Vec<TypeInfo>, Problem> {
    let types = tokio::task::spawn_blocking(move || namespace.types()).await;
    Ok(types.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?)
}

pub async fn list_types(call: Box<Call>) -> Answer {
    call.query()?;
    let types = catalogue(call.namespace()?).await?.into_iter().map(TypeAnswer::from).collect();
    Ok(json(StatusCode::OK, &TypesAnswer { types }))
}

pub async fn one_type(call: Box<Call>) -> Answer {
    call.query()?;
    let name = call.decoded("type")?;
    as_it_stands(call.namespace()?, &name, StatusCode::OK).await
}

async fn as_it_stands(namespace: Namespace, name: &str, status: StatusCode) -> Answer {
    let found = catalogue(namespace).await?.into_iter().find(|info| info.r#type == name);
    let info = found.ok_or_else(|| {
        let detail = format!("there is no type {name:?} in the log, and no function names it: GET …/types lists those that there are");
        Problem::new(&kinds::UNKNOWN_TYPE, detail).with("event_type", name)
    })?;
    Ok(json(status, &TypeAnswer::from(info)))
}

pub async fn set_schema(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.decoded("type")?);
    let body = call.whole_body(SCHEMA_BYTES_MAX).await?;
    let text = std::str::from_utf8(&body).map_err(|_| Problem::new(&kinds::MALFORMED_REQUEST, "the schema is not UTF-8: send JSON"))?;
    let new = namespace.set_schema(&name, text).await?;
    as_it_stands(namespace, &name, if new { StatusCode::CREATED } else { StatusCode::OK }).await
}

pub async fn remove_schema(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.decoded("type")?);
    namespace.remove_schema(&name).await?;
    Ok(json(StatusCode::OK, &serde_json::json!({ "type": name, "schema": null })))
}
