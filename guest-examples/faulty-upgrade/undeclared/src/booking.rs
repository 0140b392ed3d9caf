//! `booking`: as version 1, and says so once more, under a type that nobody was told of.

use retold::__private::{Output, Unchecked, wire};
use retold::prelude::*;

use crate::entry::{Entry, book};
use crate::events::{Booked, PaymentMade};

#[handler(start = "beginning")]
pub fn booking(payment: Recorded<PaymentMade>, entries: &mut State<Entry>) -> Result<(Booked, Unchecked)> {
    let booked = book(payment.subject(), payment.amount, entries)?;
    let undeclared = wire::NewEvent {
        type_: "ledger.undeclared".to_owned(),
        subject: payment.subject().to_owned(),
        tags: Vec::new(),
        content_type: None,
        data: b"{}".to_vec(),
        key: None,
        time: None,
    };
    Ok((booked, Unchecked(vec![(None, Output::Emit(undeclared))])))
}

#[cfg(test)]
mod tests {
    use retold::Function;
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn what_is_emitted_is_more_than_what_is_declared() {
        let payment = Given::event(&PaymentMade { amount: 1, poison: false }).about("account/1");
        let outputs = Trial::<booking>::new().give(&payment).unwrap();
        let emitted: Vec<_> = outputs.iter().map(|output| output.event_type.as_str()).collect();
        assert_eq!(emitted, ["ledger.booked", "ledger.undeclared"]);
        assert_eq!(booking::describe().emits, ["ledger.booked"]);
    }
}
