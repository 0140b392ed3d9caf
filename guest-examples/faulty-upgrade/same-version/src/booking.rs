//! `booking`: as version 1, and tells the log of it.

use retold::prelude::*;

use crate::entry::{Entry, book};
use crate::events::{Booked, PaymentMade};

#[handler(start = "beginning")]
pub fn booking(payment: Recorded<PaymentMade>, entries: &mut State<Entry>) -> Result<Booked> {
    let booked = book(payment.subject(), payment.amount, entries)?;
    info!("{} has paid {} times", payment.subject(), booked.payments);
    Ok(booked)
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn it_says_what_it_does() {
        let mut trial = Trial::<booking>::new();
        trial.give(&Given::event(&PaymentMade { amount: 5, poison: false }).about("account/1")).unwrap();
        assert_eq!(trial.log(), ["info: account/1 has paid 1 times"]);
    }
}
