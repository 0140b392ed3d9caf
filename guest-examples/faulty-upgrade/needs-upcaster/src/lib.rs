//! An upgrade of the ledger that reads a newer form of payments, and brings no upcaster that makes it.

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
