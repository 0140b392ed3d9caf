//! The command line, as a user types it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::handlers::order;
use crate::support::{Host, guest, repository, retold};

#[track_caller]
fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn append_from_stdin(host: &Host, text: &str) -> Output {
    let mut child = Command::new(retold())
        .args(["append", "--wait", "handled", "-"])
        .env("RETOLD_URL", &host.url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("retold runs");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("taken");
    child.wait_with_output().expect("it ends")
}

#[test]
fn the_first_ten_minutes_of_the_readme_work_as_written() {
    let host = Host::start();
    guest("hello");
    let wasm = repository().join("guest-examples/target/wasm32-unknown-unknown/release/hello.wasm");
    succeeded(host.retold(&["deploy", wasm.to_str().expect("text")]));
    succeeded(append_from_stdin(&host, &order("1", 3).to_string()));
    let events = succeeded(host.retold(&["events"]));
    assert!(events.contains("order.priced") && events.contains("750"), "{events}");
    let why = succeeded(host.retold(&["why", "3"]));
    assert!(why.contains("pricing") && why.contains("hello"), "{why}");
    let functions = succeeded(host.retold(&["functions"]));
    assert!(functions.contains("pricing"), "{functions}");
    let machine: Value = serde_json::from_str(&succeeded(host.retold(&["functions", "--json"]))).expect("JSON");
    assert!(machine.to_string().contains("pricing"));
    succeeded(host.retold(&["parked", "pricing"]));
}

#[test]
fn exit_codes_tell_refusal_from_failure_from_misuse() {
    let host = Host::start();
    let code = |output: Output| output.status.code();
    assert_eq!(code(append_from_stdin(&host, &order("1", 3).to_string())), Some(0));
    assert_eq!(code(append_from_stdin(&host, &order("1", 4).to_string())), Some(3), "other content under the same id is a refusal");
    assert_eq!(code(append_from_stdin(&host, "nonsense")), Some(3));
    assert_eq!(code(host.retold(&["why", "999"])), Some(3));
    assert_eq!(code(host.retold(&["fly"])), Some(2));
    let nobody = Command::new(retold()).args(["events"]).env("RETOLD_URL", "http://127.0.0.1:9").output().expect("retold runs");
    assert_eq!(nobody.status.code(), Some(1), "{}", String::from_utf8_lossy(&nobody.stderr));
}

#[test]
fn the_demo_tells_the_days_figures_and_ends_when_asked() {
    let data = std::env::temp_dir().join(format!("retold-demo-{}", std::process::id()));
    let output = Command::new(retold())
        .args(["demo", "--exit", "--json", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .current_dir(repository())
        .output();
    let told = succeeded(output.expect("retold runs"));
    let figures = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).next_back().expect("figures as JSON");
    let text = figures.to_string();
    for (name, figure) in [("scheduled", 842), ("departed", 838), ("arrived", 837), ("cancelled", 4), ("delayed", 158), ("knock_ons", 27)] {
        assert!(text.contains(&format!("\"{name}\":{figure}")), "{name} is not {figure} in {text}");
    }
    let _ = std::fs::remove_dir_all(&data);
}
