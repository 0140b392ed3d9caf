//! `account`: as version 1, but for what it folds.

use retold::prelude::*;

use crate::events::PaymentMade;

#[derive(Event, Serialize, Deserialize)]
#[event("payment.made.v2")]
pub struct PaymentInCents {
    pub cents: u64,
}

#[derive(Command, Deserialize)]
#[command("payment.make")]
pub struct MakePayment {
    pub amount: u64,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Account {
    pub paid: u64,
}

#[aggregate]
impl Account {
    #[decide]
    fn make_payment(&self, command: Received<MakePayment>) -> Result<PaymentMade, Rejection> {
        if command.amount == 0 {
            return Err(Rejection::new("nothing-to-pay", "an amount is more than nothing"));
        }
        Ok(PaymentMade { amount: command.amount, poison: false })
    }

    #[evolve]
    fn payment_made(&mut self, event: Recorded<PaymentMade>) {
        panic!("the payment at {} is of the old form", event.position());
    }

    #[evolve]
    fn payment_in_cents(&mut self, event: Recorded<PaymentInCents>) {
        self.paid += event.cents;
    }
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn the_newest_form_is_folded() {
        let mut trial = Trial::<Account>::new();
        trial.given(&Given::event(&PaymentInCents { cents: 7 }).about("account/1")).unwrap();
        assert_eq!(trial.aggregate("account/1").paid, 7);
    }

    #[test]
    #[should_panic(expected = "the payment at 1 is of the old form")]
    fn the_old_form_is_not() {
        let mut trial = Trial::<Account>::new();
        trial.given(&Given::event(&PaymentMade { amount: 1, poison: false }).about("account/1")).unwrap();
    }
}
