//! Tests of a handler on the machine that you sit at, without a host and without Wasm.
//!
//! A [`Trial`] hands events to one handler and keeps its state in memory between them:
//!
//! ```
//! use retold::prelude::*;
//! use retold::testing::{Given, Trial};
//! # #[derive(Event, Deserialize)] #[event("order.placed")] struct OrderPlaced { quantity: u64, unit_price: u64 }
//! # #[derive(Event, Serialize)] #[event("order.priced")] struct OrderPriced { total: u64 }
//! # #[handler] fn pricing(order: Recorded<OrderPlaced>) -> Result<OrderPriced> { Ok(OrderPriced { total: order.unit_price * order.quantity }) }
//!
//! let mut trial = Trial::<pricing>::new();
//! let placed = Given::json("order.placed", r#"{"quantity": 3, "unit_price": 250}"#).about("order/1");
//! let outputs = trial.give(&placed).unwrap();
//! assert_eq!(outputs[0].event_type, "order.priced");
//! assert_eq!(outputs[0].subject, "order/1");
//! assert_eq!(outputs[0].json(), r#"{"total":750}"#);
//! ```

mod given;
pub(crate) mod log;
mod memory;
mod trial;

pub use given::Given;
pub use trial::{Output, Trial};
