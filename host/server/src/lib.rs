//! The Retold host: `cli` talks HTTP, `http` answers it, `drive` owns every thread and the clock,
//! `wasm` makes a component into something that can be called. The engine crate below decides.

pub mod cli;
pub mod drive;
pub mod http;
pub mod wasm;
