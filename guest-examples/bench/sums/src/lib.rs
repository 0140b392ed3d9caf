//! Sums what is ordered of each order: one JSON event decoded, one row read and written. All rows are one
//! unit of state, so events are handled one after the other.

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

#[handler(start = "beginning")]
pub fn sums(order: Recorded<OrderPlaced>, sums: &mut State<Sum>) -> Result<()> {
    sums.update(order.subject(), |sum| {
        sum.orders += 1;
        sum.total += order.quantity * order.unit_price;
    })
}

retold::module!(name = "sums", sums);

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn each_order_has_a_sum_of_its_own() {
        let mut trial = Trial::<sums>::new();
        for (order, unit_price) in [("order/1", 250), ("order/2", 7), ("order/1", 100)] {
            let placed = Given::json("order.placed", format!(r#"{{"quantity":3,"unit_price":{unit_price}}}"#));
            assert_eq!(trial.give(&placed.about(order)).unwrap(), []);
        }
        let sums = trial.state::<Sum>();
        assert_eq!(sums.get("order/1").unwrap(), Some(Sum { orders: 2, total: 1_050 }));
        assert_eq!(sums.get("order/2").unwrap(), Some(Sum { orders: 1, total: 21 }));
    }
}
