//! `booking`: as version 1, and tells the fee of a large payment.

use retold::prelude::*;

use crate::entry::{Entry, book};
use crate::events::PaymentMade;

/// More than this is a large payment.
const LARGE: u64 = 100;

#[derive(Event, Serialize)]
#[event("ledger.booked")]
pub struct BookedWithFee {
    pub payments: u64,
    pub balance: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee: Option<u64>,
}

#[handler(start = "beginning")]
pub fn booking(payment: Recorded<PaymentMade>, entries: &mut State<Entry>) -> Result<BookedWithFee> {
    let booked = book(payment.subject(), payment.amount, entries)?;
    let fee = (payment.amount > LARGE).then_some(1);
    Ok(BookedWithFee { payments: booked.payments, balance: booked.balance, fee })
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn only_a_payment_over_100_is_answered_otherwise() {
        let mut trial = Trial::<booking>::new();
        let mut booked = |amount: u64| {
            let payment = Given::event(&PaymentMade { amount, poison: false }).about("account/1");
            trial.give(&payment).unwrap()[0].json().to_owned()
        };
        assert_eq!(booked(100), r#"{"payments":1,"balance":100}"#);
        assert_eq!(booked(101), r#"{"payments":2,"balance":201,"fee":1}"#);
    }
}
