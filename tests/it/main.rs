//! The real binary: over HTTP and the command line, with real modules, killed and started again.

mod appending;
mod audit;
mod command_line;
mod commands;
mod control;
mod faults;
mod files;
mod flights;
mod handlers;
mod killing;
mod modules;
mod reading;
mod refusing;
mod removing;
mod schemas;
mod shop;
mod support;
mod upcasting;
mod upgrades;
mod views;
mod wasi;
