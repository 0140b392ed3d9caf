//! `revenue`: what each month brought in. It is new, and begins at the beginning: what was sold before
//! anybody thought of this question is in it too.

use retold::prelude::*;

use crate::money::Money;
use crate::order::OrderPlaced;

/// A row, under the month of the orders: `2024-06`.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Revenue {
    pub orders: u64,
    pub total: Money,
    /// What was taken off.
    pub discount: Money,
}

#[view]
pub fn revenue(order: Recorded<OrderPlaced>, months: &mut Rows<Revenue>) -> Result<()> {
    let day = order.time().to_string();
    let month = &day[.."2024-06".len()];
    months.update(month, |row| {
        row.orders += 1;
        row.total = row.total + order.total;
        row.discount = row.discount + order.discount.unwrap_or_default();
    })
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn orders_are_summed_by_their_month_with_a_discount_or_without() {
        let mut trial = Trial::<revenue>::new();
        let orders = [(450, Some(50), "2024-07-01T00:00:00Z"), (70, None, "2024-07-31T12:00:00Z"), (120, None, "2024-06-30T23:59:59Z")];
        for (total, discount, time) in orders {
            let discount = discount.map(Money::cents);
            let placed = OrderPlaced { total: Money::cents(total), discount, ..OrderPlaced::default() };
            trial.project(&Given::event(&placed).about("order/1").at(time)).unwrap();
        }
        let july = Revenue { orders: 2, total: Money::cents(520), discount: Money::cents(50) };
        assert_eq!(trial.row("2024-07"), Some(july));
        assert_eq!(trial.row("2024-06").map(|month| month.total), Some(Money::cents(120)));
    }

    #[test]
    fn an_order_that_version_1_recorded_has_no_discount() {
        let mut trial = Trial::<revenue>::new();
        let old = r#"{"customer":"ada","total":{"minor":450,"currency":"EUR"},"items":{"apple":9}}"#;
        trial.project(&Given::json("order.placed.v2", old).about("order/1").at("2024-06-30T12:00:00Z")).unwrap();
        assert_eq!(trial.row("2024-06"), Some(Revenue { orders: 1, total: Money::cents(450), discount: Money::cents(0) }));
    }
}
