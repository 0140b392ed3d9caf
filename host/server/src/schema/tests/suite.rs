//! The JSON-Schema-Test-Suite's required tests of 2020-12, through the room's own door.

use serde_json::Value;

use crate::schema::Schema;
use crate::schema::library::{Document, meta_schema};

const TESTS: &str = include_str!("../suite/tests.json");
const REMOTES: &str = include_str!("../suite/remotes.json");

/// Tests that fail by design: file, group, test, reason.
const EXCEPTIONS: &[(&str, &str, &str, &str)] = &[];

/// How many there are, so that none is lost.
const TESTS_COUNT: usize = 1257;

#[test]
fn every_required_test_of_json_schema_2020_12_passes() {
    let remotes: Value = serde_json::from_str(REMOTES).unwrap();
    let remote = |(uri, value): (&String, &Value)| Document { uri: uri.clone(), value: value.clone() };
    let remotes: Vec<Document> = remotes.as_object().unwrap().iter().map(remote).collect();
    let files: Value = serde_json::from_str(TESTS).unwrap();
    let (mut count, mut failed) = (0, Vec::new());
    for (file, groups) in files.as_object().unwrap() {
        for group in groups.as_array().unwrap() {
            let compiled = Schema::compile_with(&group["schema"].to_string(), &remotes);
            for test in group["tests"].as_array().unwrap() {
                count += 1;
                let verdict = compiled.as_ref().map(|schema| schema.check(test["data"].to_string().as_bytes()));
                if verdict.as_ref().ok().map(Result::is_ok) != test["valid"].as_bool() {
                    failed.push((file.clone(), group["description"].clone(), test["description"].clone(), format!("{verdict:?}")));
                }
            }
        }
    }
    let unexpected = failed.iter().filter(|(file, group, test, _)| {
        !EXCEPTIONS.iter().any(|(in_file, in_group, exception, _)| file == in_file && group == in_group && test == exception)
    });
    let unexpected: Vec<String> = unexpected.map(|(file, group, test, verdict)| format!("{file}: {group}: {test}: {verdict}")).collect();
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    assert_eq!(failed.len(), EXCEPTIONS.len(), "an exception passes by now: take it off the list");
    assert_eq!(count, TESTS_COUNT);
}

#[test]
fn what_the_meta_schema_refuses_is_no_schema_and_the_other_way_round() {
    let meta = Schema::compile(&meta_schema()[0].value.to_string()).unwrap();
    let files: Value = serde_json::from_str(TESTS).unwrap();
    let groups = files.as_object().unwrap().values().flat_map(|groups| groups.as_array().unwrap());
    let wrong = ["null", "-1", "1.5", "\"a b\"", "[]", "[1]", "{}", "{\"a\":1}", "true", "[\"a\",\"a\"]"];
    let wrong: Vec<Value> = wrong.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let mut keywords: Vec<String> =
        groups.filter_map(|group| group["schema"].as_object()).flat_map(|schema| schema.keys().cloned()).collect();
    keywords.sort();
    keywords.dedup();
    // What names things is judged by more than its form.
    keywords.retain(|keyword| {
        !["$schema", "$id", "$ref", "$dynamicRef", "$vocabulary", "dependencies", "$recursiveAnchor"].contains(&keyword.as_str())
    });
    assert!(keywords.len() > 40, "{keywords:?}");
    for keyword in &keywords {
        for value in &wrong {
            let text = serde_json::json!({ keyword: value }).to_string();
            let (ours, theirs) = (Schema::compile(&text), meta.check(text.as_bytes()));
            assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}: {ours:?} but {theirs:?}");
        }
    }
}
