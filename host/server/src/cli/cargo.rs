//! The user's cargo and rustup: what `build` and `demo` need of them.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

const RUSTUP_ADVICE: &str = "install Rust through https://rustup.rs and try again";

/// A file that cargo made.
#[derive(Debug, PartialEq, Eq)]
pub struct Artifact {
    /// What cargo calls it, such as the library's or the program's name.
    pub name: String,
    pub file: PathBuf,
}

/// Runs `cargo build` in a folder; cargo tells on standard error what it does. Answers the modules
/// and programs of the folder's own packages.
pub fn build(folder: &Path, arguments: &[&str]) -> Result<Vec<Artifact>> {
    let mut command = Command::new(program("CARGO", "cargo"));
    command.current_dir(folder).arg("build").args(arguments).arg("--message-format=json-render-diagnostics");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| not_run("cargo", error))?;
    let messages = BufReader::new(child.stdout.take().context("cargo has no output")?);
    let mut artifacts = Vec::new();
    for line in messages.lines() {
        artifacts.extend(artifact(&line.context("cargo's messages broke off")?));
    }
    if !child.wait()?.success() {
        bail!("cargo could not build {}: what it said stands above", folder.display());
    }
    Ok(artifacts)
}

/// Makes sure that the folder's toolchain can build for WebAssembly; `tell` hears of it if it takes an
/// installation.
pub fn ensure_wasm_target(folder: &Path, tell: impl FnOnce()) -> Result<()> {
    if has_wasm_target(folder)? {
        return Ok(());
    }
    tell();
    let mut rustup = Command::new("rustup");
    rustup.current_dir(folder).args(["target", "add", WASM_TARGET]).stdout(Stdio::null());
    let status = rustup.status().map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            anyhow!("this Rust has no standard library for {WASM_TARGET}, and there is no rustup to add it: {RUSTUP_ADVICE}")
        }
        _ => not_run("rustup", error),
    })?;
    if !status.success() {
        bail!("`rustup target add {WASM_TARGET}` failed: what it said stands above");
    }
    Ok(())
}

fn has_wasm_target(folder: &Path) -> Result<bool> {
    let mut rustc = Command::new(program("RUSTC", "rustc"));
    rustc.current_dir(folder).args(["--print", "target-libdir", "--target", WASM_TARGET]);
    let output = rustc.stderr(Stdio::inherit()).output().map_err(|error| not_run("rustc", error))?;
    if !output.status.success() {
        bail!("rustc could not be asked for its targets: what it said stands above");
    }
    Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// cargo sets the variable for what it runs: then it is the same toolchain.
fn program(variable: &str, name: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| name.into())
}

fn not_run(program: &str, error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::NotFound => anyhow!("there is no {program} here: {RUSTUP_ADVICE}"),
        _ => anyhow::Error::new(error).context(format!("{program} could not be run")),
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    reason: &'a str,
    #[serde(default)]
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    #[serde(default)]
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

/// From one line of cargo's messages; most tell of something else.
fn artifact(line: &str) -> Option<Artifact> {
    let message: Message<'_> = serde_json::from_str(line).ok()?;
    let target = message.target.filter(|_| message.reason == "compiler-artifact")?;
    let is_module = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
    let file = if target.crate_types.iter().any(|kind| kind == "cdylib") {
        message.filenames.into_iter().find(is_module)?
    } else {
        // A program for WebAssembly is no module: it exports nothing.
        message.executable.filter(|file| !is_module(file))?
    };
    Some(Artifact { name: target.name, file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_programs_are_found_in_what_cargo_says() {
        let module = r#"{"reason":"compiler-artifact","package_id":"path+file:///x#flights@0.1.0","target":{"kind":["cdylib","rlib"],"crate_types":["cdylib","rlib"],"name":"flights"},"filenames":["/t/libflights.rlib","/t/flights.wasm"],"executable":null,"fresh":true}"#;
        assert_eq!(artifact(module), Some(Artifact { name: "flights".into(), file: "/t/flights.wasm".into() }));
        let program = r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"crate_types":["bin"],"name":"convert"},"filenames":["/t/convert"],"executable":"/t/convert"}"#;
        assert_eq!(artifact(program).map(|artifact| artifact.file), Some("/t/convert".into()));
        let wasm_program = r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"crate_types":["bin"],"name":"x"},"filenames":["/t/x.wasm"],"executable":"/t/x.wasm"}"#;
        assert_eq!(artifact(wasm_program), None);
        let library = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"crate_types":["lib"],"name":"serde"},"filenames":["/t/libserde.rlib"],"executable":null}"#;
        assert_eq!(artifact(library), None);
        assert_eq!(artifact(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
