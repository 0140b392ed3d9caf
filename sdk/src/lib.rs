//! Write Retold functions in Rust.
//!
//! A handler reads recorded events and answers with new ones:
//!
//! ```
//! use retold::prelude::*;
//!
//! #[derive(Event, Deserialize)]
//! #[event("order.placed")]
//! struct OrderPlaced { quantity: u64, unit_price: u64 }
//!
//! #[derive(Event, Serialize)]
//! #[event("order.priced")]
//! struct OrderPriced { total: u64 }
//!
//! #[handler]
//! fn pricing(order: Recorded<OrderPlaced>) -> Result<OrderPriced> {
//!     Ok(OrderPriced { total: order.unit_price * order.quantity })
//! }
//!
//! retold::module!(pricing);
//! ```
//!
//! Beside events a handler may answer [commands](Sent), [timers](Timer) and [requests](Request) to the
//! outside. Beside handlers there are [aggregates](macro@aggregate), [views](macro@view) with
//! [queries](macro@query), [upcasters](macro@upcaster), and [ingress functions](macro@ingress) for webhooks.
//!
//! The crate is a `cdylib`, built with `retold build`, or with
//! `cargo build --release --target wasm32-unknown-unknown`. It is tested natively, without a host:
//! see [`testing`].
//!
//! A function is deterministic: the same event over the same state gives the same outputs on any
//! host, at any time. So there is no clock but [`Recorded::time`], no randomness, and no
//! [`HashMap`](std::collections::HashMap) of std's, whose order is random: the prelude brings its
//! own.

mod aggregate;
mod answer;
mod batched;
mod bindings;
mod collections;
mod command;
pub mod encoding;
mod envelope;
mod error;
mod event;
mod function;
mod handler;
mod host;
mod ingress;
mod json_path;
mod log;
mod names;
mod outputs;
mod position;
mod raw;
mod recorded;
mod rejection;
mod reply;
mod request;
mod rows;
mod schema;
mod shape;
mod state;
pub mod testing;
mod texts;
mod timer;
mod timestamp;
mod types;
mod upcaster;
mod view;
mod written;

pub use aggregate::Aggregate;
pub use answer::Answer;
pub use collections::{HashMap, HashSet};
pub use command::{Command, Received, Sent};
pub use envelope::Data;
pub use error::{Error, ErrorKind, Result};
pub use event::{Emit, Event, Input, Verbatim};
pub use function::Function;
pub use handler::Handler;
pub use ingress::{Incoming, Ingress, Response};
pub use outputs::Outputs;
pub use position::Position;
pub use recorded::{Details, Recorded};
pub use rejection::Rejection;
pub use reply::{Asked, Failed, Refused, Reply, Unmet};
pub use request::Request;
pub use retold_macros::{Command, Deserialize, Event, JsonSchema, Serialize, aggregate, handler, ingress, query, upcaster, view};
pub use rows::Rows;
pub use state::{Scan, State};
pub use timer::{Cancel, Timer};
pub use timestamp::{Timestamp, TimestampError};
pub use upcaster::Upcaster;
pub use view::{Query, View};

/// Any JSON: an [`Input`] for handlers that subscribe to patterns, and data in tests.
pub use serde_json::Value as Json;

/// Makes the crate a module with these functions of its own, by the crate's name and version:
///
/// ```
/// # use retold::prelude::*;
/// # #[handler(subscribes("order.*"))] fn audit(_: Recorded<Json>) -> Result<()> { Ok(()) }
/// # #[handler(subscribes("order.*"))] fn pricing(_: Recorded<Json>) -> Result<()> { Ok(()) }
/// retold::module!(audit, pricing);
/// ```
///
/// or by another:
///
/// ```
/// # use retold::prelude::*;
/// # #[handler(subscribes("order.*"))] fn audit(_: Recorded<Json>) -> Result<()> { Ok(()) }
/// retold::module!(name = "orders", version = "2.0.0", audit);
/// ```
///
/// Handlers, aggregates, views with their queries, upcasters and ingress functions may stand together, in any order; the
/// module exports and imports what their kinds need and no more.
///
/// Once a crate, and the crate is a `cdylib`. Natively it only checks the names. A name that breaks
/// the rule `[a-z][a-z0-9_-]{0,63}` or stands twice doesn't compile.
pub use retold_macros::module;

/// All that a function's file needs: `use retold::prelude::*;`.
pub mod prelude {
    pub use serde::de::Deserialize;
    pub use serde::ser::Serialize;

    pub use retold_macros::{Command, Deserialize, Event, JsonSchema, Serialize, aggregate, handler, ingress, query, upcaster, view};

    pub use crate::command::Command;
    pub use crate::event::Event;
    pub use crate::{Cancel, Emit, Error, Failed, HashMap, HashSet, Incoming, Json, Outputs, Position, Received, Recorded, Refused};
    pub use crate::{Rejection, Reply, Request, Response, Result, Rows, Sent, State, Timer, Timestamp, Verbatim};
    pub use crate::{debug, error, info, trace, warn};
}

/// What the macros' code refers to. No part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::aggregate::{Decision, Evolved, decide, evolve, undecided, unevolved, unknown_aggregate};
    pub use crate::answer::Reactions;
    pub use crate::bindings::aggregate::export_aggregate;
    pub use crate::bindings::handler::export_handler;
    pub use crate::bindings::ingress::export_ingress;
    pub use crate::bindings::manifest::export_manifest;
    pub use crate::bindings::upcaster::export_upcaster;
    pub use crate::bindings::view::export_view;
    pub use crate::bindings::{aggregate, handler, ingress, manifest, upcaster, view, wire};
    pub use crate::envelope::{Envelope, envelopes};
    pub use crate::event::unexpected_type;
    pub use crate::function::{Edges, Settings, describe, unknown};
    pub use crate::handler::{Outcome, handle};
    pub use crate::host::Host;
    pub use crate::ingress::{Accepted, accept, unknown_ingress};
    pub use crate::log::{Level, write as log};
    pub use crate::names::{all_distinct, all_read, contains, distinct, none_empty, valid as valid_name};
    pub use crate::raw::Unchecked;
    pub use crate::shape::Shape;
    pub use crate::types::{Types, write_schema};
    pub use crate::upcaster::{Upcast, upcast_all};
    pub use crate::view::{project, query, read_question, unknown_query, write_answer};
    pub use crate::written::Output;
    pub use retold_macros::module_step;
    pub use {schemars, serde};
}

/// Holds the README to its word: its module compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
