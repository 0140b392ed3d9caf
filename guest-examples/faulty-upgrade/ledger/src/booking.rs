//! `booking`: counts and sums what each account pays.

use retold::prelude::*;

use crate::entry::{Entry, book};
use crate::events::{Booked, PaymentMade};

#[handler(start = "beginning")]
pub fn booking(payment: Recorded<PaymentMade>, entries: &mut State<Entry>) -> Result<Booked> {
    book(payment.subject(), payment.amount, entries)
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn each_account_has_its_own_count_and_sum() {
        let mut trial = Trial::<booking>::new();
        let mut booked = |account: &str, amount: u64| {
            let payment = Given::event(&PaymentMade { amount, poison: false }).about(account);
            trial.give(&payment).unwrap()[0].read::<Booked>()
        };
        assert_eq!(booked("account/1", 30), Booked { payments: 1, balance: 30 });
        assert_eq!(booked("account/2", 5), Booked { payments: 1, balance: 5 });
        assert_eq!(booked("account/1", 120), Booked { payments: 2, balance: 150 });
    }
}
