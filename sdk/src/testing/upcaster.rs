//! Trials of an upcaster.

use super::Given;
use super::trial::{Output, Trial};
use crate::upcaster::upcast_one;
use crate::{Result, Upcaster};

impl<U: Upcaster> Trial<U> {
    /// Turns a stored event of the old type into what is read in its place.
    ///
    /// Panics if the upcaster doesn't take the event's type: it would never be handed over.
    #[track_caller]
    pub fn upcast(&mut self, given: &Given) -> Result<Vec<Output>> {
        let event = self.record(given);
        let upcast = self.call(|_| upcast_one(event, U::upcast))?;
        Ok(upcast.into_iter().map(Output::from).collect())
    }
}
