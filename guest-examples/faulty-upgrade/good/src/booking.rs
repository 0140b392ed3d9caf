//! `booking`: counts and sums what each account pays, by hundreds.

use retold::prelude::*;

use crate::events::{Booked, PaymentMade};

/// Can't read what version 1 kept: it has to be made anew.
#[derive(Default, Serialize, Deserialize)]
pub struct Sum {
    count: u64,
    hundreds: u64,
    rest: u64,
}

#[handler(start = "beginning")]
pub fn booking(payment: Recorded<PaymentMade>, sums: &mut State<Sum>) -> Result<Booked> {
    let account = payment.subject();
    let mut sum = sums.get(account)?.unwrap_or_default();
    let rest = sum.rest + payment.amount;
    sum = Sum { count: sum.count + 1, hundreds: sum.hundreds + rest / 100, rest: rest % 100 };
    sums.put(account, &sum)?;
    Ok(Booked { payments: sum.count, balance: sum.hundreds * 100 + sum.rest })
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn sums_by_hundreds_are_the_sums() {
        let mut trial = Trial::<booking>::new();
        let (mut payments, mut balance) = (0, 0);
        for amount in [1, 99, 100, 250, 7, 0, 12_345] {
            (payments, balance) = (payments + 1, balance + amount);
            let payment = Given::event(&PaymentMade { amount, poison: false }).about("account/1");
            assert_eq!(trial.give(&payment).unwrap()[0].read::<Booked>(), Booked { payments, balance });
        }
    }
}
