//! `retold rollback`: a version that ran before takes over again.

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use super::arguments::Common;
use super::client::Client;
use super::deploy::tell;
use super::rehearsing::{Asked, Bounds, Rehearse};
use super::replay::Watch;
use super::uploading::{settled, with_report};

const AFTER_HELP: &str = "\
Examples:
  retold rollback pricing                   the version that ran before takes over again
  retold rollback pricing --to 1.0.0
  retold rollback pricing --rehearse only   what it would make of history now; nothing is changed

It goes back the way it came: state is brought level by replay, and the switch is at one position. What the
newer version made stays in the log. `retold modules --history` lists the versions.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Rollback {
    #[arg(value_name = "MODULE")]
    name: String,
    /// The version to go back to [default: the one that ran before]
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Whether history is replayed through it and compared
    #[arg(long, value_enum, default_value_t = Rehearse::Skip)]
    rehearse: Rehearse,
    #[command(flatten)]
    bounds: Bounds,
}

pub fn run(common: &Common, rollback: &Rollback) -> Result<()> {
    let client = Client::new(common)?;
    let name = &rollback.name;
    let asked = Asked { rehearse: rollback.rehearse, bounds: Some(&rollback.bounds), ..Asked::default() };
    let body = rollback.to.as_ref().map(|to| json!({ "to": to }).to_string()).unwrap_or_default();
    let path = client.path(&["modules", name, "rollback"]) + &asked.query();
    let watch = if common.json { Watch::Quiet } else { Watch::Person };
    let became = client.post(&path, "application/json", body.as_bytes()).and_then(|answer| settled(&client, name, answer, watch));
    let became = with_report(&client, common.json, became).with_context(|| format!("{name} is as it was"))?;
    tell(common, name, &became)
}
