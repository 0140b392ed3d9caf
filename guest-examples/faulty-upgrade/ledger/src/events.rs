//! What is read and what is answered. About an account: `account/7`.

use retold::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event("payment.made")]
pub struct PaymentMade {
    pub amount: u64,
    /// What a bad upgrade stumbles over; all others don't look.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub poison: bool,
}

/// What the account has paid by now.
#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event("ledger.booked")]
pub struct Booked {
    pub payments: u64,
    pub balance: u64,
}
