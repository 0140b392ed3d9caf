//! `retold bench`: load over HTTP, and what this machine could do at best beside it.

mod arrivals;
mod connection;
mod fold;
mod footprint;
mod goals;
mod growth;
mod load;
mod machine;
mod metrics;
mod outside;
mod own_host;
mod promotion;
mod report;
mod requests;
mod rows;
mod run;
mod samples;
mod server;
mod session;
mod target;
mod upgrades;

pub use run::{Bench, run};
