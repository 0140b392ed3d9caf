//! Builds the copy, and finds the programs that hold the tests.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::run::{Programs, Test};
use crate::sources::{copied, folder};

pub fn build() -> Result<Programs, String> {
    // As the tests themselves ask for it.
    cargo(&["build", "--workspace", "--bin", "retold", "--test", "it"])?;
    let programs = ["--lib", "--test", "it", "--test", "sim", "--message-format", "json-render-diagnostics"];
    let told = cargo(&[&["test", "--no-run", "--workspace"], &programs[..]].concat())?;
    let mut tests: BTreeMap<String, Vec<Test>> = BTreeMap::new();
    for line in told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let (Some(program), true) = (line["executable"].as_str(), line["profile"]["test"] == true) else { continue };
        let list = Command::new(program).arg("--list").output().map_err(|error| format!("{program}: {error}"))?;
        for path in String::from_utf8_lossy(&list.stdout).lines().filter_map(|line| line.strip_suffix(": test")) {
            let name = path.rsplit("::").next().unwrap_or(path);
            tests.entry(name.to_owned()).or_default().push(Test { program: program.to_owned(), path: path.to_owned() });
        }
    }
    Ok(Programs { tests })
}

fn cargo(words: &[&str]) -> Result<String, String> {
    let mut cargo = retold_tests::cargo();
    cargo.args(words).arg("--locked").arg("--target-dir").arg(folder().join("build")).current_dir(copied()).stderr(Stdio::inherit());
    let output = cargo.output().map_err(|error| format!("cargo can't be run: {error}"))?;
    if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).into_owned()) } else { Err("the copy can't be built".into()) }
}
