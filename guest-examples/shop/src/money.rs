//! Money in the smallest coin: no fractions, so no rounding.

use std::ops::{Add, Mul};

use retold::prelude::*;

/// An amount in euro, the one currency of this shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// Cents.
    pub minor: u64,
    pub currency: Currency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    Eur,
}

impl Money {
    pub const fn cents(minor: u64) -> Money {
        Money { minor, currency: Currency::Eur }
    }
}

impl Add for Money {
    type Output = Money;

    fn add(self, other: Money) -> Money {
        Money::cents(self.minor + other.minor)
    }
}

impl Mul<u32> for Money {
    type Output = Money;

    fn mul(self, quantity: u32) -> Money {
        Money::cents(self.minor * u64::from(quantity))
    }
}
