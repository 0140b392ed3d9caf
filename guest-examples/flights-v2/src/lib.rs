//! Version 2 of `flights`: a flight is late when it is more than half an hour late.
//!
//! Who ships an upgrade edits the module and raises its version. Here both versions are kept, so that
//! one can be tried over the history of the other: this crate has the file that changed, and takes all
//! others from version 1 as they are. It says whose version it is with `name`: by its name the host
//! knows a module, and by theirs its functions.

#[path = "../../flights/src/delays.rs"]
pub mod delays;
#[path = "../../flights/src/events.rs"]
pub mod events;
#[path = "../../flights/src/knock_on.rs"]
pub mod knock_on;
pub mod late;
#[path = "../../flights/src/month.rs"]
pub mod month;

retold::module!(name = "flights", delays::delays, knock_on::knock_on, month::delays_by_month, month::delays_by_carrier, month::of_carrier);
