//! `retold rehearse`: history through a new version, and what came out otherwise. Nothing is changed.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use super::arguments::Common;
use super::client::Client;
use super::deploy::given_or_named;
use super::failure::Refusal;
use super::output::{print, print_json};
use super::rehearsing::{Asked, Bounds, Rehearse as How};
use super::replay::{Watch, is_same, report, verdict};
use super::uploading::{Became, failed, send, settled, with_report};

const AFTER_HELP: &str = "\
Examples:
  retold rehearse build/pricing.wasm
  retold rehearse pricing.wasm --last 1000000 --sample 10
                                            the last million positions, one subject in ten
  retold rehearse pricing.wasm --expect-same
                                            exit code 3 if anything differs: for CI
  retold rehearse pricing.wasm --budget 50% --detach
                                            prints its id; `retold replays ID` tells how it stands

History is replayed through the module beside the live host, and what its functions make is held against
what is recorded, by the ids of events. Nothing is appended, sent or changed. Ctrl-C leaves it running.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Rehearse {
    /// The module: what `retold build` printed
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// The module's name, as its manifest has it [default: the file's name, with - for _]
    #[arg(long)]
    name: Option<String>,
    /// End with exit code 3 if anything differs from what is recorded
    #[arg(long)]
    expect_same: bool,
    /// Don't wait for the end: print the replay's id
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    bounds: Bounds,
}

pub fn run(common: &Common, rehearse: &Rehearse) -> Result<()> {
    let name = given_or_named(&rehearse.name, &rehearse.file)?;
    let client = Client::new(common)?;
    let asked = Asked { rehearse: How::Only, expect_same: rehearse.expect_same, bounds: Some(&rehearse.bounds), ..Asked::default() };
    let answer = with_report(&client, common.json, send(&client, &rehearse.file, &name, &asked));
    let answer = answer.with_context(|| format!("{name} is not rehearsed to the end"))?;
    if rehearse.detach {
        return detached(common, &answer);
    }
    let watch = if common.json { Watch::Quiet } else { Watch::Person };
    match settled(&client, &name, answer, watch)? {
        // The same bytes are active: there is nothing to rehearse.
        Became::Module(module) if common.json => print_json(&module),
        Became::Module(module) => print(&format!("{name} {} is active as it is\n", module["version"].as_str().unwrap_or("?"))),
        Became::Replay(replay) => {
            if common.json {
                print_json(&replay)?
            } else {
                print(&report(&replay))?
            }
            judged(&replay, rehearse.expect_same)
        }
    }
}

/// What is printed of work that nobody waits for.
pub fn detached(common: &Common, replay: &Value) -> Result<()> {
    if common.json { print_json(replay) } else { print(&format!("{}\n", replay["id"].as_str().unwrap_or("?"))) }
}

fn judged(replay: &Value, expect_same: bool) -> Result<()> {
    if let Some(refusal) = failed(replay) {
        return Err(refusal.into());
    }
    if expect_same && !is_same(replay) {
        return Err(Refusal(format!("the same was expected, and it is {}", verdict(replay))).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_a_refusal_only_where_none_was_expected() {
        let outputs = json!({ "equal": 5, "new": 0, "missing": 0, "different": 1 });
        let function = json!({ "function": "pricing", "outputs": outputs, "failures": 0 });
        let mut replay = json!({ "status": "done", "failed": null, "functions": [function] });
        assert!(judged(&replay, false).is_ok());
        let refused = judged(&replay, true).expect_err("a difference");
        assert!(refused.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.0.contains("pricing 1 different")));
        replay["functions"][0]["outputs"]["different"] = json!(0);
        assert!(judged(&replay, true).is_ok());
        replay["status"] = json!("failed");
        assert!(judged(&replay, false).is_err());
    }
}
