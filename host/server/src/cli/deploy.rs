//! `retold deploy`: a module goes to the host, and its functions start.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use super::arguments::Common;
use super::client::Client;
use super::failure::Usage;
use super::flow::warnings_of;
use super::output::{print, print_json};
use super::rehearsing::{Asked, Bounds, Rehearse};
use super::replay::{Watch, report, short, warnings};
use super::uploading::{self, Became, failed, with_report};

const AFTER_HELP: &str = "\
Examples:
  retold deploy target/wasm32-unknown-unknown/release/pricing.wasm
  retold deploy build/pricing-2.wasm --name pricing
  retold deploy pricing.wasm --expect-same  refuse it if it makes anything else than what is recorded
  retold deploy pricing.wasm --backfill     append what history lacks, once
  retold deploy welcome.wasm --send         act on earlier events too, instead of holding what that gives
  retold deploy pricing.wasm --rehearse skip

The host checks the module, replays history through it and holds what comes out against what is recorded;
then its functions take the place of the older version's, at one position. `retold rehearse` does the same
and changes nothing; `retold rollback` goes back. The same bytes again change nothing.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Deploy {
    /// The module: what `retold build` printed
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// The module's name, as its manifest has it [default: the file's name, with - for _]
    #[arg(long)]
    name: Option<String>,
    /// Whether history is replayed through it and compared
    #[arg(long, value_enum, default_value_t)]
    rehearse: Rehearse,
    /// Refuse the module if it makes anything else than what is recorded
    #[arg(long)]
    expect_same: bool,
    /// Append, once, the outputs that history lacks
    #[arg(long)]
    backfill: bool,
    /// Let commands, timers and requests that it makes of earlier events take effect; without it they are held
    #[arg(long)]
    send: bool,
    #[command(flatten)]
    bounds: Bounds,
}

pub fn run(common: &Common, deploy: &Deploy) -> Result<()> {
    let name = given_or_named(&deploy.name, &deploy.file)?;
    let client = Client::new(common)?;
    let Deploy { rehearse, expect_same, backfill, send, .. } = *deploy;
    let asked = Asked { rehearse, expect_same, backfill, send, bounds: Some(&deploy.bounds) };
    let watch = if common.json { Watch::Quiet } else { Watch::Person };
    let became = uploading::upload(&client, &deploy.file, &name, &asked, watch);
    let became = with_report(&client, common.json, became).with_context(|| format!("{name} is not deployed"))?;
    tell(common, &name, &became)?;
    match &became {
        // It is deployed, whatever the flow says.
        Became::Module(module) if !common.json && module["unchanged"] != true => print(&warnings_of(&client, &name).unwrap_or_default()),
        _ => Ok(()),
    }
}

/// Prints what became of a deployment or a rollback.
pub fn tell(common: &Common, name: &str, became: &Became) -> Result<()> {
    match became {
        Became::Module(module) if common.json => print_json(module),
        Became::Module(module) => print(&told(name, module)),
        Became::Replay(replay) => {
            if common.json {
                print_json(replay)?
            } else {
                print(&report(replay))?
            }
            failed(replay).map_or(Ok(()), |refusal| Err(refusal).with_context(|| format!("{name} is as it was")))
        }
    }
}

/// Deploys a module for a verb with a story of its own. Answers what the host says of the module.
pub fn upload(client: &Client, file: &Path, name: &str) -> Result<Value> {
    match uploading::upload(client, file, name, &Asked::default(), Watch::Quiet).with_context(|| format!("{name} is not deployed"))? {
        Became::Module(module) => Ok(module),
        Became::Replay(replay) => bail!("{name} is not deployed: {}", short(&replay)),
    }
}

/// The name that is given, or else the file's.
pub fn given_or_named(given: &Option<String>, file: &Path) -> Result<String> {
    let name = given.clone().or_else(|| name_of(file));
    name.ok_or_else(|| Usage("give the module a --name: its file has none".into()).into())
}

/// `flight_delays.wasm` is the module `flight-delays`, as cargo writes `_` for `-`.
pub fn name_of(file: &Path) -> Option<String> {
    Some(file.file_stem()?.to_str()?.replace('_', "-"))
}

fn told(name: &str, module: &Value) -> String {
    let text = |field: &str| module[field].as_str().unwrap_or("?").to_owned();
    let functions: Vec<&str> = module["functions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let what = if module["unchanged"].as_bool() == Some(true) { "is deployed already" } else { "is deployed" };
    let mut told = format!("{name} {} {what}\n  digest     {}\n  functions  {}\n", text("version"), text("digest"), functions.join(", "));
    let replay = &module["replay"];
    // Without an event there was nothing to rehearse on.
    if replay["events"].as_u64().is_some_and(|events| events > 0) {
        told.push_str(&format!("  rehearsed  {}; `retold replays {}` tells all\n", short(replay), replay["id"].as_str().unwrap_or("?")));
    }
    told.push_str(&warnings(replay));
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_module_is_named_after_its_file_unless_told_otherwise() {
        assert_eq!(name_of("target/release/flight_delays.wasm".as_ref()).as_deref(), Some("flight-delays"));
        assert_eq!(name_of("..".as_ref()), None);
    }

    #[test]
    fn a_deployment_tells_in_a_line_what_the_rehearsal_found() {
        let mut module = json!({ "version": "1.1.0", "digest": "sha256:ab", "functions": ["pricing"], "unchanged": false });
        let plain = told("pricing", &module);
        assert_eq!(plain, "pricing 1.1.0 is deployed\n  digest     sha256:ab\n  functions  pricing\n");
        module["replay"] = json!({ "id": "7", "status": "done", "events": 1_000, "events_per_second": 0.0, "functions": [] });
        assert_eq!(told("pricing", &module), plain + "  rehearsed  nothing differs; 1,000 events; `retold replays 7` tells all\n");
    }
}
