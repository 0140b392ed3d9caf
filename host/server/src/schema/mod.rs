//! JSON Schema 2020-12: a schema is compiled once and then says of any event whether it fits.
//!
//! `uri` and `survey` find every subschema and what each `$ref` means, without ever fetching
//! (`library` holds the meta-schema, the one thing outside the document that may be named); `compile`
//! turns them into a `program`; `loops` refuses one that could go round without going into data;
//! `check` runs it over data and `combine`, `members` and `elements` hold its verbs; `pattern` is the
//! linear-time regular expressions; `number` and `equal` say what sameness is; `steps` counts the work.
//!
//! This room does no I/O, reads no clock, starts no thread and knows nothing of the rest of the host.
//! Deliberately absent: other drafts, fetching, `format` and `content*` as assertions (2020-12 makes
//! them annotations), backtracking.

mod check;
mod combine;
mod compile;
mod difference;
mod elements;
mod equal;
mod error;
mod library;
mod limits;
mod loops;
mod members;
mod number;
mod pattern;
mod pointer;
mod program;
mod scalars;
#[expect(clippy::module_inception, reason = "the room's main type is in the file of its name")]
mod schema;
mod steps;
mod survey;
#[cfg(test)]
mod tests;
mod uri;

pub use error::Violation;
pub use limits::*;
pub use schema::Schema;
