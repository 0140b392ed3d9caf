//! `retold test`: scenarios against a compiled module, in the real sandbox of a host of its own.
//!
//! Every scenario runs in several ways that must not make a difference; what comes out must be what it
//! says, and the same in each.

mod outcome;
mod run;
mod scenario;
mod trial;

pub use run::{Test, run};
