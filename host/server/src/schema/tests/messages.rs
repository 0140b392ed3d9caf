//! What a person reads.

use super::{schema, violation};
use crate::schema::{Schema, VIOLATION_CHARS_MAX};

#[track_caller]
fn check(schema: &str, data: &str, expected: &str) {
    assert_eq!(violation(schema, data).to_string(), expected);
}

const ORDER: &str = r##"{"type": "object", "required": ["id"], "additionalProperties": false, "properties": {
    "id": {"type": "string", "pattern": "^o-[0-9]+$"}, "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/line"}}},
    "$defs": {"line": {"type": ["object", "null"], "properties": {"count": {"type": "integer", "minimum": 1}, "unit": {"enum": ["kg", "m"]}}}}}"##;

#[test]
fn a_violation_says_where_it_is_what_is_wrong_and_which_keyword_says_so() {
    check(ORDER, "[]", "the data must be an object, not an array (schema: `/type`)");
    check(ORDER, "{}", "the data must have the property `id` (schema: `/required`)");
    check(ORDER, r#"{"id": 7}"#, "`/id` must be a string, not an integer (schema: `/properties/id/type`)");
    check(ORDER, r#"{"id": "7"}"#, "`/id` must match the pattern `^o-[0-9]+$` (schema: `/properties/id/pattern`)");
    check(ORDER, r#"{"id": "o-7", "a/b": 1}"#, "`/a~1b` isn't a property that the schema allows (schema: `/additionalProperties`)");
    check(ORDER, r#"{"id": "o-7", "lines": []}"#, "`/lines` must have at least 1 item, not 0 (schema: `/properties/lines/minItems`)");
    let line = |line: &str| format!(r#"{{"id": "o-7", "lines": [null, {line}]}}"#);
    check(ORDER, &line(r#"{"count": 0}"#), "`/lines/1/count` must be at least 1, not 0 (schema: `/$defs/line/properties/count/minimum`)");
    check(ORDER, &line(r#"{"unit": "g"}"#), "`/lines/1/unit` must be one of \"kg\", \"m\" (schema: `/$defs/line/properties/unit/enum`)");
    check(ORDER, &line("1"), "`/lines/1` must be null or an object, not an integer (schema: `/$defs/line/type`)");
}

#[test]
fn a_choice_says_which_schema_came_nearest() {
    check(
        r#"{"anyOf": [{"type": "string"}, {"properties": {"a": {"const": 1}}, "type": "object"}]}"#,
        r#"{"a": 2}"#,
        "the data fits none of the 2 schemas of `anyOf`; the nearest is number 1: `/a` must be 1 (schema: `/anyOf/1/properties/a/const`) (schema: `/anyOf`)",
    );
    let twice = "the data must fit one of the schemas of `oneOf` only, and fits both number 0 and number 2 (schema: `/oneOf`)";
    check(r#"{"oneOf": [true, false, {}]}"#, "1", twice);
}

#[test]
fn data_that_is_not_json_is_a_violation_with_its_line_and_column() {
    check("true", "{\n  \"a\": }", "the data isn't JSON: expected value at line 2 column 8");
    check("true", "", "the data isn't JSON: EOF while parsing a value at line 1 column 0");
    check("true", "1 2", "the data isn't JSON: trailing characters at line 1 column 3");
    let error = schema("true").check(&[b'"', 0xFF, b'"']).unwrap_err();
    assert!(error.what.starts_with("isn't JSON"), "{error}");
}

#[test]
fn a_violation_never_echoes_much_of_the_data_or_the_schema() {
    let long = "x".repeat(100_000);
    let data = format!(r#"{{"{long}": {{"{long}": "{long}"}}}}"#);
    for text in [
        r#"{"additionalProperties": {"additionalProperties": {"type": "null"}}}"#.to_owned(),
        r#"{"additionalProperties": false}"#.to_owned(),
        r#"{"propertyNames": {"maxLength": 3}}"#.to_owned(),
        format!(r#"{{"enum": ["{long}"]}}"#),
        format!(r#"{{"required": ["a{long}"]}}"#),
        format!(r#"{{"properties": {{"{long}": {{"oneOf": [{{"type": "null"}}]}}}}}}"#),
    ] {
        let violation = violation(&text, &data);
        for part in [&violation.path, &violation.what, &violation.keyword] {
            assert!(part.chars().count() <= VIOLATION_CHARS_MAX, "{part}");
        }
    }
}

#[test]
fn saying_why_a_large_choice_does_not_fit_is_counted_and_ends() {
    let long = "x".repeat(50_000);
    let choices = vec![r##"{"$ref": "#/$defs/next"}"##; 100].join(",");
    let last = format!(r##"{{"enum": ["{long}"]}}"##);
    let next = format!(r##"{{"properties": {{"{long}": {{"anyOf": [{choices}]}}}}, "anyOf": [{{"$ref": "#/$defs/last"}}]}}"##);
    let text = format!(r##"{{"anyOf": [{choices}], "$defs": {{"next": {next}, "last": {last}}}}}"##);
    let data = format!(r#"{{"{long}": {{"{long}": {{"{long}": 1}}}}}}"#);
    let violation = violation(&text, &data);
    assert!(violation.keyword.is_empty() || violation.keyword.ends_with("anyOf"), "{violation}");
}

#[test]
fn of_a_key_given_twice_the_last_counts() {
    let schema = schema(r#"{"properties": {"a": {"type": "string"}}}"#);
    assert!(schema.check(br#"{"a": 1, "a": "x"}"#).is_ok());
    assert!(schema.check(br#"{"a": "x", "a": 1}"#).is_err());
}

#[test]
fn two_schemas_are_the_same_if_their_json_is() {
    let left = schema(r#"{"minimum": 1, "properties": {"a": {"enum": [1, {"b": 2}]}}, "x": null}"#);
    let difference = |text: &str| left.difference(&schema(text));
    assert_eq!(difference("{\"x\": null,\n \"properties\": {\"a\": {\"enum\": [1.0, {\"b\": 2e0}]}}, \"minimum\": 10e-1}"), None);
    assert_eq!(difference(r#"{"minimum": 2, "properties": {"a": {"enum": [1, {"b": 2}]}}, "x": null}"#).as_deref(), Some("/minimum"));
    assert_eq!(difference(r#"{"minimum": 1, "properties": {"a": {"enum": [1]}}, "x": null}"#).as_deref(), Some("/properties/a/enum/1"));
    assert_eq!(
        difference(r#"{"minimum": 1, "properties": {"a": {"enum": [1, {"b": 2}]}, "c/d": {}}}"#).as_deref(),
        Some("/properties/c~1d")
    );
    assert_eq!(difference("true").as_deref(), Some(""));
    assert_eq!(left.text(), r#"{"minimum": 1, "properties": {"a": {"enum": [1, {"b": 2}]}}, "x": null}"#);
}

#[test]
fn a_schema_is_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Schema>();
}
