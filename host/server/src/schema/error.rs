//! Why a schema is refused, and why data is.

use super::limits::*;
use super::pointer::shorten;

/// Why a schema is refused. `at` is a JSON pointer into the schema, empty for its root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error("the schema has {bytes} bytes, at most {SCHEMA_BYTES_MAX} are allowed (limit `schema-bytes`)")]
    TooLarge { bytes: usize },
    #[error("the schema isn't JSON: {what}")]
    NotJson { what: String },
    #[error("the schema nests more than {JSON_NESTING_MAX} arrays and objects (limit `schema-nesting`)")]
    TooDeep,
    #[error("the schema has more than {SUBSCHEMAS_MAX} subschemas (limit `schema-subschemas`)")]
    TooManySubschemas,
    #[error("the schema has more than {PATTERNS_MAX} patterns (limit `schema-patterns`)")]
    TooManyPatterns,
    #[error("not a schema: `{at}` {what}")]
    Invalid { at: String, what: String },
    /// Only JSON Schema 2020-12 is spoken here.
    #[error("`{at}` names {named}; only JSON Schema 2020-12 is supported: {DIALECT}, or no `$schema` at all")]
    OtherDialect { at: String, named: String },
    /// Nothing is ever fetched: bundle the other schema under `$defs`, with its `$id`.
    #[error(
        "`{at}` refers to `{reference}`, which is outside the document, and nothing is fetched: bundle it under `$defs` with its `$id`"
    )]
    Outside { at: String, reference: String },
    #[error("`{at}` refers to `{reference}`, but {what}")]
    Dangling { at: String, reference: String, what: String },
    /// A check would go round for ever at one place of the data.
    #[error("`{at}` refers to itself without going into the data, so that a check would never end")]
    Endless { at: String },
    #[error("the pattern at `{at}` {what}")]
    Pattern { at: String, what: String },
}

/// The value that `$schema` may have.
pub(super) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Where and why data doesn't fit its schema: the first violation, in an order that depends on the
/// schema and the data alone. Each text has at most [`VIOLATION_CHARS_MAX`] characters; a longer one
/// is cut and ends with `…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer into the data, empty for its root.
    pub path: String,
    /// For a person. Reads on after the path: "must be a string, not a number".
    pub what: String,
    /// JSON pointer into the schema, to the keyword that was violated; after `URI#` if that is in the
    /// meta-schema. Empty if no keyword was: the data isn't JSON, or the check cost too much.
    pub keyword: String,
}

impl Violation {
    pub(super) fn new(path: &str, what: &str, keyword: &str) -> Violation {
        let cut = |text| shorten(text, VIOLATION_CHARS_MAX);
        Violation { path: cut(path), what: cut(what), keyword: cut(keyword) }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.path.as_str() {
            "" => write!(formatter, "the data {}", self.what)?,
            path => write!(formatter, "`{path}` {}", self.what)?,
        }
        if self.keyword.is_empty() { Ok(()) } else { write!(formatter, " (schema: `{}`)", self.keyword) }
    }
}

impl std::error::Error for Violation {}
