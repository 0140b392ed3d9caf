//! `balances`: the last booking of each account, under the account.

use retold::prelude::*;

use crate::events::Booked;

#[view]
pub fn balances(booked: Recorded<Booked>, rows: &mut Rows<Booked>) -> Result<()> {
    let account = booked.subject().to_owned();
    rows.put(&account, &booked.into_data())
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn a_row_is_the_last_booking_of_its_account() {
        let mut trial = Trial::<balances>::new();
        for (payments, account) in [(1, "account/1"), (2, "account/1"), (9, "account/2")] {
            trial.project(&Given::event(&Booked { payments, balance: 7 }).about(account)).unwrap();
        }
        assert_eq!(trial.row("account/1"), Some(Booked { payments: 2, balance: 7 }));
    }
}
