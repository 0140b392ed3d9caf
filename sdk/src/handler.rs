//! `Handler`: events in, events out. What `#[handler]` makes of a function, and the loop that runs
//! it over a batch.

use crate::Result;
use crate::answer::{Answer, Reach, Reactions};
use crate::batched::{Batched, Units};
use crate::bindings::wire;
use crate::envelope::Envelope;
use crate::function::{Function, failure};
use crate::host::{Host, Imported};
use crate::written::Written;

/// A handler function as the host sees it. `#[handler]` implements it for a type of the function's
/// name: `module!(pricing)`, `Trial::<pricing>::new()`.
pub trait Handler: Function {
    /// Whether it keeps state.
    #[doc(hidden)]
    const HAS_STATE: bool;

    /// The first so many parts of the subject are its unit of state.
    #[doc(hidden)]
    const SPLIT: Option<u32>;

    /// Handles one event. `index` is its place in the batch.
    fn react(event: Envelope<'_>, index: u32, host: &dyn Host, reactions: &mut Reactions<'_>) -> Result<()>;
}

/// The return type of a handler, a view or an upcaster.
#[diagnostic::on_unimplemented(
    message = "a function returns `Result<…>`, not `{Self}`",
    note = "wrap what it emits in `Ok(…)`; one that emits nothing returns `Result<()>`"
)]
pub trait Outcome {
    type Answer: Answer;

    fn into_result(self) -> Result<Self::Answer>;
}

impl<A: Answer, E: Into<crate::Error>> Outcome for Result<A, E> {
    type Answer = A;

    fn into_result(self) -> Result<A> {
        self.map_err(Into::into)
    }
}

/// Runs `H` over a batch in the host that runs this module. The first event that fails ends the
/// call: the host keeps what comes before it by calling again.
pub fn handle<'a, H: Handler>(events: impl Iterator<Item = Envelope<'a>>) -> Result<wire::Reactions, wire::Failure> {
    crate::log::panics_are_logged();
    handle_in::<H>(events, &Imported).map(Written::into_reactions)
}

pub(crate) fn handle_in<'a, H: Handler>(events: impl Iterator<Item = Envelope<'a>>, host: &dyn Host) -> Result<Written, wire::Failure> {
    if !H::HAS_STATE {
        return each::<H>(events, host);
    }
    let batched = Batched::new(host, events.collect(), Units::handler(H::SPLIT));
    let written = each::<H>(batched.events().iter().copied(), &batched)?;
    batched.flush().map_err(|(index, error)| failure(index, error))?;
    Ok(written)
}

fn each<'a, H: Handler>(events: impl Iterator<Item = Envelope<'a>>, host: &dyn Host) -> Result<Written, wire::Failure> {
    let mut written = Written::default();
    for (index, event) in (0..).zip(events) {
        let mut reactions = Reactions { written: &mut written, cause: index, subject: event.subject, time: event.time, reach: Reach::Free };
        H::react(event, index, host, &mut reactions).map_err(|error| failure(index, error))?;
    }
    Ok(written)
}
