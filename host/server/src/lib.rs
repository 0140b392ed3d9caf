//! The Retold host: `cli` talks HTTP, `http` answers it, `drive` owns every thread and the clock,
//! `wasm` makes a component into something that can be called, `schema` says whether data fits. The engine crate below decides.

pub mod cli;
pub mod drive;
pub mod http;
mod schema;
pub mod wasm;
