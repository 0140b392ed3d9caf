//! The room's door: a text becomes a schema, and a schema judges data.

use std::sync::Arc;

use serde_json::Value;

use super::check::Check;
use super::compile::compile;
use super::difference::first_difference;
use super::error::{SchemaError, Violation};
use super::library::{self, Document};
use super::limits::*;
use super::program::Program;

/// A JSON Schema (2020-12), compiled. Cheap to clone; any number of threads may check at once.
#[derive(Clone)]
pub struct Schema(Arc<Compiled>);

struct Compiled {
    text: String,
    value: Value,
    program: Program,
}

impl Schema {
    /// Takes time in proportion to the text and the states of its patterns, both limited, whoever wrote
    /// it. Nothing is fetched: references go to the document itself, or to the 2020-12 meta-schema.
    ///
    /// `format` and `content*` are read and assert nothing, as 2020-12 has it; keywords that it doesn't
    /// know are ignored. Of a key given twice, the last counts.
    pub fn compile(text: &str) -> Result<Schema, SchemaError> {
        Schema::assemble(text, library::meta_schema(), &[])
    }

    /// With more documents to refer to, which `$schema` may name too: for the test suite.
    #[cfg(test)]
    pub(super) fn compile_with(text: &str, documents: &[Document]) -> Result<Schema, SchemaError> {
        Schema::assemble(text, library::meta_schema(), documents)
    }

    fn assemble(text: &str, library: &[Document], dialects: &[Document]) -> Result<Schema, SchemaError> {
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(SchemaError::TooLarge { bytes: text.len() });
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|error| if is_too_deep(&error) { SchemaError::TooDeep } else { SchemaError::NotJson { what: error.to_string() } })?;
        let program = compile(&value, library, dialects)?;
        Ok(Schema(Arc::new(Compiled { text: text.to_owned(), value, program })))
    }

    /// Whether `data`, a JSON text, fits. Answers with the first violation, which depends on the schema
    /// and the data alone; whatever the schema, a check ends after [`CHECK_STEPS_MAX`] steps, with a
    /// violation that says so.
    ///
    /// Of a key given twice, the last counts. Numbers beyond 64 bits, and fractions, are compared as
    /// doubles.
    pub fn check(&self, data: &[u8]) -> Result<(), Violation> {
        self.check_within(data, CHECK_STEPS_MAX)
    }

    pub(super) fn check_within(&self, data: &[u8], steps: u64) -> Result<(), Violation> {
        let value: Value = serde_json::from_slice(data).map_err(|error| {
            let what = if is_too_deep(&error) {
                format!("nests more than {JSON_NESTING_MAX} arrays and objects (limit `schema-nesting`)")
            } else {
                format!("isn't JSON: {error}")
            };
            Violation::new("", &what, "")
        })?;
        Check::new(&self.0.program, steps).run(&value)
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// JSON pointer of the first difference between the two documents; `None` if they are the same JSON,
    /// whatever the order of keys, white space and the way numbers are written.
    pub fn difference(&self, other: &Schema) -> Option<String> {
        first_difference(&self.0.value, &other.0.value)
    }
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Schema").field("text", &self.0.text).finish()
    }
}

/// serde_json has no other way to ask for it; a test holds it to these words.
fn is_too_deep(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("recursion limit exceeded")
}
