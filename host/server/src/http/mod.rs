//! HTTP: requests become proposals and reads of a namespace, and what comes of them becomes answers.
//!
//! Where to look: all routes stand in `routes`, their query parameters in `parameters`, all problems in
//! `problem_kinds`, all bounds that a client can meet in `ServeOptions` and in the engine's limits.
//! Decides nothing about events: it parses, hands over to `drive`, and writes.

mod admin;
mod admission;
mod aggregates;
mod audit;
mod backups;
mod body;
mod buckets;
mod call;
mod commands;
mod consumers;
mod cursor;
mod dispatch;
mod events;
mod failures;
mod flow;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod ingress;
mod logs;
mod openapi;
mod origin;
mod outbox;
mod outside_routes;
mod parameters;
mod problem;
mod problem_kinds;
mod query;
mod quota;
mod quota_routes;
mod rates;
mod route;
mod route_problems;
mod routes;
mod schemas;
mod serve;
mod shares;
mod site;
mod stalling;
#[cfg(test)]
mod tests;
mod timers;
mod tls;
mod token_routes;
mod tokens;
mod traced;
mod types;
mod upgrades;
mod upload;
mod values;
mod views;

use crate::cloudevents::{self, json, timestamps};
use crate::drive::race;

pub use serve::serve;
pub use site::ServeOptions;
pub use tls::Certificates;
