//! The Retold host: `cli` talks HTTP, `http` answers it, `drive` owns every thread and the clock,
//! `wasm` makes a component into something that can be called, `schema` says whether data fits,
//! `cloudevents` reads and writes events as others know them. The engine crate below decides.

pub mod cli;
mod cloudevents;
pub mod drive;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod http;
mod schema;
pub mod wasm;
