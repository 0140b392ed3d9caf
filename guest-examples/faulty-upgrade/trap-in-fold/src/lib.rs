//! An upgrade of the ledger whose aggregate traps when it folds a payment with `"poison": true`.

pub mod account;
#[path = "../../ledger/src/balances.rs"]
pub mod balances;
#[path = "../../ledger/src/booking.rs"]
pub mod booking;
#[path = "../../ledger/src/entry.rs"]
pub mod entry;
#[path = "../../ledger/src/events.rs"]
pub mod events;

retold::module!(name = "ledger", account::Account, booking::booking, balances::balances);
