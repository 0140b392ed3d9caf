//! Tests of this room as a whole, on small modules in WebAssembly text. Guests in Rust are tried in
//! `tests/it`.

mod asked;
mod calls;
mod chance;
mod deploys;
mod every_call;
mod faults;
pub(super) mod guests;
mod kinds;
mod reuse;
