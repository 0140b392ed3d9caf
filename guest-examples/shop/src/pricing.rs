//! `pricing`: makes an order of a cart that is checked out.

use retold::prelude::*;

use crate::cart::CheckedOut;
use crate::money::Money;
use crate::order::OrderPlaced;
use crate::prices;

/// The order of `cart/1` is `order/1`.
#[handler(start = "beginning")]
pub fn pricing(cart: Recorded<CheckedOut>) -> Result<Emit<OrderPlaced>> {
    let order = format!("order/{}", cart.subject().trim_start_matches("cart/"));
    let CheckedOut { customer, items } = cart.into_data();
    let mut total = Money::cents(0);
    for (sku, quantity) in &items {
        let hundred = prices::of(sku).ok_or_else(|| Error::reject(format!("{sku} has no price")))?;
        total = total + line(hundred, *quantity);
    }
    info!("{order} costs {} cents", total.minor);
    Ok(OrderPlaced { customer, total, items }.about(order))
}

/// What pieces of one kind cost.
fn line(hundred: Money, quantity: u32) -> Money {
    let piece = Money::cents(hundred.minor / 100);
    piece * quantity
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn an_order_costs_what_its_items_cost() {
        let checked_out = Given::json("cart.checked-out", r#"{"customer":"ada","items":{"apple":2,"melon":1}}"#);
        let outputs = Trial::<pricing>::new().give(&checked_out.about("cart/1")).unwrap();
        assert_eq!(outputs[0].event_type, "order.placed.v2");
        assert_eq!(outputs[0].subject, "order/1");
        assert_eq!(outputs[0].json(), r#"{"customer":"ada","total":{"minor":450,"currency":"EUR"},"items":{"apple":2,"melon":1}}"#);
    }

    #[test]
    fn what_has_no_price_is_set_aside() {
        let checked_out = Given::json("cart.checked-out", r#"{"customer":"ada","items":{"car":1}}"#);
        let error = Trial::<pricing>::new().give(&checked_out).unwrap_err();
        assert_eq!(error.message(), "car has no price");
    }
}
