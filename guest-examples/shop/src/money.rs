//! Money in the smallest coin: there are no fractions of it.

use std::ops::{Add, Mul, Sub};

use retold::prelude::*;

/// An amount in euro, the one currency of this shop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// Cents.
    pub minor: u64,
    pub currency: Currency,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    #[default]
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

impl Sub for Money {
    type Output = Money;

    fn sub(self, other: Money) -> Money {
        Money::cents(self.minor - other.minor)
    }
}

impl Mul<u32> for Money {
    type Output = Money;

    fn mul(self, quantity: u32) -> Money {
        Money::cents(self.minor * u64::from(quantity))
    }
}
