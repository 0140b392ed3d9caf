//! `account`: an account number belongs to one customer at most. One number a subject: `account/1001`.

use retold::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command("account.reserve")]
pub struct Reserve {
    pub customer: String,
}

#[derive(Command, Serialize, Deserialize)]
#[command("account.release")]
pub struct Release {
    pub customer: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event("account.reserved")]
pub struct AccountReserved {
    pub customer: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event("account.released")]
pub struct AccountReleased {
    pub customer: String,
}

/// What a refusal tells: whose command it was. A number may be asked for by many.
#[derive(Serialize, Deserialize)]
pub struct AskedBy {
    pub customer: String,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Account {
    customer: Option<String>,
}

#[aggregate]
impl Account {
    #[decide]
    fn reserve(&self, command: Received<Reserve>) -> Result<AccountReserved, Rejection> {
        let Reserve { customer } = command.into_data();
        if self.customer.is_some() {
            return Err(Rejection::new("taken", "the number belongs to somebody").with(&AskedBy { customer }));
        }
        Ok(AccountReserved { customer })
    }

    #[decide]
    fn release(&self, command: Received<Release>) -> Result<AccountReleased, Rejection> {
        let Release { customer } = command.into_data();
        if self.customer.as_ref() != Some(&customer) {
            return Err(Rejection::new("not-yours", "the number doesn't belong to this customer").with(&AskedBy { customer }));
        }
        Ok(AccountReleased { customer })
    }

    #[evolve]
    fn reserved(&mut self, event: Recorded<AccountReserved>) {
        self.customer = Some(event.into_data().customer);
    }

    #[evolve]
    fn released(&mut self, _event: Recorded<AccountReleased>) {
        self.customer = None;
    }
}

#[cfg(test)]
mod tests {
    use retold::testing::{Trial, When};

    use super::*;

    fn command<C: Command + Serialize>(command: &C) -> When {
        When::command(command).to("account/1001")
    }

    #[test]
    fn a_number_belongs_to_one_customer_until_it_is_released() {
        let mut trial = Trial::<Account>::new();
        let reserve = |customer: &str| command(&Reserve { customer: customer.to_owned() });
        let release = |customer: &str| command(&Release { customer: customer.to_owned() });
        assert_eq!(trial.when(&reserve("customer/7")).unwrap()[0].event_type, "account.reserved");
        let rejection = trial.when(&reserve("customer/8")).unwrap_err();
        assert_eq!((rejection.code(), rejection.data()), ("taken", br#"{"customer":"customer/8"}"#.as_slice()));
        assert_eq!(trial.when(&release("customer/8")).unwrap_err().code(), "not-yours");
        assert_eq!(trial.when(&release("customer/7")).unwrap()[0].event_type, "account.released");
        assert!(trial.when(&reserve("customer/8")).is_ok());
    }
}
