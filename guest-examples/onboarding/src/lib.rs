//! Onboarding: a customer registers, is checked, gets an account number, and is created; or is refused, and
//! what was done is undone.
//!
//! | function | is a | reads | answers |
//! |---|---|---|---|
//! | `onboarding` | handler: a process manager | `customer.registered`, replies, refusals, `account.reserved`, `onboarding.timed-out` | `customer.created`, `customer.refused`; requests, commands, a timer |
//! | `account` | aggregate | `account.reserve`, `account.release` | `account.reserved`, `account.released` |

pub mod account;
pub mod address;
pub mod check;
pub mod checks;
pub mod credit;
pub mod events;
pub mod process;

retold::module!(process::onboarding, account::Account);
