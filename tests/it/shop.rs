//! The shop: its tutorial as it is written, and its scenarios.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::json;

use crate::support::{guest, repository, retold};

/// A block of a page, and what it must print.
struct Block {
    command: String,
    prints: Option<String>,
}

/// The `sh` blocks of a page, each with the block behind it that says what it prints.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find("```") {
        let (language, after) = rest[at + 3..].split_once('\n').expect("a line");
        let (text, after) = after.split_once("```").expect("a block ends");
        match language {
            "sh" => blocks.push(Block { command: text.trim().to_owned(), prints: None }),
            "text" | "mermaid" => blocks.last_mut().expect("a command before it").prints = Some(text.trim().to_owned()),
            other => panic!("a block of {other:?}: what is it?"),
        }
        rest = after;
    }
    blocks
}

/// Whether a text is as expected, where `…` stands for anything.
fn fits(expected: &str, printed: &str) -> bool {
    let mut parts = expected.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// A host that the tutorial starts in the background. Its data goes with it.
struct Background {
    process: Child,
    data: PathBuf,
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// A shell in the shop's folder that finds the binary, and prints as a terminal shows it.
fn shell(command: &str, url: &str) -> Command {
    let folder = retold().parent().expect("the binary lies in a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path))).expect("a path");
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("exec 2>&1; {command}")]).current_dir(repository().join("guest-examples/shop"));
    shell.env("PATH", path).env("RETOLD_URL", url).stdin(Stdio::null());
    shell
}

fn serve(command: &str) -> (Background, String) {
    let data = repository().join("guest-examples/shop/shop-data");
    assert!(!data.exists(), "{} is in the way: a host of yours may be using it", data.display());
    let command = format!("exec {} --listen 127.0.0.1:0", command.trim_end_matches('&'));
    let process = shell(&command, "").env("RUST_LOG", "warn").stdout(Stdio::piped()).spawn().expect("bash runs");
    let mut background = Background { process, data };
    let mut line = String::new();
    let stdout = background.process.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("it prints where it listens");
    (background, line.trim().to_owned())
}

#[test]
fn the_shops_tutorial_runs_as_it_is_written() {
    // Built here, in turn with whoever else wants them, the tutorial's own builds find them as they are.
    for module in ["shop", "shop-v2"] {
        guest(module);
    }
    let page = std::fs::read_to_string(repository().join("guest-examples/shop/README.md")).expect("the tutorial");
    let (mut background, mut url) = (None, String::new());
    let blocks = blocks(&page);
    assert!(blocks.len() > 20, "the tutorial has {} commands", blocks.len());
    for Block { command, prints } in blocks {
        let (printed, expected) = if command.ends_with('&') {
            let (host, line) = serve(&command);
            background = Some(host);
            url = line.rsplit(' ').next().unwrap_or_default().to_owned();
            // The port is the one thing that a test can't leave as it is written.
            (line, prints.map(|text| text.replace("http://127.0.0.1:7070", &url)))
        } else {
            let output = shell(&command, &url).output().expect("bash runs");
            (String::from_utf8(output.stdout).expect("text").trim().to_owned(), prints)
        };
        let expected = expected.unwrap_or_else(|| panic!("the tutorial doesn't say what {command:?} prints"));
        assert!(fits(&expected, &printed), "$ {command}\nshould print\n{expected}\nand prints\n{printed}");
    }
    drop(background);
    assert!(!repository().join("guest-examples/shop/shop-data").exists());
}

#[test]
fn what_the_tutorial_shows_is_held_against_what_is_printed_letter_by_letter() {
    for (expected, printed, same) in [
        ("a b", "a b", true),
        ("a b", "a b c", false),
        ("a…c", "a b c", true),
        ("a…c", "a b c d", false),
        ("…b…", "a b c", true),
        ("{…1…2}", "{1 2}", true),
        ("{…2…1…}", "{1 2}", false),
        ("…", "", true),
    ] {
        assert_eq!(fits(expected, printed), same, "{expected} {printed}");
    }
}

/// A folder with one file of scenarios.
struct Scenarios(PathBuf);

impl Scenarios {
    fn new(name: &str, scenarios: &serde_json::Value) -> Scenarios {
        let folder = std::env::temp_dir().join(format!("retold-scenarios-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("made");
        std::fs::write(folder.join("scenarios.json"), scenarios.to_string()).expect("written");
        Scenarios(folder)
    }
}

impl Drop for Scenarios {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn test(module: &str, scenarios: &Path) -> Output {
    guest(module);
    let file = format!("guest-examples/target/wasm32-unknown-unknown/release/{}.wasm", module.replace('-', "_"));
    Command::new(retold()).args(["test"]).arg(repository().join(file)).arg(scenarios).output().expect("retold runs")
}

#[test]
fn a_scenario_that_does_not_end_as_it_says_fails_and_the_difference_is_told() {
    let given = json!([{ "type": "stock.received", "subject": "stock/apple", "data": { "quantity": 5 } }]);
    let reserve =
        |quantity: u32| json!({ "command": { "type": "stock.reserve", "subject": "stock/apple", "data": { "quantity": quantity } } });
    let scenarios = Scenarios::new(
        "wrong",
        &json!([
            { "name": "four of five are three", "given": given, "when": reserve(4),
              "then": { "events": [{ "type": "stock.reserved", "subject": "stock/apple", "data": { "quantity": 4, "left": 3 } }] } },
            { "name": "five of five are too many", "given": given, "when": reserve(5), "then": { "rejected": { "code": "out-of-stock" } } },
            { "name": "six of five are refused in other words", "given": given, "when": reserve(6), "then": { "rejected": { "code": "sold-out" } } },
            { "name": "one of five is fine", "given": given, "when": reserve(1), "then": { "events": [{ "type": "stock.reserved" }] } },
        ]),
    );
    let output = test("shop", &scenarios.0);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    for told in [
        "FAILED  four of five are three",
        r#"{"left":1,"quantity":4}, which is not expected"#,
        "FAILED  five of five are too many",
        r#"expected a refusal with the code "out-of-stock": there was none"#,
        "FAILED  six of five are refused in other words",
        r#"expected a refusal with the code "sold-out", found "out-of-stock""#,
        "passed  one of five is fine",
        "4 scenarios in 5 ways each, 3 failed",
    ] {
        assert!(printed.contains(told), "{told:?} is not in\n{printed}");
    }
}

#[test]
fn a_module_that_counts_in_a_static_fails_its_scenario_though_each_answer_is_as_expected() {
    let asked = |subject: &str| json!({ "type": "test.nondeterministic", "subject": subject, "data": {} });
    let scenarios = Scenarios::new(
        "static",
        &json!([{
            "name": "two events are two answers",
            "given": [asked("a")],
            "when": { "event": asked("b") },
            "then": { "events": [{ "type": "test.nondeterministically-counted" }] },
        }]),
    );
    let output = test("faulty-kinds", &scenarios.0);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("FAILED  two events are two answers"), "{printed}");
    assert!(printed.contains("static") || printed.contains("nondeterministic"), "{printed}");
}

#[test]
fn scenarios_that_are_none_are_a_misuse() {
    let scenarios = Scenarios::new("bad", &json!([{ "name": "x", "when": { "telepathy": {} }, "then": {} }]));
    let output = test("shop", &scenarios.0);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("scenarios.json"), "{said}");
    let mut nothing = String::new();
    output.stdout.as_slice().read_to_string(&mut nothing).expect("text");
    assert_eq!(nothing, "");
}
