//! What happens to a customer. Each is about the customer: `customer/7`.

use retold::prelude::*;

/// Recorded by whoever lets people register: it is where the process begins.
#[derive(Event, Clone, Serialize, Deserialize, JsonSchema)]
#[event("customer.registered", schema)]
pub struct CustomerRegistered {
    pub name: String,
    pub street: String,
    pub city: String,
    /// The account number that the customer would like.
    pub account: u32,
}

#[derive(Event, Serialize)]
#[event("customer.created")]
pub struct CustomerCreated {
    /// The account number that it became.
    pub account: u32,
}

#[derive(Event, Serialize)]
#[event("customer.refused")]
pub struct CustomerRefused {
    pub reason: String,
}

/// The time that onboarding may take is over.
#[derive(Event, Serialize, Deserialize)]
#[event("onboarding.timed-out")]
pub struct TimedOut {}
