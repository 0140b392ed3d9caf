//! The command line: one file per verb. It talks HTTP to a host like any other client; only `serve`
//! and `demo` start one in this process.

mod address;
mod aggregate;
mod append;
mod appended;
mod arguments;
mod bench;
mod build;
mod cargo;
mod client;
mod clock;
mod command;
mod data;
mod demo;
mod deploy;
mod entry;
mod events;
mod examples;
mod failure;
mod function_page;
mod functions;
mod handling;
mod hosting;
mod input;
mod listen;
mod log;
mod logs;
mod modules;
mod namespaces;
mod output;
mod parked;
mod problem;
mod progress;
mod query;
mod random;
mod sending;
mod serve;
mod sse;
mod temporary;
mod test;
mod tree;
mod types;
mod why;
mod words;

pub use entry::main;
