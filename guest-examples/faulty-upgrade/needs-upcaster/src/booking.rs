//! `booking`: as version 1, but for the form that it reads.

use retold::prelude::*;

use crate::entry::{Entry, book};
use crate::events::Booked;

/// Nobody records it, and no upcaster makes it of `payment.made`.
#[derive(Event, Serialize, Deserialize)]
#[event("payment.made.v2")]
pub struct PaymentMadeV2 {
    pub cents: u64,
}

#[handler(start = "beginning")]
pub fn booking(payment: Recorded<PaymentMadeV2>, entries: &mut State<Entry>) -> Result<Booked> {
    book(payment.subject(), payment.cents, entries)
}

#[cfg(test)]
mod tests {
    use retold::testing::Trial;

    use super::*;

    #[test]
    fn the_payments_of_version_1_are_not_read() {
        let trial = Trial::<booking>::new();
        assert!(trial.subscribes_to("payment.made.v2"));
        assert!(!trial.subscribes_to("payment.made"));
    }
}
