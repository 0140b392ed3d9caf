//! The module `hello` under another version: code that makes what is recorded, byte for byte.

use retold::prelude::*;

#[derive(Event, Deserialize)]
#[event("order.placed")]
struct OrderPlaced {
    quantity: u32,
    unit_price: u64,
}

#[derive(Event, Serialize)]
#[event("order.priced")]
struct OrderPriced {
    total: u64,
}

#[handler]
fn pricing(order: Recorded<OrderPlaced>) -> Result<OrderPriced> {
    Ok(OrderPriced { total: order.unit_price * u64::from(order.quantity) })
}

retold::module!(name = "hello", pricing);

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::pricing;

    #[test]
    fn an_order_costs_what_it_costs_in_hello() {
        let placed = Given::json("order.placed", r#"{"quantity": 3, "unit_price": 250}"#);
        let outputs = Trial::<pricing>::new().give(&placed.about("order/1")).unwrap();
        assert_eq!(outputs[0].json(), r#"{"total":750}"#);
    }
}
