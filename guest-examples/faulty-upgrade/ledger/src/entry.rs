//! What is kept of an account.

use retold::prelude::*;

use crate::events::Booked;

#[derive(Default, Serialize, Deserialize)]
pub struct Entry {
    payments: u64,
    balance: u64,
}

impl Entry {
    pub fn add(&mut self, amount: u64) -> Booked {
        self.payments += 1;
        self.balance += amount;
        Booked { payments: self.payments, balance: self.balance }
    }
}

/// Books a payment as version 1 does.
pub fn book(account: &str, amount: u64, entries: &mut State<Entry>) -> Result<Booked> {
    let mut entry = entries.get(account)?.unwrap_or_default();
    let booked = entry.add(amount);
    entries.put(account, &entry)?;
    Ok(booked)
}
