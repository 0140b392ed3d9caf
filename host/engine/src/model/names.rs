//! Which names are good, and which are the host's own.

use super::limits::NAME_BYTES_MAX;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {name:?} is not a good name: use 1 to 64 of a-z, 0-9, - and _, beginning with a letter")]
pub struct NameError {
    pub what: &'static str,
    pub name: String,
}

fn valid(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_')
}

pub fn valid_function_name(name: &str) -> bool {
    valid(name)
}

pub fn valid_module_name(name: &str) -> bool {
    valid(name)
}

pub fn valid_namespace_name(name: &str) -> Result<(), NameError> {
    if valid(name) { Ok(()) } else { Err(NameError { what: "namespace", name: name.into() }) }
}

/// Event types that only the host records.
pub fn is_reserved_type(r#type: &str) -> bool {
    r#type.starts_with("retold.")
}

/// Sources that only the host writes.
pub fn is_reserved_source(source: &str) -> bool {
    ["/functions/", "/aggregates/", "/timers/", "/requests/", "/ingress/", "/retold/"].iter().any(|prefix| source.starts_with(prefix))
}

/// Before the name of an aggregate.
const AGGREGATES: &str = "/aggregates/";

/// The `source` of events that an aggregate decided on.
pub fn aggregate_source(aggregate: &str) -> String {
    format!("{AGGREGATES}{aggregate}")
}

/// The aggregate of such a source.
pub fn aggregate_of(source: &str) -> Option<&str> {
    source.strip_prefix(AGGREGATES)
}

/// The `source` of events that a function made.
pub fn function_source(function: &str) -> String {
    format!("/functions/{function}")
}
