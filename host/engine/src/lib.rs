//! The heart of Retold: what an event is, how a namespace keeps its history, how functions read it.
//!
//! Three rooms, each seeing only those above it in this list: `model` (words and formats, no I/O),
//! `store` (commits, segments, indexes), `run` (functions at work). Nothing here starts a thread,
//! reads a clock, opens a socket or knows wasmtime: time is an argument, guests and files are traits.
//! So the whole engine can be driven by a simulator, power cuts included.
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod model;
#[cfg(feature = "plant")]
pub mod plant;
#[cfg(not(feature = "plant"))]
mod plant;
pub mod run;
pub mod store;
