//! The house itself: who sees whom, what is absent, what the pages promise.

mod defences;
mod floors;
mod pages;
mod source;
mod threats;
mod versions;
