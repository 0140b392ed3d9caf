//! `retold deploy`: a module goes to the host, and its functions start.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use super::arguments::Common;
use super::client::Client;
use super::failure::Usage;
use super::output::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  retold deploy target/wasm32-unknown-unknown/release/pricing.wasm
  retold deploy build/pricing-2.wasm --name pricing

The host checks the module, and only when all is well do its functions take the place of the older
version's. The same bytes again change nothing.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Deploy {
    /// The module: what `retold build` printed
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// The module's name, as its manifest has it [default: the file's name, with - for _]
    #[arg(long)]
    name: Option<String>,
}

pub fn run(common: &Common, deploy: &Deploy) -> Result<()> {
    let name = match &deploy.name {
        Some(name) => name.clone(),
        None => name_of(&deploy.file).ok_or_else(|| Usage("give the module a --name: its file has none".into()))?,
    };
    let deployed = upload(&Client::new(common)?, &deploy.file, &name)?;
    if common.json { print_json(&deployed) } else { print(&told(&name, &deployed)) }
}

/// Answers what the host says of the module.
pub fn upload(client: &Client, file: &Path, name: &str) -> Result<Value> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let path = client.path(&["modules", name]);
    client.put(&path, "application/wasm", &bytes).with_context(|| format!("{name} is not deployed"))
}

/// `flight_delays.wasm` is the module `flight-delays`, as cargo writes `_` for `-`.
pub fn name_of(file: &Path) -> Option<String> {
    Some(file.file_stem()?.to_str()?.replace('_', "-"))
}

fn told(name: &str, deployed: &Value) -> String {
    let text = |field: &str| deployed[field].as_str().unwrap_or("?").to_owned();
    let functions: Vec<&str> = deployed["functions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let what = if deployed["unchanged"].as_bool() == Some(true) { "is deployed already" } else { "is deployed" };
    format!("{name} {} {what}\n  digest     {}\n  functions  {}\n", text("version"), text("digest"), functions.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_after_its_file_unless_told_otherwise() {
        assert_eq!(name_of("target/release/flight_delays.wasm".as_ref()).as_deref(), Some("flight-delays"));
        assert_eq!(name_of("..".as_ref()), None);
    }
}
