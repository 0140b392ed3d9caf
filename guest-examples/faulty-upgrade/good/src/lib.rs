//! An upgrade of the ledger that keeps its state in another shape, and answers the same.

#[path = "../../ledger/src/account.rs"]
pub mod account;
#[path = "../../ledger/src/balances.rs"]
pub mod balances;
pub mod booking;
#[path = "../../ledger/src/events.rs"]
pub mod events;

retold::module!(name = "ledger", account::Account, booking::booking, balances::balances);
