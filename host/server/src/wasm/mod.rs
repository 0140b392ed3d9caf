//! WebAssembly: a component becomes a `Guest` of the engine.
//!
//! What is uploaded is scanned, made a component if it is a core module and compiled in a process of
//! its own (`compile`), kept compiled in files that only the host writes (`cache`), loaded and asked
//! what it is (`module`), and then called in a sandbox whose limits are all set here (`engine`,
//! `limiter`, `quotas`). This room starts no thread and reads no clock: the room above calls
//! [`Sandbox::tick`] and [`WasmModule::trim`], and says where guests pause (`pausing`).

mod bindings;
mod cache;
mod call;
mod compile;
mod compile_child;
mod componentize;
mod describe;
mod engine;
mod error;
mod exports;
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod host_calls;
mod instances;
mod interfaces;
mod limiter;
mod loader;
mod memory;
mod module;
mod outputs;
mod pausing;
mod pieces;
mod question;
mod quotas;
mod sandbox;
mod scan;
mod slices;
#[cfg(any(test, feature = "fuzzing"))]
mod tests;
mod wasi;

pub use cache::CompileCache;
pub use compile::{CompileLimits, Compiler};
pub use compile_child::compile_child_main;
pub use engine::SandboxOptions;
pub use error::ModuleError;
pub use loader::{Loaded, ModuleLoader};
pub use module::WasmModule;
pub use pausing::with_pauses;
pub use sandbox::Sandbox;
