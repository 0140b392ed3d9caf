//! `pricing`: makes an order of a cart that is checked out.

use retold::prelude::*;

use crate::cart::CheckedOut;
use crate::money::Money;
use crate::order::OrderPlaced;
use crate::prices;

/// From so many pieces of one kind on they cost a tenth less.
const DISCOUNT_PIECES: u32 = 10;

/// 1 July 2024, the first moment of the discount. A rule that begins on a day names the day, as time
/// is the event's: so the orders of before cost in every replay what they cost then.
const DISCOUNT_FROM: Timestamp = Timestamp::from_micros(1_719_792_000_000_000);

/// The order of `cart/1` is `order/1`.
#[handler(start = "beginning")]
pub fn pricing(cart: Recorded<CheckedOut>) -> Result<Emit<OrderPlaced>> {
    let order = format!("order/{}", cart.subject().trim_start_matches("cart/"));
    let discounts = cart.time() >= DISCOUNT_FROM;
    let CheckedOut { customer, items } = cart.into_data();
    let mut total = Money::cents(0);
    let mut discount = None;
    for (sku, quantity) in &items {
        let hundred = prices::of(sku).ok_or_else(|| Error::reject(format!("{sku} has no price")))?;
        let line = line(hundred, *quantity);
        total = total + line;
        if discounts && *quantity >= DISCOUNT_PIECES {
            discount = Some(discount.unwrap_or_default() + rounded(line, 10));
        }
    }
    let total = total - discount.unwrap_or_default();
    info!("{order} costs {} cents", total.minor);
    Ok(OrderPlaced { customer, total, discount, items }.about(order))
}

/// What pieces of one kind cost.
fn line(hundred: Money, quantity: u32) -> Money {
    rounded(hundred * quantity, 100)
}

/// A part of an amount to the nearest cent; half a cent is one.
fn rounded(amount: Money, part: u64) -> Money {
    Money::cents((amount.minor + part / 2) / part)
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[track_caller]
    fn check(items: &str, time: &str, order: &str) {
        let data = format!(r#"{{"customer":"ada","items":{items}}}"#);
        let checked_out = Given::json("cart.checked-out", data).about("cart/1").at(time);
        let outputs = Trial::<pricing>::new().give(&checked_out).unwrap();
        assert_eq!((outputs[0].event_type.as_str(), outputs[0].subject.as_str()), ("order.placed.v2", "order/1"));
        assert_eq!(outputs[0].json(), format!(r#"{{"customer":"ada",{order},"items":{items}}}"#));
    }

    #[test]
    fn a_line_is_rounded_once_and_half_a_cent_up() {
        for (pieces, cents) in [(1, 13), (2, 25), (3, 38), (4, 50), (10, 125)] {
            let items = format!(r#"{{"cherry":{pieces}}}"#);
            check(&items, "2024-06-30T23:59:59Z", &format!(r#""total":{{"minor":{cents},"currency":"EUR"}}"#));
        }
        check(r#"{"apple":2,"melon":1}"#, "2024-07-01T00:00:00Z", r#""total":{"minor":450,"currency":"EUR"}"#);
    }

    #[test]
    fn ten_of_a_kind_cost_a_tenth_less_from_the_first_of_july_on() {
        let ten = r#"{"apple":10}"#;
        check(ten, "2024-06-30T23:59:59.999999Z", r#""total":{"minor":500,"currency":"EUR"}"#);
        let less = r#""total":{"minor":450,"currency":"EUR"},"discount":{"minor":50,"currency":"EUR"}"#;
        check(ten, "2024-07-01T00:00:00Z", less);
        check(r#"{"apple":9,"pear":9}"#, "2024-07-01T00:00:00Z", r#""total":{"minor":1080,"currency":"EUR"}"#);
        // 1.25 and 7.00 euro, less 0.13 and 0.70.
        let less = r#""total":{"minor":742,"currency":"EUR"},"discount":{"minor":83,"currency":"EUR"}"#;
        check(r#"{"cherry":10,"pear":10}"#, "2024-07-01T00:00:00Z", less);
    }

    #[test]
    fn what_has_no_price_is_set_aside() {
        let checked_out = Given::json("cart.checked-out", r#"{"customer":"ada","items":{"car":1}}"#);
        let error = Trial::<pricing>::new().give(&checked_out).unwrap_err();
        assert_eq!(error.message(), "car has no price");
    }
}
