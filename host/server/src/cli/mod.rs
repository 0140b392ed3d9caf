//! The command line: one file per verb. It talks HTTP to a host like any other client; only `serve`
//! and `demo` start one in this process.

mod address;
mod append;
mod arguments;
mod bench;
mod build;
mod client;
mod clock;
mod demo;
mod deploy;
mod entry;
mod events;
mod failure;
mod functions;
mod hosting;
mod input;
mod listen;
mod log;
mod modules;
mod namespaces;
mod parked;
mod problem;
mod progress;
mod serve;
mod sse;
mod temporary;
mod why;
mod words;

pub use entry::main;
