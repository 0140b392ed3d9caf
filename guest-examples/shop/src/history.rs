//! `order-history`: the orders of each customer, and two questions to it.

use retold::prelude::*;

use crate::money::Money;
use crate::order::OrderPlaced;

/// A row, under `CUSTOMER/ORDER`: `ada/order/1`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    pub order: String,
    pub placed: Timestamp,
    pub total: Money,
}

/// Reads orders of the first days too: an upcaster stands before it.
#[view]
pub fn order_history(order: Recorded<OrderPlaced>, rows: &mut Rows<History>) -> Result<()> {
    let subject = order.subject().to_owned();
    let key = format!("{}/{subject}", order.customer);
    rows.put(&key, &History { order: subject, placed: order.time(), total: order.total })
}

#[derive(Deserialize)]
pub struct OfCustomer {
    pub customer: String,
}

/// The orders of a customer, and what they cost together.
#[derive(Serialize)]
pub struct Orders {
    pub orders: Vec<History>,
    pub total: Money,
}

#[query(view = order_history)]
pub fn of_customer(question: OfCustomer, rows: &Rows<History>) -> Result<Orders, Rejection> {
    let orders: Vec<_> = rows.scan(&format!("{}/", question.customer)).map(|row| Ok(row?.1)).collect::<Result<_>>()?;
    let total = orders.iter().fold(Money::cents(0), |sum, order| sum + order.total);
    Ok(Orders { orders, total })
}

#[derive(Deserialize)]
pub struct OneOrder {
    pub customer: String,
    pub order: String,
}

#[query(view = order_history)]
pub fn one_order(question: OneOrder, rows: &Rows<History>) -> Result<History, Rejection> {
    let OneOrder { customer, order } = question;
    let row = rows.get(&format!("{customer}/{order}"))?;
    row.ok_or_else(|| Rejection::new("no-such-order", format!("{customer} has no order {order}")))
}

#[cfg(test)]
mod tests {
    use retold::Json;
    use retold::testing::{Given, Trial};

    use super::*;

    fn with_orders() -> Trial<order_history> {
        let mut trial = Trial::new();
        for (customer, order, cents) in [("ada", "order/1", 450), ("bob", "order/2", 70), ("ada", "order/3", 50)] {
            let placed = OrderPlaced { customer: customer.to_owned(), total: Money::cents(cents), ..OrderPlaced::default() };
            trial.project(&Given::event(&placed).about(order).at("2026-01-02T03:04:05Z")).unwrap();
        }
        trial
    }

    fn json(text: &str) -> Json {
        text.parse().unwrap()
    }

    #[test]
    fn a_customer_sees_the_own_orders_and_their_sum() {
        let answer = with_orders().ask::<of_customer>(&json(r#"{"customer":"ada"}"#)).unwrap();
        assert_eq!(answer["total"]["minor"], 500);
        assert_eq!(answer["orders"].as_array().unwrap().len(), 2);
        assert_eq!(answer["orders"][1]["order"], "order/3");
        let nobodys = with_orders().ask::<of_customer>(&json(r#"{"customer":"ad"}"#)).unwrap();
        assert_eq!(nobodys["orders"], json("[]"));
    }

    #[test]
    fn one_order_is_found_or_said_to_be_missing() {
        let mut trial = with_orders();
        let answer = trial.ask::<one_order>(&json(r#"{"customer":"bob","order":"order/2"}"#)).unwrap();
        assert_eq!(answer, json(r#"{"order":"order/2","placed":"2026-01-02T03:04:05Z","total":{"minor":70,"currency":"EUR"}}"#));
        let rejection = trial.ask::<one_order>(&json(r#"{"customer":"ada","order":"order/2"}"#)).unwrap_err();
        assert_eq!(rejection.code(), "no-such-order");
        let rejection = trial.ask::<one_order>(&json(r#"{"customer":"ada"}"#)).unwrap_err();
        assert_eq!(rejection.to_string(), "invalid-query: one-order: missing field `order` at line 1 column 18");
    }

    #[test]
    fn a_row_stands_under_customer_and_order() {
        let row = with_orders().row("ada/order/1").unwrap();
        assert_eq!(row.total, Money::cents(450));
    }
}
