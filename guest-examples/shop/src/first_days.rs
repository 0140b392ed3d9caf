//! `order.placed.v1`: an order, as it was recorded in the first days.
//!
//! The shop began with amounts as decimal fractions of a currency that everybody knew. Those events
//! stay as they are, for ever; no function reads them. `order-placed-v2` turns each into the shape of
//! today when it is read.

use retold::prelude::*;

use crate::money::Money;
use crate::order::OrderPlaced;

/// What was recorded in the first days.
#[derive(Event, Deserialize)]
#[event("order.placed.v1")]
pub struct OrderPlacedV1 {
    pub customer: String,
    /// In euro: 12.5.
    pub amount: f64,
}

#[upcaster]
pub fn order_placed_v2(old: Recorded<OrderPlacedV1>) -> Result<OrderPlaced> {
    let cents = (old.amount * 100.0).round();
    if !(0.0..=1e12).contains(&cents) {
        return Err(Error::reject(format!("{} euro is no amount", old.amount)));
    }
    let total = Money::cents(cents as u64);
    Ok(OrderPlaced { customer: old.into_data().customer, total, ..OrderPlaced::default() })
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    fn upcast(amount: &str) -> Result<OrderPlaced> {
        let data = format!(r#"{{"customer":"ada","amount":{amount}}}"#);
        let old = Given::json("order.placed.v1", data).about("order/7");
        Ok(Trial::<order_placed_v2>::new().upcast(&old)?[0].read())
    }

    #[test]
    fn an_old_order_is_read_in_the_smallest_coin() {
        for (amount, cents) in [("12.5", 1250), ("0.1", 10), ("19.99", 1999), ("0", 0)] {
            assert_eq!(upcast(amount).unwrap().total, Money::cents(cents));
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        assert_eq!(upcast("-1").unwrap_err().message(), "-1 euro is no amount");
        assert!(upcast("1e300").is_err());
    }
}
