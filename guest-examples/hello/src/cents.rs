//! Money in the smallest coin: no fractions, so no rounding.

use std::ops::Mul;

use retold::prelude::*;

#[derive(Clone, Copy, Deserialize, Serialize)]
pub struct Cents(u64);

impl Mul<u32> for Cents {
    type Output = Cents;

    fn mul(self, quantity: u32) -> Cents {
        Cents(self.0 * u64::from(quantity))
    }
}
