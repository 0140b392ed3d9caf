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
mod promoting;
mod reading;
mod refusing;
mod rehearsing;
mod removing;
mod retelling_flights;
mod schemas;
mod shop;
mod support;
mod switching_over;
mod upcasting;
mod upgrades;
mod upgrading_flights;
mod views;
mod wasi;
