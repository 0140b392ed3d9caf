//! `Upcaster`: turns stored events of an old type into events of newer ones, when they are read. What
//! `#[upcaster]` makes of a function, and the call that the host makes.

use crate::answer::{Reach, Reactions};
use crate::bindings::wire;
use crate::envelope::Envelope;
use crate::function::{Function, failure};
use crate::host::{Alone, Host};
use crate::written::Written;
use crate::{Error, Result};

/// An upcaster as the host sees it. `#[upcaster]` implements it for a type of the function's name.
pub trait Upcaster: Function {
    /// The old types that it takes. By them it is chosen, so no other of the module takes one of them.
    #[doc(hidden)]
    const TYPES: &'static [&'static str];

    /// Turns one event into none, one or several.
    fn upcast(event: Envelope<'_>, host: &dyn Host, reactions: &mut Reactions<'_>) -> Result<()>;
}

/// One event turned.
pub type Upcast = fn(event: Envelope<'_>, host: &dyn Host, reactions: &mut Reactions<'_>) -> Result<()>;

/// Called by the host that runs this module: `choose` finds the upcaster of an event type.
///
/// No word of a panic is logged: an upcaster imports nothing, not even the log.
pub fn upcast_all<'a>(
    events: impl ExactSizeIterator<Item = Envelope<'a>>,
    choose: impl Fn(&str) -> Option<Upcast>,
) -> Result<Vec<Vec<wire::NewEvent>>, wire::Failure> {
    let mut all = Vec::with_capacity(events.len());
    for (index, event) in (0..).zip(events) {
        let upcast = choose(event.event_type).ok_or_else(|| failure(index, untaken(event.event_type)))?;
        all.push(upcast_one(event, upcast).map_err(|error| failure(index, error))?);
    }
    Ok(all)
}

pub(crate) fn upcast_one(event: Envelope<'_>, upcast: Upcast) -> Result<Vec<wire::NewEvent>> {
    let mut written = Written::default();
    let mut reactions = Reactions { written: &mut written, cause: 0, subject: event.subject, time: event.time, reach: Reach::DataOnly };
    upcast(event, &Alone, &mut reactions)?;
    Ok(written.into_events())
}

/// The host hands over only types that the manifest names.
#[cold]
fn untaken(event_type: &str) -> Error {
    Error::reject(format_args!("this module has no upcaster for {event_type}"))
}
