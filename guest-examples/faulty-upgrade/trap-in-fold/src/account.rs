//! `account`: as version 1, but for poison.

use retold::prelude::*;

use crate::events::PaymentMade;

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
        assert!(!event.poison, "the payment at {} is poisoned", event.position());
        self.paid += event.amount;
    }
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    #[should_panic(expected = "the payment at 2 is poisoned")]
    fn a_trap_is_a_panic() {
        let mut trial = Trial::<Account>::new();
        for poison in [false, true] {
            trial.given(&Given::event(&PaymentMade { amount: 1, poison }).about("account/1")).unwrap();
        }
    }
}
