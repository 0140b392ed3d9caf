//! `retold build`: a guest crate becomes a `.wasm` file.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::arguments::Common;
use super::cargo::{self, Artifact, WASM_TARGET};
use super::failure::Usage;
use super::output::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  retold build
  retold build guest-examples/hello
  retold deploy \"$(retold build guest-examples/hello)\"

The crate's type must be `cdylib`. Cargo's own output goes to standard error; standard output has the
path of each module, a line each. The target wasm32-unknown-unknown is added through rustup if it is
missing.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Build {
    /// The crate's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

pub fn run(common: &Common, build: &Build) -> Result<()> {
    let modules = modules(&build.folder)?;
    if common.json {
        let modules: Vec<_> = modules.iter().map(|module| json!({ "name": module.name, "file": module.file })).collect();
        return print_json(&json!({ "modules": modules }));
    }
    modules.iter().try_for_each(|module| print(&format!("{}\n", module.file.display())))
}

/// Builds the modules of a crate; there is at least one.
pub fn modules(folder: &Path) -> Result<Vec<Artifact>> {
    if !folder.join("Cargo.toml").is_file() {
        return Err(Usage(format!("{} is no crate: it has no Cargo.toml", folder.display())).into());
    }
    cargo::ensure_wasm_target(folder, || eprintln!("retold: adding the target {WASM_TARGET} through rustup"))?;
    let mut modules = cargo::build(folder, &["--release", "--target", WASM_TARGET])?;
    modules.retain(|artifact| artifact.file.extension().is_some_and(|extension| extension == "wasm"));
    if modules.is_empty() {
        bail!("{} made no module: put `[lib]` and `crate-type = [\"cdylib\"]` into its Cargo.toml", folder.display());
    }
    Ok(modules)
}
