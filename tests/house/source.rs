//! Rules about the source: sizes, what the engine must not know.

use retold_tests::{files, read, root};

const LINES_MAX: usize = 700;

/// Lines that are code: not comments, and not the tests at a file's end.
pub fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| line.trim() != "#[cfg(test)]").filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn no_file_is_so_long_that_it_swallows_the_house() {
    for folder in ["host", "sdk", "tests", "guest-examples"] {
        for file in files(&root().join(folder), "rs") {
            let lines = read(&file).lines().count();
            assert!(lines <= LINES_MAX, "{} has {lines} lines: split it, at most {LINES_MAX}", file.display());
        }
    }
}

#[test]
fn the_engine_has_no_clock_thread_or_socket() {
    let absent = [
        "std::thread",
        "std::time",
        "SystemTime",
        "Instant",
        "std::net",
        "std::process",
        "std::env",
        "tokio",
        "wasmtime",
        "rand::",
        "println!",
    ];
    let engine = root().join("host/engine");
    for file in files(&engine.join("src"), "rs") {
        let text = read(&file);
        for line in code(&text) {
            if let Some(word) = absent.iter().find(|word| line.contains(**word)) {
                panic!("{} holds {word}: {line}", file.display());
            }
        }
    }
    let manifest = read(&engine.join("Cargo.toml"));
    for package in ["tokio", "wasmtime", "hyper", "tracing", "rand"] {
        assert!(!manifest.lines().any(|line| line.starts_with(package)), "the engine depends on {package}");
    }
}

#[test]
fn no_mistake_can_be_planted_in_what_is_released() {
    let plant = read(&root().join("host/engine/src/plant.rs"));
    let refused = plant.split("#[cfg(all(feature = \"plant\", not(debug_assertions)))]\n").nth(1);
    assert!(refused.is_some_and(|rest| rest.starts_with("compile_error!")), "a release build takes the feature `plant`");
    for manifest in ["Cargo.toml", "host/engine/Cargo.toml", "host/server/Cargo.toml", "sdk/Cargo.toml", "tests/Cargo.toml"] {
        let text = read(&root().join(manifest));
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains("plant"));
        let expected: &[&str] = match manifest {
            "host/engine/Cargo.toml" => &["plant = []"],
            "tests/Cargo.toml" => &["plant = [\"retold-engine/plant\"]"],
            _ => &[],
        };
        assert_eq!(lines.collect::<Vec<_>>(), expected, "{manifest} turns the feature `plant` on");
    }
}

#[test]
fn the_sdk_and_the_host_stand_on_the_wit_contract_and_not_on_each_other() {
    let depends = |folder: &str, on: &str| {
        let manifest = read(&root().join(folder).join("Cargo.toml"));
        let dependencies = manifest.split("[dependencies]").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap_or_default().to_owned();
        dependencies.lines().any(|line| line.split(['=', '.', ' ']).next() == Some(on))
    };
    for on in ["retold-engine", "retold-server"] {
        assert!(!depends("sdk", on), "sdk depends on {on}");
        assert!(!depends("sdk/macros", on), "sdk/macros depends on {on}");
    }
    for host in ["host/engine", "host/server"] {
        assert!(!depends(host, "retold") && !depends(host, "retold-sdk") && !depends(host, "retold-macros"), "{host} depends on the sdk");
    }
    assert!(!depends("host/engine", "retold-server"));
}
