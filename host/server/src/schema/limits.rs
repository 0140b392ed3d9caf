//! What a schema and a check may cost. All of them are counts, never times: the same schema and the
//! same data get the same answer on every machine.

/// Of a schema's text.
pub const SCHEMA_BYTES_MAX: usize = 256 << 10;

/// Arrays and objects inside each other, in a schema and in data. The JSON reader keeps this limit
/// itself; `tests` check that it does.
pub const JSON_NESTING_MAX: usize = 127;

/// Subschemas of a schema, those of the meta-schema included if the schema refers to it.
pub const SUBSCHEMAS_MAX: usize = 10_000;

/// `pattern` and `patternProperties` of a schema.
pub const PATTERNS_MAX: usize = 200;

/// States of the automata of all patterns of a schema together.
pub const PATTERN_STATES_MAX: usize = 100_000;

/// Of a `$id` or `$ref`, as written and as resolved.
pub const URI_BYTES_MAX: usize = 2 << 10;

/// What one check may do: a step is a subschema looked at, a value compared, or a little of a
/// pattern's work (see `pattern`).
pub const CHECK_STEPS_MAX: u64 = 1_000_000;

/// Subschemas inside each other while checking, `$ref` included. Keeps the stack small: see
/// `tests::hostile`.
pub const CHECK_DEPTH_MAX: usize = 512;

/// Characters of a violation's message, and of each of its two paths.
pub const VIOLATION_CHARS_MAX: usize = 300;

const _: () = assert!(CHECK_DEPTH_MAX > 3 * JSON_NESTING_MAX, "data as deep as allowed leaves three subschemas a level");
