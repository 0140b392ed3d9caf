//! `booking`: as version 1, but it counts all payments that this instance has seen.

use std::sync::atomic::{AtomicU64, Ordering};

use retold::prelude::*;

use crate::entry::{Entry, book};
use crate::events::{Booked, PaymentMade};

#[handler(start = "beginning")]
pub fn booking(payment: Recorded<PaymentMade>, entries: &mut State<Entry>) -> Result<Booked> {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    let booked = book(payment.subject(), payment.amount, entries)?;
    Ok(Booked { payments: SEEN.fetch_add(1, Ordering::Relaxed) + 1, ..booked })
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn the_same_payment_over_the_same_state_is_answered_otherwise() {
        let payment = Given::event(&PaymentMade { amount: 1, poison: false }).about("account/1");
        let answer = || Trial::<booking>::new().give(&payment).unwrap();
        assert_ne!(answer(), answer());
    }
}
