//! Schemas and data that want the host's time or its stack.

use serde_json::json;

use super::schema;
use crate::schema::{CHECK_DEPTH_MAX, CHECK_STEPS_MAX, JSON_NESTING_MAX, Schema, Violation};

/// Half of what a thread of the host has.
const STACK_BYTES: usize = 1 << 20;

#[track_caller]
fn check_ends_by_steps(schema_text: &str, data: &str, steps: u64) {
    let violation = schema(schema_text).check_within(data.as_bytes(), steps).expect_err("too many steps");
    assert!(violation.what.contains(&format!("more than {steps} steps")), "{violation}");
    assert_eq!((violation.path.as_str(), violation.keyword.as_str()), ("", ""));
}

/// `$defs` in which each is twice the one before, in place.
fn doubling(keyword: &str, levels: usize, last: &str) -> String {
    let one =
        |level: usize| format!(r##""d{level}": {{"{keyword}": [{{"$ref": "#/$defs/d{0}"}}, {{"$ref": "#/$defs/d{0}"}}]}}"##, level + 1);
    let defs: Vec<String> = (0..levels).map(one).collect();
    format!(r##"{{"$ref": "#/$defs/d0", "$defs": {{{}, "d{levels}": {last}}}}}"##, defs.join(","))
}

#[test]
fn a_schema_that_doubles_at_each_level_compiles_at_once_and_ends_by_steps() {
    for (keyword, last) in [("allOf", "true"), ("anyOf", "false"), ("oneOf", "false")] {
        check_ends_by_steps(&doubling(keyword, 60, last), "1", 10_000);
    }
    check_ends_by_steps(r##"{"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}"##, &arrays(60), 10_000);
    check_ends_by_steps(
        r##"{"anyOf": [{"items": {"$ref": "#"}}, {"contains": {"$ref": "#"}}], "type": "array"}"##,
        &format!("{}1{}", "[".repeat(60), "]".repeat(60)),
        10_000,
    );
    let unevaluated = r##"{"$ref": "#/$defs/d0", "unevaluatedProperties": false, "$defs": {"##.to_owned()
        + doubling("anyOf", 60, "true").split_once(r#""$defs": {"#).unwrap().1;
    check_ends_by_steps(&unevaluated, "{}", 10_000);
}

#[test]
fn a_schema_that_doubles_within_the_steps_is_answered() {
    assert!(schema(&doubling("allOf", 10, "true")).check_within(b"1", 10_000).is_ok());
    assert!(schema(&doubling("anyOf", 60, "true")).check_within(b"1", 10_000).is_ok(), "the first that fits is enough");
}

#[test]
fn the_steps_of_a_check_are_the_same_each_time() {
    let schema = schema(&doubling("allOf", 8, "true"));
    let enough = (0..10_000).find(|&steps| schema.check_within(b"1", steps).is_ok()).unwrap();
    assert_eq!(enough, 1 + 1 + (1..=8).map(|level| 2 << level).sum::<u64>());
    for _ in 0..3 {
        assert!(schema.check_within(b"1", enough - 1).is_err() && schema.check_within(b"1", enough).is_ok());
    }
}

#[test]
fn large_arrays_end_by_steps() {
    let numbers: Vec<usize> = (0..20_000).collect();
    let large = json!(numbers).to_string();
    check_ends_by_steps(r#"{"contains": {"anyOf": [false, false]}}"#, &large, 10_000);
    check_ends_by_steps(r#"{"unevaluatedItems": {"type": "integer"}}"#, &large, 10_000);
    check_ends_by_steps(&json!({ "items": { "enum": numbers } }).to_string(), &large, CHECK_STEPS_MAX);
    check_ends_by_steps(r#"{"items": {"pattern": "^(a|b|c|d)*$"}}"#, &json!(vec!["a".repeat(1_000); 1_000]).to_string(), 10_000);
}

#[test]
fn an_array_of_many_distinct_items_is_unique_in_linear_steps() {
    let items: Vec<_> = (0..100_000).map(|number| json!([number, "x"])).collect();
    let unique = schema(r#"{"uniqueItems": true}"#);
    assert!(unique.check(json!(items).to_string().as_bytes()).is_ok());
    let mut items = items;
    items.push(json!([7.0, "x"]));
    let violation = unique.check(json!(items).to_string().as_bytes()).unwrap_err();
    assert_eq!(violation.what, "must have no item twice, and items 7 and 100000 are the same");
}

#[test]
fn a_pattern_that_makes_others_backtrack_for_ever_ends_at_once() {
    let evil = schema(r#"{"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}"#);
    let violation = evil.check(format!("\"{}\"", "a".repeat(5_000)).as_bytes()).unwrap_err();
    assert!(violation.what.starts_with("must match the pattern"), "{violation}");
    check_ends_by_steps(r#"{"pattern": "(a?){300}b"}"#, &format!("\"{}\"", "a".repeat(1_000_000)), CHECK_STEPS_MAX);
}

#[test]
fn data_nested_too_deep_is_a_violation_and_no_stack_overflow() {
    let recursive = schema(r##"{"items": {"$ref": "#"}, "uniqueItems": true}"##);
    let check = |levels: usize| recursive.check(arrays(levels).as_bytes());
    assert!(check(JSON_NESTING_MAX).is_ok());
    for levels in [JSON_NESTING_MAX + 1, 100_000, 1_000_000] {
        assert_eq!(check(levels).unwrap_err().what, "nests more than 127 arrays and objects (limit `schema-nesting`)");
    }
    let unclosed = recursive.check("[".repeat(100_000).as_bytes()).unwrap_err();
    assert!(unclosed.what.contains("schema-nesting"), "{unclosed}");
}

#[test]
fn the_deepest_check_that_is_allowed_needs_little_stack() {
    // A chain of references, each inside every verb that keeps a frame.
    let wrap = |inner: String, level: usize| match level % 4 {
        0 => format!(r#"{{"anyOf": [false, {inner}]}}"#),
        1 => format!(r#"{{"oneOf": [{inner}]}}"#),
        2 => format!(r#"{{"not": {{"not": {inner}}}}}"#),
        _ => format!(r#"{{"if": {inner}, "else": false}}"#),
    };
    let one = |level: usize| format!(r##""d{level}": {}"##, wrap(format!(r##"{{"$ref": "#/$defs/d{}"}}"##, level + 1), level));
    let defs: Vec<String> = (0..1_000).map(one).collect();
    let long = format!(r##"{{"$ref": "#/$defs/d0", "$defs": {{{}, "d1000": true}}}}"##, defs.join(","));
    let violation = on_a_small_stack(long, "1".to_owned()).unwrap_err();
    assert!(violation.what.contains(&format!("more than {CHECK_DEPTH_MAX} subschemas")), "{violation}");

    // Says why nothing fits while saying why nothing fits.
    let one = |level: usize| format!(r##""d{level}": {{"anyOf": [{{"$ref": "#/$defs/d{}"}}]}}"##, level + 1);
    let defs: Vec<String> = (0..CHECK_DEPTH_MAX / 2 - 1).map(one).collect();
    let choices = format!(r##"{{"$ref": "#/$defs/d0", "$defs": {{{}, "d{}": {{"type": "null"}}}}}}"##, defs.join(","), defs.len());
    let violation = on_a_small_stack(choices, "1".to_owned()).unwrap_err();
    assert!(violation.what.starts_with("doesn't fit the schema of `anyOf`"), "{violation}");

    let deep = r##"{"additionalProperties": {"$ref": "#/$defs/a"}, "$defs": {"a": {"anyOf": [{"$ref": "#"}]}}}"##;
    let objects = format!("{}1{}", r#"{"a":"#.repeat(JSON_NESTING_MAX), "}".repeat(JSON_NESTING_MAX));
    on_a_small_stack(deep.to_owned(), objects).unwrap();
    let not_unique = r##"{"items": {"$ref": "#"}, "contains": {"$ref": "#"}, "minContains": 0}"##;
    on_a_small_stack(not_unique.to_owned(), arrays(12)).unwrap();
}

#[test]
fn a_dynamic_reference_that_goes_round_in_place_is_ended_by_depth() {
    let text = r##"{"$dynamicAnchor": "x", "anyOf": [{"$dynamicRef": "#x"}]}"##;
    let violation = on_a_small_stack(text.to_owned(), "1".to_owned()).unwrap_err();
    assert!(violation.what.contains("limit `schema-depth`"), "{violation}");
}

#[test]
fn a_long_chain_of_references_is_compiled_without_using_the_stack() {
    let one = |level: usize| format!(r##""{level}": {{"$ref": "#/$defs/{}"}}"##, level + 1);
    let defs: Vec<String> = (0..5_000).map(one).collect();
    let text = format!(r##"{{"$defs": {{{}, "5000": {{"type": "null"}}}}}}"##, defs.join(","));
    on_a_small_stack(text, "1".to_owned()).unwrap();
}

fn on_a_small_stack(schema: String, data: String) -> Result<(), Violation> {
    let work = move || Schema::compile(&schema).unwrap().check(data.as_bytes());
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap()
}

fn arrays(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}
