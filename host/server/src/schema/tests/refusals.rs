//! Schemas that are refused, and what is said of them.

use crate::schema::error::SchemaError;
use crate::schema::{JSON_NESTING_MAX, Schema};

#[track_caller]
fn check(text: &str, expected: &str) {
    let error = Schema::compile(text).expect_err("must be refused").to_string();
    assert!(error.contains(expected), "{text}\n{error}\n{expected}");
}

#[test]
fn what_is_not_a_schema_is_refused_with_its_place() {
    check("{", "the schema isn't JSON: EOF while parsing an object at line 1 column 1");
    check("3", "not a schema: `` must be a schema");
    check(r#"{"properties": {"a~/b": 1}}"#, "`/properties/a~0~1b` must be a schema");
    check(r#"{"type": "text"}"#, "`/type` must be one of null, boolean");
    check(r#"{"type": ["null", "null"]}"#, "`/type` must be one of");
    check(r#"{"items": [{}]}"#, "`/items` must be one schema; a list of them is called `prefixItems`");
    check(r#"{"minLength": -1}"#, "`/minLength` must be a whole number");
    check(r#"{"multipleOf": 0}"#, "`/multipleOf` must be above 0");
    check(r#"{"required": true}"#, "`/required` must be an array of property names");
    check(r#"{"allOf": []}"#, "`/allOf` must be an array of at least one schema");
    check(r#"{"$anchor": "1"}"#, "`/$anchor` must be a name");
    check(r#"{"$id": "a#b"}"#, "`/$id` must be a URI reference without a fragment");
}

#[test]
fn another_draft_is_refused_by_name() {
    check(r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#, "`/$schema` names JSON Schema draft 7");
    check(r#"{"$schema": "https://json-schema.org/draft/2019-09/schema"}"#, "names JSON Schema 2019-09");
    check(r#"{"$schema": "https://example.com/mine"}"#, "names `https://example.com/mine`");
    check(r#"{"$defs": {"a": {"$id": "urn:a", "$schema": "http://json-schema.org/draft-04/schema#"}}}"#, "`/$defs/a/$schema`");
    assert!(Schema::compile(r#"{"$schema": "https://json-schema.org/draft/2020-12/schema"}"#).is_ok());
}

#[test]
fn nothing_is_ever_fetched() {
    for reference in [
        "https://example.com/a.json",
        "http://localhost:1/a",
        "file:///etc/passwd",
        "other.json",
        "http://json-schema.org/draft-07/schema#",
    ] {
        let text = format!(r#"{{"properties": {{"a": {{"$ref": "{reference}"}}}}}}"#);
        let error = Schema::compile(&text).unwrap_err();
        assert_eq!(error, SchemaError::Outside { at: "/properties/a/$ref".to_owned(), reference: reference.to_owned() });
    }
    check(r##"{"$ref": "#/$defs/a"}"##, "refers to `#/$defs/a`, but nothing is there");
    check(r##"{"$ref": "#a"}"##, "there is no such anchor");
    check(r##"{"$ref": "#/%zz"}"##, "isn't percent-encoded");
}

#[test]
fn a_schema_with_its_own_names_and_the_meta_schema_may_be_referred_to() {
    let text = r#"{"$id": "https://example.com/root", "properties": {"a": {"$ref": "part"}, "b": {"$ref": "https://json-schema.org/draft/2020-12/schema"}},
        "$defs": {"x": {"$id": "part", "type": "string"}}}"#;
    let schema = Schema::compile(text).unwrap();
    assert!(schema.check(br#"{"a": "x", "b": {"type": "null"}}"#).is_ok());
    assert_eq!(schema.check(br#"{"a": 1}"#).unwrap_err().keyword, "/$defs/x/type");
    let violation = schema.check(br#"{"b": {"minLength": -1}}"#).unwrap_err();
    assert_eq!((violation.path.as_str(), violation.what.as_str()), ("/b/minLength", "must be at least 0, not -1"));
    assert!(violation.keyword.starts_with("https://json-schema.org/draft/2020-12/meta/validation#/$defs/"), "{violation}");
}

#[test]
fn a_schema_over_a_limit_is_refused_with_the_limit_named() {
    check(&format!("{{\"title\": \"{}\"}}", "x".repeat(300 << 10)), "(limit `schema-bytes`)");
    check(&nested(JSON_NESTING_MAX + 1), "(limit `schema-nesting`)");
    assert!(Schema::compile(&nested(JSON_NESTING_MAX)).is_ok());
    check(&nested(100_000 / 8), "(limit `schema-nesting`)");
    check(&format!("{{\"prefixItems\": [{}{{}}]}}", "{},".repeat(10_000)), "(limit `schema-subschemas`)");
    let patterns: Vec<String> = (0..201).map(|index| format!("\"{index}\": {{}}")).collect();
    check(&format!("{{\"patternProperties\": {{{}}}}}", patterns.join(",")), "(limit `schema-patterns`)");
    check(r#"{"pattern": "((a{1000}){1000}){1000}"}"#, "the pattern at `/pattern` is too large");
    check(r#"{"patternProperties": {"^(?!a)": {}}}"#, "the pattern at `/patternProperties` looks ahead");
    check(&format!("{{\"$id\": \"{}\"}}", "x".repeat(3_000)), "(limit `schema-uri-bytes`)");
}

fn nested(levels: usize) -> String {
    format!("{}{{}}{}", "{\"not\":".repeat(levels - 1), "}".repeat(levels - 1))
}

#[test]
fn a_schema_that_goes_round_without_going_into_the_data_is_refused() {
    check(r##"{"$ref": "#"}"##, "`` refers to itself without going into the data");
    check(r##"{"anyOf": [{"type": "null"}, {"not": {"$ref": "#"}}]}"##, "refers to itself");
    check(r##"{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}"##, "`/$defs/a` refers to itself");
    check(r##"{"dependentSchemas": {"a": {"if": true, "then": {"$ref": "#"}}}}"##, "refers to itself");
    assert!(Schema::compile(r##"{"items": {"$ref": "#"}, "properties": {"a": {"$ref": "#"}}}"##).is_ok());
}
