//! `/openapi.json` in the hands of a stranger: schemathesis (PyPI) sends what the description allows and what it doesn't, and
//! holds every answer against it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::{Host, guest, guest_file, repository};

/// What an answer is held against. Whether a request is refused that a schema allows is not asked: a schema can't say
/// all that makes a request one.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method";

/// These end what the others ask of: what is there, how much may be added, or that whoever asks needs no token.
const ENDING: &[&str] = &["dropNamespace", "removeModule", "promote", "createToken", "setQuota"];

/// The folder of its packages; `None` where Python or its registry is not at hand.
fn schemathesis() -> Option<PathBuf> {
    let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"]).arg(&packages);
    let output = pip.arg("--requirement").arg(repository().join("tests/it/openapi/requirements.txt")).output();
    let why = match output {
        Ok(output) if output.status.success() => return Some(packages),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!("skipped: pip can't install schemathesis here: {}", why.trim());
    None
}

/// Sends it all, with paths as one of the files of settings says.
fn ask(host: &Host, packages: &Path, settings: &str, without: &[&str]) {
    let folder = repository().join("tests/it/openapi");
    let mut python = Command::new("python3");
    python.args(["-m", "schemathesis.cli", "--config-file"]).arg(folder.join(settings)).arg("run");
    python.arg(format!("{}/openapi.json", host.url)).args(["--url", &host.url, "--checks", CHECKS]);
    python.args(["--phases", "coverage,fuzzing", "--max-examples", "10", "--seed", "1", "--request-timeout", "60", "--no-color"]);
    without.iter().for_each(|operation| {
        python.args(["--exclude-operation-id", operation]);
    });
    python.env("PYTHONPATH", format!("{}:{}", packages.display(), folder.display())).env("PYTHONDONTWRITEBYTECODE", "1");
    python.env("SCHEMATHESIS_HOOKS", "hooks").env("RETOLD_TEST_MODULE", guest_file("hello")).current_dir(env!("CARGO_TARGET_TMPDIR"));
    let output = python.output().expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{settings}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Test cases:"), "it asked nothing: {said}");
}

#[test]
fn no_answer_is_outside_its_description_and_none_is_a_fault_of_the_host() {
    let Some(packages) = schemathesis() else { return };
    let host = Host::start();
    host.web.deploy("shop", &guest("shop")).expect(201);
    host.web.command("stock.receive", "stock/apple", "1", &json!({ "quantity": 5 })).expect(200);
    host.web.command("cart.add-item", "cart/1", "2", &json!({ "sku": "apple", "quantity": 2 })).expect(200);
    host.web.command("cart.check-out", "cart/1", "3", &json!({ "customer": "ada" })).expect(200);
    host.web.send("PUT", "consumers/reader", &[("content-type", "application/json")], b"{}").expect(201);
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"fork","fork":{"base":"main"}}"#).expect(201);

    ask(&host, &packages, "here.toml", ENDING);
    ask(&host, &packages, "anywhere.toml", &["createToken"]);
    host.web.get("events?limit=1").expect(200);
}
