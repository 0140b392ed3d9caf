//! The pages on what can go wrong can't drift: every case is there, every test that they lean on is one, and
//! every bound stands so in the code.

use std::collections::{BTreeMap, BTreeSet};

use retold_tests::{files, read, root};

use crate::pages::{is_sentence, named};

/// Cases by their letter. A number is never given to another case.
const CASES: &[(char, u32)] = &[('W', 34), ('H', 22), ('E', 10), ('K', 11), ('C', 18)];

/// Tests of all programs: functions under `#[test]` that are run.
pub fn tests(folder: &str) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for file in files(&root().join(folder), "rs") {
        tests.extend(tests_in(&read(&file)));
    }
    tests
}

fn tests_in(text: &str) -> Vec<String> {
    let mut tests = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in text.lines().map(str::trim) {
        is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
        is_ignored |= line.starts_with("#[ignore");
        if line.starts_with("#[") || line.starts_with("//") {
            continue;
        }
        let name = line.split_once("fn ").and_then(|(_, rest)| rest.split(['(', '<']).next());
        tests.extend(name.filter(|_| is_test && !is_ignored).map(str::to_owned));
        (is_test, is_ignored) = (false, false);
    }
    tests
}

fn all_tests() -> BTreeSet<String> {
    ["host", "sdk", "tests", "guest-examples"].into_iter().flat_map(tests).collect()
}

/// Cells of the rows of a page's tables that `wanted` takes by their first cell.
fn rows(page: &str, wanted: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let text = read(&root().join(page));
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    text.lines().filter(|line| line.starts_with("| ")).map(cells).filter(|cells| wanted(&cells[0])).collect()
}

/// A case's number, such as `H6`.
fn is_case(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| CASES.iter().any(|(letter, _)| *letter == first))
        && !letters.as_str().is_empty()
        && letters.all(|digit| digit.is_ascii_digit())
}

/// The tests of each case.
pub fn shown_by() -> BTreeMap<String, Vec<String>> {
    rows("docs/threats.md", is_case).into_iter().map(|row| (row[0].clone(), named(&row[3]))).collect()
}

#[test]
fn every_case_stands_on_the_page_of_threats_once_and_with_what_shows_it() {
    let rows = rows("docs/threats.md", is_case);
    let expected: Vec<String> =
        CASES.iter().flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}"))).collect();
    let found: Vec<&String> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(found, expected.iter().collect::<Vec<_>>());
    for row in &rows {
        let [case, tried, happens, shown] = &row[..] else { panic!("{row:?} has not four cells") };
        assert!(!tried.is_empty() && !happens.is_empty(), "{case} says too little");
        let names = named(shown);
        let only_tests = !names.is_empty() && names.iter().all(|name| is_sentence(name));
        assert!(only_tests || shown == "no test", "{case} is shown by {shown:?}: name tests, or say `no test`");
    }
}

#[test]
fn every_test_that_a_promise_leans_on_is_a_test_that_runs() {
    let all = all_tests();
    for page in ["GUARANTEES.md", "docs/threats.md", "docs/DETERMINISM.md", "SECURITY.md"] {
        let text = read(&root().join(page));
        let missing: Vec<String> = named(&text).into_iter().filter(|name| is_sentence(name) && !all.contains(name)).collect();
        assert!(missing.is_empty(), "{page} names what is no test, or an ignored one: {missing:?}");
    }
}

/// `…_h6_h21` is a test of the cases H6 and H21.
#[test]
fn a_test_that_names_a_case_stands_in_the_cases_row() {
    let rows = shown_by();
    for test in all_tests() {
        let cases = test.rsplit('_').map(str::to_ascii_uppercase).take_while(|part| is_case(part));
        for case in cases {
            let named = rows.get(&case).unwrap_or_else(|| panic!("{test} names the case {case}, which there isn't"));
            assert!(named.contains(&test), "{test} is not in the row of {case}");
        }
    }
}

#[test]
fn every_bound_on_the_page_of_security_stands_so_in_the_code() {
    let rows = rows("SECURITY.md", |_| true);
    let bounds: Vec<_> = rows.iter().filter(|row| row.len() == 3 && row[2].ends_with(".rs`")).collect();
    assert!(bounds.len() > 15, "only {} bounds were found", bounds.len());
    for row in bounds {
        let (value, file) = (row[1].trim_matches('`'), row[2].trim_matches('`'));
        assert!(read(&root().join(file)).contains(value), "{}: {file} doesn't say {value}", row[0]);
    }
}

#[test]
fn the_reader_of_tests_tells_them_from_other_functions() {
    let text = "#[test]\nfn one() {}\n/// Not\nfn helper() {}\n#[test]\n#[ignore = \"slow\"]\nfn two() {}\n#[test]\n#[should_panic]\n// why\nfn three<T>() {}";
    assert_eq!(tests_in(text), ["one", "three"]);
    assert!(is_case("H6") && is_case("W34") && !is_case("X1") && !is_case("H") && !is_case("Host"));
}
