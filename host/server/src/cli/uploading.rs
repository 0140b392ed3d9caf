//! A module on its way to the host, until it is known what became of it.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::client::Client;
use super::failure::Refusal;
use super::output::print;
use super::problem::Problem;
use super::rehearsing::Asked;
use super::replay::{Watch, follow, report};

/// What became of an upload.
#[derive(Debug)]
pub enum Became {
    /// The module is active: what the host says of it, with the replay if there was one.
    Module(Value),
    /// The report of a rehearsal, or of a deployment that came to nothing.
    Replay(Value),
}

/// Sends a module, and stays until something has become of it.
pub fn upload(client: &Client, file: &Path, name: &str, asked: &Asked<'_>, watch: Watch) -> Result<Became> {
    settled(client, name, send(client, file, name, asked)?, watch)
}

/// Sends a module, and answers what the host says at once.
pub fn send(client: &Client, file: &Path, name: &str, asked: &Asked<'_>) -> Result<Value> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    client.put(&(client.path(&["modules", name]) + &asked.query()), "application/wasm", &bytes)
}

/// From the host's first answer to the last.
pub fn settled(client: &Client, name: &str, answer: Value, watch: Watch) -> Result<Became> {
    if !is_replay(&answer) {
        return Ok(Became::Module(answer));
    }
    let replay = follow(client, answer, watch)?;
    if replay["kind"] == "rehearsal" || replay["status"] != "done" {
        return Ok(Became::Replay(replay));
    }
    let mut module = client.get(&client.path(&["modules", name]))?;
    module["replay"] = replay;
    Ok(Became::Module(module))
}

/// Modules have no id.
fn is_replay(answer: &Value) -> bool {
    answer["id"].is_string()
}

/// The refusal of a replay that came to nothing, in the host's words.
pub fn failed(replay: &Value) -> Option<Refusal> {
    (replay["status"] == "failed").then(|| {
        let message = replay["failed"]["message"].as_str().unwrap_or("the replay failed, and nobody knows why");
        Refusal(message.to_owned())
    })
}

/// An upload that the host refused for what the rehearsal found: the report is printed first.
pub fn with_report<T>(client: &Client, as_json: bool, outcome: Result<T>) -> Result<T> {
    outcome.inspect_err(|error| {
        let id = error.chain().find_map(|cause| cause.downcast_ref::<Problem>()).and_then(|problem| problem.text("replay"));
        let replay = id.filter(|_| !as_json).and_then(|id| client.get(&client.path(&["replays", id])).ok());
        if let Some(replay) = replay.filter(|replay| replay["status"] != "running") {
            // The refusal itself is what counts.
            let _ = print(&report(&replay));
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_module_and_a_replay_are_told_apart() {
        assert!(is_replay(&json!({ "id": "7", "kind": "rehearsal" })));
        assert!(!is_replay(&json!({ "name": "pricing", "version": "1.0.0", "replay": { "id": "7" } })));
    }

    #[test]
    fn a_replay_that_came_to_nothing_is_a_refusal_in_its_own_words() {
        let replay = json!({ "status": "failed", "failed": { "reason": "trap", "message": "it trapped at 7: mend it" } });
        assert_eq!(failed(&replay).map(|refusal| refusal.0).as_deref(), Some("it trapped at 7: mend it"));
        assert!(failed(&json!({ "status": "done", "failed": null })).is_none());
    }
}
