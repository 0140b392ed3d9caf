//! Modules: listed, with all their versions if asked, and removed.

use http::StatusCode;
use serde::Serialize;

use super::super::body::json;
use super::super::call::{Answer, Call};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::super::upgrades::{ReplayAnswer, options, under_way};
use crate::drive::{Deployed, ModuleInfo, ModuleVersion, Rehearse, RemoveOutcome};

#[derive(Serialize)]
pub struct ModuleAnswer {
    name: String,
    version: String,
    digest: String,
    deployed_at: String,
    active: bool,
    functions: Vec<String>,
    /// Only of an upload: the same bytes were active already.
    #[serde(skip_serializing_if = "Option::is_none")]
    unchanged: Option<bool>,
    /// Only of an upload that was replayed over history before.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<ReplayAnswer>,
}

impl ModuleAnswer {
    /// What an upload is answered with.
    pub fn deployed(Deployed { module, unchanged }: Deployed, replay: Option<ReplayAnswer>) -> ModuleAnswer {
        ModuleAnswer { unchanged: Some(unchanged), replay, ..ModuleAnswer::of(module) }
    }

    fn of(module: ModuleInfo) -> ModuleAnswer {
        ModuleAnswer {
            digest: format!("sha256:{}", module.digest),
            deployed_at: module.deployed_at.to_string(),
            name: module.name,
            version: module.version,
            active: module.active,
            functions: module.functions,
            unchanged: None,
            replay: None,
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
    replay: ReplayAnswer,
}

/// A version that was deployed once, and what became of it.
#[derive(Serialize)]
struct VersionAnswer {
    #[serde(flatten)]
    module: ModuleAnswer,
    ordinal: u32,
    /// Where another version took over, or the module was removed.
    ended_at: Option<String>,
    /// It took over from a later version.
    rolled_back: bool,
    /// Going back to it is quick.
    kept: bool,
}

impl From<ModuleVersion> for VersionAnswer {
    fn from(ModuleVersion { module, ordinal, rolled_back, ended_at, kept }: ModuleVersion) -> VersionAnswer {
        let ended_at = ended_at.map(|position| position.to_string());
        VersionAnswer { module: ModuleAnswer::of(module), ordinal, ended_at, rolled_back, kept }
    }
}

#[derive(Serialize)]
struct VersionsAnswer {
    modules: Vec<VersionAnswer>,
}

pub async fn list_modules(call: Box<Call>) -> Answer {
    let namespace = call.namespace()?;
    if call.query()?.flag("history")? {
        let modules = namespace.module_versions(None).into_iter().map(VersionAnswer::from).collect();
        return Ok(json(StatusCode::OK, &VersionsAnswer { modules }));
    }
    let modules = namespace.modules().into_iter().map(ModuleAnswer::of).collect();
    Ok(json(StatusCode::OK, &ModulesAnswer { modules }))
}

pub async fn one_module(call: Box<Call>) -> Answer {
    call.query()?;
    let (namespace, name) = (call.namespace()?, call.parameter("name"));
    match namespace.modules().into_iter().find(|module| module.name == name) {
        Some(module) => Ok(json(StatusCode::OK, &ModuleAnswer::of(module))),
        None => {
            let detail = format!("there is no module {name:?} in namespace {:?}: PUT its .wasm file here to deploy one", namespace.name());
            Err(Problem::new(&kinds::UNKNOWN_MODULE, detail).with("module", name))
        }
    }
}

pub async fn remove(call: Box<Call>) -> Answer {
    let (namespace, name) = (call.namespace()?, call.parameter("name"));
    let options = options(&call.query()?, &namespace, Rehearse::Skip)?;
    Ok(match namespace.remove_module(name, options).await? {
        RemoveOutcome::Removed { position, replay } => {
            json(StatusCode::OK, &RemovedAnswer { module: name, position: position.to_string(), replay: replay.into() })
        }
        RemoveOutcome::UnderWay(replay) => under_way(namespace.name(), replay),
    })
}

#[cfg(test)]
mod tests {
    use retold_engine::model::{Digest, Position};

    use super::*;

    #[test]
    fn a_version_tells_when_it_ran_and_whether_going_back_is_quick() {
        let module = ModuleInfo {
            name: "pricing".into(),
            version: "1.0.0".into(),
            digest: Digest::of(b"x"),
            deployed_at: Position(3),
            active: false,
            functions: vec!["pricing".into()],
        };
        let version = ModuleVersion { module, ordinal: 2, rolled_back: false, ended_at: Some(Position(9)), kept: true };
        let told = serde_json::to_value(VersionAnswer::from(version)).expect("JSON");
        assert_eq!(
            (told["name"].as_str(), told["deployed_at"].as_str(), told["ended_at"].as_str()),
            (Some("pricing"), Some("3"), Some("9"))
        );
        assert_eq!((told["ordinal"].as_u64(), told["kept"].as_bool(), told.get("unchanged")), (Some(2), Some(true), None));
    }
}
