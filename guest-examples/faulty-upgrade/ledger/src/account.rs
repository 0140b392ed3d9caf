//! `account`: takes a payment, if it is one.

use retold::prelude::*;

use crate::events::PaymentMade;

#[derive(Command, Deserialize)]
#[command("payment.make")]
pub struct MakePayment {
    pub amount: u64,
    #[serde(default)]
    pub poison: bool,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Account {
    pub paid: u64,
}

#[aggregate]
impl Account {
    #[decide]
    fn make_payment(&self, command: Received<MakePayment>) -> Result<PaymentMade, Rejection> {
        let MakePayment { amount, poison } = command.into_data();
        if amount == 0 {
            return Err(Rejection::new("nothing-to-pay", "an amount is more than nothing"));
        }
        Ok(PaymentMade { amount, poison })
    }

    #[evolve]
    fn payment_made(&mut self, event: Recorded<PaymentMade>) {
        self.paid += event.amount;
    }
}

#[cfg(test)]
mod tests {
    use retold::testing::{Trial, When};

    use super::*;

    #[test]
    fn a_payment_is_made_unless_it_is_none() {
        let mut trial = Trial::<Account>::new();
        let mut pay = |data: &str| trial.when(&When::json("payment.make", data).to("account/1"));
        assert_eq!(pay(r#"{"amount":7}"#).unwrap()[0].json(), r#"{"amount":7}"#);
        assert_eq!(pay(r#"{"amount":8,"poison":true}"#).unwrap()[0].json(), r#"{"amount":8,"poison":true}"#);
        assert_eq!(pay(r#"{"amount":0}"#).unwrap_err().code(), "nothing-to-pay");
        assert_eq!(trial.aggregate("account/1").paid, 15);
    }
}
