//! Tests of this room as a whole, on small modules in WebAssembly text. Guests in Rust are tried in
//! `tests/it`.

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod guests;

#[cfg(test)]
mod asked;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod chance;
#[cfg(test)]
mod deploys;
#[cfg(test)]
mod every_call;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod reuse;
