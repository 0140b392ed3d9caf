//! `booking`: as version 1, but it never forgets a payment.

use retold::prelude::*;

use crate::entry::Entry;
use crate::events::{Booked, PaymentMade};

/// Kept with each payment.
const BALLAST_BYTES: usize = 8 << 10;

#[derive(Serialize, Deserialize)]
pub enum Kept {
    /// Under the account.
    Entry(Entry),
    /// Under the account and the position of a payment.
    Ballast(String),
}

#[handler(start = "beginning")]
pub fn booking(payment: Recorded<PaymentMade>, state: &mut State<Kept>) -> Result<Booked> {
    let account = payment.subject();
    let mut entry = match state.get(account)? {
        Some(Kept::Entry(entry)) => entry,
        _ => Entry::default(),
    };
    let booked = entry.add(payment.amount);
    state.put(account, &Kept::Entry(entry))?;
    state.put(&format!("{account}/{}", payment.position()), &Kept::Ballast("x".repeat(BALLAST_BYTES)))?;
    Ok(booked)
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn each_payment_leaves_a_row_and_the_answers_are_those_of_version_1() {
        let mut trial = Trial::<booking>::new();
        let payment = Given::event(&PaymentMade { amount: 5, poison: false }).about("account/1");
        for payments in 1..=3 {
            let booked = trial.give(&payment).unwrap()[0].read::<Booked>();
            assert_eq!(booked, Booked { payments, balance: 5 * payments });
        }
        assert_eq!(trial.state::<Kept>().scan("account/1/").count(), 3);
    }
}
