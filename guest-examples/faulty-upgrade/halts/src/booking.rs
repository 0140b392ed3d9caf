//! `booking`: as version 1, but it halts at poison.

use retold::prelude::*;

use crate::entry::{Entry, book};
use crate::events::{Booked, PaymentMade};

#[handler(start = "beginning", policy = "halt")]
pub fn booking(payment: Recorded<PaymentMade>, entries: &mut State<Entry>) -> Result<Booked> {
    assert!(!payment.poison, "the payment at {} is poisoned", payment.position());
    book(payment.subject(), payment.amount, entries)
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    #[should_panic(expected = "the payment at 2 is poisoned")]
    fn a_trap_is_a_panic() {
        let mut trial = Trial::<booking>::new();
        for poison in [false, true] {
            trial.give(&Given::event(&PaymentMade { amount: 1, poison }).about("account/1")).unwrap();
        }
    }
}
