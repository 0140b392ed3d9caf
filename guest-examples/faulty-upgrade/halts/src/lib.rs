//! An upgrade of the ledger that halts at a payment with `"poison": true`.

#[path = "../../ledger/src/account.rs"]
pub mod account;
#[path = "../../ledger/src/balances.rs"]
pub mod balances;
pub mod booking;
#[path = "../../ledger/src/entry.rs"]
pub mod entry;
#[path = "../../ledger/src/events.rs"]
pub mod events;

retold::module!(name = "ledger", account::Account, booking::booking, balances::balances);
