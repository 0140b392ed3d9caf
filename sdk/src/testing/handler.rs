//! Trials of a handler.

use super::Given;
use super::trial::{Output, Trial, error};
use crate::answer::emitted;
use crate::handler::handle_in;
use crate::{Handler, Result, State};

impl<H: Handler> Trial<H> {
    /// Hands the next event to the handler. Positions count up from 1. When the handler fails, what
    /// it wrote into its state is undone, as the host does.
    ///
    /// Panics if the handler doesn't subscribe to the event's type: the host would never hand it
    /// over, so the test means something else.
    #[track_caller]
    pub fn give(&mut self, given: &Given) -> Result<Vec<Output>> {
        let event = self.record(given);
        let outcome = self.call(|trial| handle_in::<H>(std::slice::from_ref(&event), &trial.memory));
        match outcome {
            Ok(reactions) => Ok(reactions.into_iter().map(|reaction| emitted(reaction).into()).collect()),
            Err(failure) => {
                self.memory.undo();
                Err(error(failure))
            }
        }
    }

    /// The handler's state as it stands, to look into or to prepare.
    pub fn state<S>(&mut self) -> State<'_, S> {
        State::of(&self.memory, 0)
    }
}
