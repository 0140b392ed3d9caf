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
//! The crate is a `cdylib`, built with `retold build`, or with
//! `cargo build --release --target wasm32-unknown-unknown`. It is tested natively, without a host:
//! see [`testing`].
//!
//! A function is deterministic: the same event over the same state gives the same outputs on any
//! host, at any time. So there is no clock but [`Recorded::time`], no randomness, and no
//! [`HashMap`](std::collections::HashMap) of std's, whose order is random: the prelude brings its
//! own.

mod answer;
mod bindings;
mod collections;
mod error;
mod event;
mod handler;
mod host;
mod log;
mod module;
mod names;
mod position;
mod raw;
mod recorded;
mod state;
pub mod testing;
mod timestamp;

pub use answer::{Answer, EventTypes, Outputs};
pub use collections::{HashMap, HashSet};
pub use error::{Error, ErrorKind, Result};
pub use event::{Emit, Event, Input};
pub use handler::Handler;
pub use position::Position;
pub use recorded::{Details, Recorded};
pub use retold_macros::{Deserialize, Event, Serialize, handler};
pub use state::{Scan, State};
pub use timestamp::{Timestamp, TimestampError};

/// Any JSON: an [`Input`] for handlers that subscribe to patterns, and data in tests.
pub use serde_json::Value as Json;

/// All that a handler's file needs: `use retold::prelude::*;`.
pub mod prelude {
    pub use serde::de::Deserialize;
    pub use serde::ser::Serialize;

    pub use retold_macros::{Deserialize, Event, Serialize, handler};

    pub use crate::event::Event;
    pub use crate::{Emit, Error, HashMap, HashSet, Json, Outputs, Recorded, Result};
    pub use crate::{Position, State, Timestamp};
    pub use crate::{debug, error, info, trace, warn};
}

/// What the macros' code refers to. No part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::answer::Reactions;
    pub use crate::bindings::handler::export_handler;
    pub use crate::bindings::manifest::export_manifest;
    pub use crate::bindings::{handler, manifest, wire};
    pub use crate::event::unexpected_type;
    pub use crate::handler::{Outcome, Settings, describe, handle, unknown};
    pub use crate::host::Host;
    pub use crate::log::{Level, write as log};
    pub use crate::names::{distinct, valid as valid_name};
    pub use crate::raw::Unchecked;
    pub use serde;
}

/// Holds the README to its word: its module compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
