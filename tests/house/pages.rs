//! Pages tell the truth: the files and tests that they name are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use retold_tests::{cargo, files, read, root};
use serde_json::Value;

use crate::threats::tests;

const REQUIRED: &[&str] = &[
    "README.md",
    "GUARANTEES.md",
    "SECURITY.md",
    "RELIABILITY.md",
    "CHANGELOG.md",
    "docs/ARCHITECTURE.md",
    "docs/DATA_FILE.md",
    "docs/DETERMINISM.md",
    "docs/SIMULATOR.md",
    "docs/threats.md",
];

/// Where a path on a page may begin, beside the page's own folder.
const BASES: &[&str] = &["", "host", "host/engine", "host/server", "host/engine/src", "host/server/src", "sdk/src", "guest-examples"];

/// Tests stand under these labels in GUARANTEES.md.
const LABELS: &[(&str, &str)] = &[
    ("sim", "tests/sim"),
    ("it", "tests/it"),
    ("house", "tests/house"),
    ("engine", "host/engine"),
    ("server", "host/server"),
    ("sdk", "sdk"),
];

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = ["README.md", "GUARANTEES.md", "SECURITY.md", "RELIABILITY.md", "CHANGELOG.md"]
        .iter()
        .map(|name| root().join(name))
        .filter(|page| page.is_file())
        .collect();
    pages.extend(files(&root().join("docs"), "md"));
    pages
}

/// Texts in backticks, and the targets of links; code blocks are left out.
pub fn named(text: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (index, part) in text.split("```").enumerate() {
        if index % 2 == 0 {
            named.extend(part.split('`').enumerate().filter(|(index, _)| index % 2 == 1).map(|(_, name)| name.to_owned()));
            named.extend(part.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()).map(str::to_owned));
        }
    }
    named
}

/// Whether a text means a file or folder of the repository.
fn is_path(text: &str) -> bool {
    let plain = text.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./".contains(letter));
    let endings = [".md", ".rs", ".toml", ".wit"];
    let first = text.split('/').next().unwrap_or_default();
    plain
        && !text.starts_with(['/', '.'])
        && !text.contains("//")
        && (endings.iter().any(|ending| text.ends_with(ending) && text.len() > ending.len())
            || (text.contains('/') && !first.is_empty() && root().join(first).exists()))
}

fn exists(page: &Path, path: &str) -> bool {
    let beside = page.parent().map(|folder| folder.join(path));
    beside.is_some_and(|path| path.exists()) || BASES.iter().any(|base| root().join(base).join(path).exists())
}

/// Names of all tests, and of other functions, under a folder.
fn functions(folder: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files(&root().join(folder), "rs") {
        for line in read(&file).lines() {
            if let Some((_, rest)) = line.split_once("fn ") {
                names.extend(rest.split(['(', '<']).next().map(str::to_owned));
            }
        }
    }
    names
}

/// Whether a text is a test's name: a sentence in lower case. What begins as a metric does is one.
pub fn is_sentence(text: &str) -> bool {
    text.matches('_').count() >= 3
        && !text.starts_with("retold_")
        && text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

#[test]
fn the_required_pages_are_there() {
    for page in REQUIRED {
        assert!(root().join(page).is_file(), "{page} is missing");
    }
}

#[test]
fn every_path_on_a_page_exists() {
    let mut missing = Vec::new();
    for page in pages() {
        for name in named(&read(&page)).into_iter().filter(|name| is_path(name)) {
            if !exists(&page, &name) {
                missing.push(format!("{}: {name}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "pages name files that are not there:\n{}", missing.join("\n"));
}

#[test]
fn every_test_on_a_page_exists() {
    let all: BTreeSet<String> = ["host", "sdk", "tests", "guest-examples"].into_iter().flat_map(functions).collect();
    let mut missing = Vec::new();
    for page in pages() {
        for name in named(&read(&page)).into_iter().filter(|name| is_sentence(name)) {
            if !all.contains(&name) {
                missing.push(format!("{}: {name}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "pages name tests that are not there:\n{}", missing.join("\n"));
}

#[test]
fn a_guarantee_names_its_tests_under_the_right_program() {
    let Ok(text) = std::fs::read_to_string(root().join("GUARANTEES.md")) else { return };
    let mut label = None;
    for line in text.lines() {
        if let Some(item) = line.trim_start().strip_prefix("- ") {
            label = LABELS.iter().find(|(label, _)| item.strip_prefix(label).is_some_and(|rest| rest.starts_with(':')));
        } else if !line.starts_with(' ') {
            label = None;
        }
        let Some((label, folder)) = label else { continue };
        let there = tests(folder);
        for name in named(line).into_iter().filter(|name| is_sentence(name)) {
            assert!(there.contains(&name), "GUARANTEES.md names {name} under {label}, but it is not in {folder}");
        }
    }
}

#[test]
fn every_guarantee_has_a_test() {
    let Ok(text) = std::fs::read_to_string(root().join("GUARANTEES.md")) else { return };
    for section in text.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap_or_default();
        let numbered = title.starts_with(|letter: char| letter.is_ascii_digit());
        assert!(
            !numbered || named(section).iter().any(|name| is_sentence(name)) || section.contains("not built yet"),
            "guarantee {title:?} names no test"
        );
    }
}

#[test]
fn every_table_of_a_segment_is_described() {
    let tables = read(&root().join("host/engine/src/store/tables.rs"));
    let Ok(page) = std::fs::read_to_string(root().join("docs/DATA_FILE.md")) else { return };
    let described: BTreeSet<String> = named(&page).into_iter().collect();
    let segments = tables.split("Of a segment").nth(1).and_then(|rest| rest.split("Of `catalogue").next()).unwrap_or_default();
    for name in segments.split("TableDefinition::new(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(described.contains(name), "docs/DATA_FILE.md doesn't describe the table `{name}`");
    }
}

#[test]
fn the_first_command_of_the_readme_finds_its_program_among_all() {
    assert!(read(&root().join("README.md")).contains("\ncargo run --release -- demo\n"));
    let told = cargo().args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root()).output();
    let metadata: Value = serde_json::from_slice(&told.expect("cargo runs").stdout).expect("it answers with JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let default: Vec<&str> = packages.iter().filter_map(|package| package["default_run"].as_str()).collect();
    assert_eq!(default, ["retold"], "`cargo run` has several programs to choose from, and is told of one");
    let is_it = |target: &Value| target["kind"][0] == "bin" && target["name"] == "retold";
    assert!(packages.iter().any(|package| package["targets"].as_array().is_some_and(|targets| targets.iter().any(is_it))));
}
