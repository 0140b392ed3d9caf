//! A ledger whose aggregate subscribes to payments as they are stored and to their newest form, and can fold
//! the newest form only: it needs the upcasters of `forms`.

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
