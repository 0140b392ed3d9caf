//! Upcasters in a module of their own, beside the ledger: what they turn new is read by others, and so their
//! removal changes what others read.
//!
//! | function | is a | takes | makes |
//! |---|---|---|---|
//! | `payment-taken` | upcaster | `payment.taken` `{"cents": 120}` | `payment.made` `{"amount": 120}` |
//! | `payment-in-cents` | upcaster | `payment.made` `{"amount": 120}` | `payment.made.v2` `{"cents": 120}` |

#[path = "../../ledger/src/events.rs"]
pub mod events;

use events::PaymentMade;
use retold::prelude::*;

/// As it was recorded before there was a ledger.
#[derive(Event, Serialize, Deserialize)]
#[event("payment.taken")]
pub struct PaymentTaken {
    pub cents: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event("payment.made.v2")]
pub struct PaymentInCents {
    pub cents: u64,
}

#[upcaster]
pub fn payment_taken(old: Recorded<PaymentTaken>) -> Result<PaymentMade> {
    Ok(PaymentMade { amount: old.cents, poison: false })
}

#[upcaster]
pub fn payment_in_cents(old: Recorded<PaymentMade>) -> Result<PaymentInCents> {
    Ok(PaymentInCents { cents: old.amount })
}

retold::module!(name = "forms", payment_taken, payment_in_cents);

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn each_form_becomes_the_next() {
        let taken = Given::event(&PaymentTaken { cents: 7 }).about("account/1");
        let made: PaymentMade = Trial::<payment_taken>::new().upcast(&taken).unwrap()[0].read();
        let made = Given::event(&made).about("account/1");
        let newest: PaymentInCents = Trial::<payment_in_cents>::new().upcast(&made).unwrap()[0].read();
        assert_eq!(newest.cents, 7);
    }
}
