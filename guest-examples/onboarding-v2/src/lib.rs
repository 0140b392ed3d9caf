//! Version 2 of onboarding: from 1 July 2026 on, customers are looked up on the list of sanctions too.
//!
//! It is one file, one line in `checks.rs`, and this. All else is version 1's.

#[path = "../../onboarding/src/account.rs"]
pub mod account;
#[path = "../../onboarding/src/address.rs"]
pub mod address;
#[path = "../../onboarding/src/check.rs"]
pub mod check;
pub mod checks;
#[path = "../../onboarding/src/credit.rs"]
pub mod credit;
#[path = "../../onboarding/src/events.rs"]
pub mod events;
#[path = "../../onboarding/src/process.rs"]
pub mod process;
pub mod sanctions;

retold::module!(name = "onboarding", process::onboarding, account::Account);
