//! `order.placed.v2`: an order, as it is recorded today.

use std::collections::BTreeMap;

use retold::prelude::*;

use crate::money::Money;

/// What is recorded today. About the order: `order/1`.
#[derive(Event, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[event("order.placed.v2", schema)]
pub struct OrderPlaced {
    pub customer: String,
    pub total: Money,
    /// Pieces by kind. Orders of the first days don't tell them.
    #[serde(default)]
    pub items: BTreeMap<String, u32>,
}
