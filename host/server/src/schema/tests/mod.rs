//! What the room promises: all of 2020-12, bad schemas refused by name, and an end to every check.

mod hostile;
mod messages;
mod refusals;
mod suite;

use super::{Schema, Violation};

#[track_caller]
fn schema(text: &str) -> Schema {
    Schema::compile(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn violation(schema_text: &str, data: &str) -> Violation {
    schema(schema_text).check(data.as_bytes()).expect_err("the data doesn't fit")
}
