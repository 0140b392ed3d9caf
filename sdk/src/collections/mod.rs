//! `HashMap` and `HashSet` that are the same on every host.
//!
//! std's are seeded by what the instance did before, so the order of their elements would differ
//! between a live run and a replay. These have a fixed hasher, and are written sorted, so that equal
//! contents give equal bytes however they came about.

#![expect(clippy::disallowed_methods, reason = "here, and only here, the order of a hash map is no chance")]

mod map;
mod set;

pub use map::HashMap;
pub use set::HashSet;

/// SipHash with a key of zeros. Compiled into the module, so fixed with its digest.
type FixedHasher = std::hash::BuildHasherDefault<std::collections::hash_map::DefaultHasher>;
