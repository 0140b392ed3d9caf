//! What `bench-sums` does, split by order: each order is a unit of state of its own, so orders are replayed
//! side by side.

use retold::prelude::*;

#[derive(Event, Deserialize)]
#[event("order.placed")]
pub struct OrderPlaced {
    pub quantity: u64,
    pub unit_price: u64,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    pub orders: u64,
    pub total: u64,
}

#[handler(split = 2, start = "beginning")]
pub fn sums_by_order(order: Recorded<OrderPlaced>, sums: &mut State<Sum>) -> Result<()> {
    sums.update("sum", |sum| {
        sum.orders += 1;
        sum.total += order.quantity * order.unit_price;
    })
}

retold::module!(name = "sums-by-order", sums_by_order);

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn orders_are_summed_in_their_unit() {
        let mut trial = Trial::<sums_by_order>::new();
        for unit_price in [250, 100] {
            let placed = Given::json("order.placed", format!(r#"{{"quantity":3,"unit_price":{unit_price}}}"#));
            assert_eq!(trial.give(&placed.about("order/1")).unwrap(), []);
        }
        assert_eq!(trial.state::<Sum>().get("sum").unwrap(), Some(Sum { orders: 2, total: 1_050 }));
    }
}
