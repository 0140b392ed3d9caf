//! Prices orders: the smallest module there is.

mod cents;

use cents::Cents;
use retold::prelude::*;

#[derive(Event, Deserialize)]
#[event("order.placed")]
struct OrderPlaced {
    quantity: u32,
    unit_price: Cents,
}

#[derive(Event, Serialize)]
#[event("order.priced")]
struct OrderPriced {
    total: Cents,
}

#[handler]
fn pricing(order: Recorded<OrderPlaced>) -> Result<OrderPriced> {
    Ok(OrderPriced { total: order.unit_price * order.quantity })
}

retold::module!(pricing);

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::pricing;

    #[test]
    fn an_order_costs_its_quantity_times_its_unit_price() {
        let placed = Given::json("order.placed", r#"{"quantity": 3, "unit_price": 250}"#);
        let outputs = Trial::<pricing>::new().give(&placed.about("order/1")).unwrap();
        assert_eq!(outputs.len(), 1);
        assert_eq!(outputs[0].event_type, "order.priced");
        assert_eq!(outputs[0].subject, "order/1");
        assert_eq!(outputs[0].json(), r#"{"total":750}"#);
    }

    #[test]
    fn an_order_without_a_price_is_rejected_by_the_name_of_what_is_missing() {
        let placed = Given::json("order.placed", r#"{"quantity": 3}"#);
        let error = Trial::<pricing>::new().give(&placed).unwrap_err();
        assert_eq!(error.message(), "order.placed can't be read as OrderPlaced: missing field `unit_price` at line 1 column 15");
    }
}
