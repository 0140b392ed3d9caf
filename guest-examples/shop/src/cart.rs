//! `cart`: decides what goes into a cart. One cart a subject: `cart/1`.

use std::collections::BTreeMap;

use retold::prelude::*;

use crate::prices;

/// Of one kind, in one cart.
const PIECES_MAX: u32 = 10;

/// Puts pieces of one kind into the cart.
#[derive(Command, Deserialize, JsonSchema)]
#[command("cart.add-item", schema)]
pub struct AddItem {
    pub sku: String,
    #[schemars(range(min = 1))]
    pub quantity: u32,
}

/// Takes all pieces of one kind out of the cart.
#[derive(Command, Deserialize)]
#[command("cart.remove-item")]
pub struct RemoveItem {
    pub sku: String,
}

#[derive(Command, Deserialize)]
#[command("cart.check-out")]
pub struct CheckOut {
    pub customer: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event("cart.item-added")]
pub struct ItemAdded {
    pub sku: String,
    pub quantity: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event("cart.item-removed")]
pub struct ItemRemoved {
    pub sku: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event("cart.checked-out")]
pub struct CheckedOut {
    pub customer: String,
    /// Pieces by kind.
    pub items: BTreeMap<String, u32>,
}

/// What a cart is, by all that has happened to it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cart {
    items: BTreeMap<String, u32>,
    checked_out: bool,
}

#[aggregate]
impl Cart {
    #[decide]
    fn add_item(&self, command: Received<AddItem>) -> Result<ItemAdded, Rejection> {
        self.is_open()?;
        let AddItem { sku, quantity } = command.into_data();
        if prices::of(&sku).is_none() {
            return Err(Rejection::new("unknown-item", format!("this shop has no {sku}")));
        }
        let pieces = self.items.get(&sku).copied().unwrap_or(0);
        if quantity == 0 || quantity > PIECES_MAX - pieces {
            let message = format!("a cart holds 1 to {PIECES_MAX} pieces of {sku}, and there are {pieces} in it");
            return Err(Rejection::new("wrong-quantity", message));
        }
        Ok(ItemAdded { sku, quantity })
    }

    #[decide]
    fn remove_item(&self, command: Received<RemoveItem>) -> Result<ItemRemoved, Rejection> {
        self.is_open()?;
        let RemoveItem { sku } = command.into_data();
        if !self.items.contains_key(&sku) {
            return Err(Rejection::new("not-in-cart", format!("there is no {sku} in this cart")));
        }
        Ok(ItemRemoved { sku })
    }

    #[decide]
    fn check_out(&self, command: Received<CheckOut>) -> Result<CheckedOut, Rejection> {
        self.is_open()?;
        if self.items.is_empty() {
            return Err(Rejection::new("empty-cart", "put something into the cart first"));
        }
        Ok(CheckedOut { customer: command.into_data().customer, items: self.items.clone() })
    }

    #[evolve]
    fn item_added(&mut self, event: Recorded<ItemAdded>) {
        let ItemAdded { sku, quantity } = event.into_data();
        *self.items.entry(sku).or_default() += quantity;
    }

    #[evolve]
    fn item_removed(&mut self, event: Recorded<ItemRemoved>) {
        self.items.remove(&event.sku);
    }

    #[evolve]
    fn checked_out(&mut self, _event: Recorded<CheckedOut>) {
        self.checked_out = true;
    }

    fn is_open(&self) -> Result<(), Rejection> {
        if self.checked_out {
            return Err(Rejection::new("checked-out", "this cart is checked out: take a new one"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Output, Trial, When};

    use super::*;

    fn when(trial: &mut Trial<Cart>, command: &str, data: &str) -> Result<Vec<Output>, Rejection> {
        trial.when(&When::json(command, data).to("cart/1"))
    }

    fn with_two_apples() -> Trial<Cart> {
        let mut trial = Trial::new();
        let added = ItemAdded { sku: "apple".to_owned(), quantity: 2 };
        trial.given(&Given::event(&added).about("cart/1")).unwrap();
        trial
    }

    #[test]
    fn what_was_put_in_is_checked_out() {
        let mut trial = with_two_apples();
        when(&mut trial, "cart.add-item", r#"{"sku":"pear","quantity":1}"#).unwrap();
        when(&mut trial, "cart.add-item", r#"{"sku":"apple","quantity":3}"#).unwrap();
        when(&mut trial, "cart.remove-item", r#"{"sku":"pear"}"#).unwrap();
        let events = when(&mut trial, "cart.check-out", r#"{"customer":"ada"}"#).unwrap();
        assert_eq!(events[0].event_type, "cart.checked-out");
        assert_eq!(events[0].subject, "cart/1");
        assert_eq!(events[0].json(), r#"{"customer":"ada","items":{"apple":5}}"#);
        assert_eq!(when(&mut trial, "cart.check-out", r#"{"customer":"ada"}"#).unwrap_err().code(), "checked-out");
    }

    #[test]
    fn what_a_cart_can_not_do_is_refused_by_a_code() {
        #[track_caller]
        fn check(command: &str, data: &str, code: &str) {
            assert_eq!(when(&mut with_two_apples(), command, data).unwrap_err().code(), code);
        }
        check("cart.add-item", r#"{"sku":"car","quantity":1}"#, "unknown-item");
        check("cart.add-item", r#"{"sku":"apple","quantity":9}"#, "wrong-quantity");
        check("cart.add-item", r#"{"sku":"apple","quantity":0}"#, "wrong-quantity");
        check("cart.add-item", r#"{"sku":"apple","quantity":"two"}"#, "invalid-command");
        check("cart.remove-item", r#"{"sku":"pear"}"#, "not-in-cart");
        let nothing = when(&mut Trial::new(), "cart.check-out", r#"{"customer":"ada"}"#);
        assert_eq!(nothing.unwrap_err().code(), "empty-cart");
    }

    #[test]
    fn carts_know_nothing_of_each_other() {
        let trial = with_two_apples();
        assert_eq!(trial.aggregate("cart/2"), Cart::default());
    }
}
