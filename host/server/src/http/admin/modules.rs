//! Modules: uploaded, listed, removed.

use http::StatusCode;
use retold_engine::model::limits;
use serde::Serialize;

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use crate::drive::ModuleInfo;

#[derive(Serialize)]
struct ModuleAnswer {
    name: String,
    version: String,
    digest: String,
    deployed_at: String,
    active: bool,
    functions: Vec<String>,
    /// Only of an upload: the same bytes were active already.
    #[serde(skip_serializing_if = "Option::is_none")]
    unchanged: Option<bool>,
}

impl ModuleAnswer {
    fn of(module: ModuleInfo, unchanged: Option<bool>) -> ModuleAnswer {
        ModuleAnswer {
            digest: format!("sha256:{}", module.digest),
            deployed_at: module.deployed_at.to_string(),
            name: module.name,
            version: module.version,
            active: module.active,
            functions: module.functions,
            unchanged,
        }
    }
}

#[derive(Serialize)]
struct ModulesAnswer {
    modules: Vec<ModuleAnswer>,
}

#[derive(Serialize)]
struct RemovedAnswer<'a> {
    module: &'a str,
    /// Of the record of it.
    position: String,
}

pub async fn list_modules(call: Box<Call>) -> Answer {
    call.query()?;
    let modules = call.namespace()?.modules().into_iter().map(|module| ModuleAnswer::of(module, None)).collect();
    Ok(json(StatusCode::OK, &ModulesAnswer { modules }))
}

pub async fn one_module(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name"));
    match namespace.modules().into_iter().find(|module| module.name == name) {
        Some(module) => Ok(json(StatusCode::OK, &ModuleAnswer::of(module, None))),
        None => {
            let detail = format!("there is no module {name:?} in namespace {:?}: PUT its .wasm file here to deploy one", namespace.name());
            Err(Problem::new(&kinds::UNKNOWN_MODULE, detail).with("module", name))
        }
    }
}

pub async fn deploy(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    let body = call.whole_body(limits::MODULE_BYTES_MAX).await?;
    let deployed = namespace.deploy(&name, body.bytes.clone()).await?;
    let status = if deployed.unchanged { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json(status, &ModuleAnswer::of(deployed.module, Some(deployed.unchanged))))
}

pub async fn remove(call: Box<Call>) -> Answer {
    call.query()?;
    let name = call.parameter("name");
    let position = call.namespace()?.remove_module(name).await?;
    Ok(json(StatusCode::OK, &RemovedAnswer { module: name, position: position.to_string() }))
}
