//! `stock`: what lies on the shelf is never less than nothing. One kind a subject: `stock/apple`.
//!
//! Many may reserve at once. The host takes a decision only if nothing has happened to the subject
//! since the state that it stands on, and decides again otherwise; so there is no check here for it.

use retold::prelude::*;

/// From fewer pieces on somebody should buy some.
const LOW: u32 = 3;

#[derive(Command, Deserialize)]
#[command("stock.receive")]
pub struct Receive {
    pub quantity: u32,
}

#[derive(Command, Deserialize)]
#[command("stock.reserve")]
pub struct Reserve {
    pub quantity: u32,
}

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event("stock.received", schema)]
pub struct StockReceived {
    pub quantity: u32,
}

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event("stock.reserved", schema)]
pub struct StockReserved {
    pub quantity: u32,
    /// Pieces that lie on the shelf afterwards.
    pub left: u32,
}

/// What a refusal tells programs.
#[derive(Serialize)]
struct Left {
    left: u32,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Stock {
    left: u32,
}

#[aggregate]
impl Stock {
    #[decide]
    fn receive(&self, command: Received<Receive>) -> Result<StockReceived, Rejection> {
        let quantity = command.quantity;
        if self.left.checked_add(quantity).is_none() {
            return Err(Rejection::new("too-many", format!("{quantity} more pieces are more than can be counted")));
        }
        Ok(StockReceived { quantity })
    }

    #[decide]
    fn reserve(&self, command: Received<Reserve>) -> Result<StockReserved, Rejection> {
        let quantity = command.quantity;
        let left = self.left.checked_sub(quantity).ok_or_else(|| {
            let message = format!("{} pieces are asked for, and {} are left", quantity, self.left);
            Rejection::new("out-of-stock", message).with(&Left { left: self.left })
        })?;
        Ok(StockReserved { quantity, left })
    }

    #[evolve]
    fn received(&mut self, event: Recorded<StockReceived>) {
        self.left += event.quantity;
    }

    #[evolve]
    fn reserved(&mut self, event: Recorded<StockReserved>) {
        self.left = event.left;
    }
}

/// Somebody should buy some.
#[derive(Event, Serialize)]
#[event("stock.ran-low")]
pub struct RanLow {
    pub left: u32,
}

/// Says so once: when the reservation took the stock below what is low.
#[handler(start = "beginning")]
pub fn running_low(event: Recorded<StockReserved>) -> Result<Option<RanLow>> {
    let left = event.left;
    let before = left + event.quantity;
    Ok((left < LOW && before >= LOW).then_some(RanLow { left }))
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Output, Trial, When};

    use super::*;

    fn with_pieces(quantity: u32) -> Trial<Stock> {
        let mut trial = Trial::new();
        trial.given(&Given::event(&StockReceived { quantity }).about("stock/apple")).unwrap();
        trial
    }

    fn reserve(trial: &mut Trial<Stock>, quantity: u32) -> Result<Vec<Output>, Rejection> {
        let data = format!(r#"{{"quantity":{quantity}}}"#);
        trial.when(&When::json("stock.reserve", data).to("stock/apple"))
    }

    #[test]
    fn more_than_lies_on_the_shelf_is_refused_with_what_is_left() {
        let mut trial = with_pieces(5);
        assert_eq!(reserve(&mut trial, 2).unwrap()[0].json(), r#"{"quantity":2,"left":3}"#);
        let rejection = reserve(&mut trial, 4).unwrap_err();
        assert_eq!(rejection.to_string(), "out-of-stock: 4 pieces are asked for, and 3 are left");
        assert_eq!(rejection.data(), br#"{"left":3}"#);
        assert_eq!(reserve(&mut trial, 3).unwrap()[0].json(), r#"{"quantity":3,"left":0}"#);
    }

    #[test]
    fn low_stock_is_told_once() {
        let mut trial = Trial::<running_low>::new();
        let mut told = |quantity, left| trial.give(&Given::event(&StockReserved { quantity, left })).unwrap().len();
        assert_eq!(told(1, 3), 0);
        assert_eq!(told(1, 2), 1);
        assert_eq!(told(1, 1), 0);
    }
}
