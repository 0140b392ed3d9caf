//! `order.placed.v2`: an order, as it is recorded today.
//!
//! The new field may be absent, so this is still the type that version 1 recorded: its orders are read
//! as they are, and its readers read the new ones. A field that must be there, or another meaning of an
//! old one, would be `order.placed.v3` and an upcaster.

use std::collections::BTreeMap;

use retold::prelude::*;

use crate::money::Money;

/// What is recorded today. About the order: `order/1`.
#[derive(Event, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event("order.placed.v2", schema)]
pub struct OrderPlaced {
    pub customer: String,
    /// What is to be paid: the discount is taken off.
    pub total: Money,
    /// Absent where nothing was taken off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount: Option<Money>,
    /// Pieces by kind. Orders of the first days don't tell them.
    #[serde(default)]
    pub items: BTreeMap<String, u32>,
}
