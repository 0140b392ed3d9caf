//! A ledger: what each account has paid. This is the good version 1; the crates beside it are upgrades
//! of it that a host must refuse, or must tell what is the matter with. Each takes the files of this one,
//! but for the one that differs.
//!
//! | crate | version | upgrade |
//! |---|---|---|
//! | `good` | 2.0.0 | keeps its state in another shape, and answers the same |
//! | `different` | 2.0.0 | tells a fee of payments over 100 |
//! | `trap` | 2.0.0 | `booking` panics at a payment with `"poison": true` |
//! | `halts` | 2.0.0 | as `trap`, and its policy is to halt at what it can't handle |
//! | `trap-in-fold` | 2.0.0 | `account` panics when it folds one |
//! | `random` | 2.0.0 | answers with a number from memory: another one each time |
//! | `undeclared` | 2.0.0 | emits a type that its manifest doesn't have |
//! | `needs-upcaster` | 2.0.0 | reads `payment.made.v2`, which nobody records and no upcaster makes |
//! | `grows` | 2.0.0 | keeps 8 KiB more with each payment, for ever |
//! | `same-version` | 1.0.0 | is another code of the same name and version |
//! | `new-form-only` | 2.0.0 | folds `payment.made.v2` only, which the module in `forms` makes of `payment.made` |
//!
//! | function | is a | reads | answers |
//! |---|---|---|---|
//! | `account` | aggregate | `payment.make` `{"amount": 120}` | `payment.made`, or `nothing-to-pay` |
//! | `booking` | handler | `payment.made` `{"amount": 120}` | `ledger.booked` `{"payments": 2, "balance": 150}`; its state is the same, by account |
//! | `balances` | view | `ledger.booked` | the last one of each account |

pub mod account;
pub mod balances;
pub mod booking;
pub mod entry;
pub mod events;

retold::module!(account::Account, booking::booking, balances::balances);
