//! `Timer`: an event to come. `Cancel`: one that is not to come after all.

use std::time::Duration;

use serde::Serialize;

use crate::answer::{Draft, Encoded};
use crate::bindings::wire;
use crate::{Error, Event, Result, Timestamp};

/// The last moment of the year 9999: nobody could write a later one down.
const DUE_MAX: u64 = 253_402_300_799_999_999;

/// Wakes the handler that answers with it: when it is due the event is recorded, with the due time as
/// its time. So late is the same as on time.
///
/// A handler has one timer for each key: setting it again replaces it, [`Cancel`] takes it away. The
/// handler reads events of the timer's type, or it doesn't compile.
///
/// ```
/// # use retold::prelude::*;
/// # use std::time::Duration;
/// # #[derive(Event, Deserialize)] #[event("order.placed")] struct OrderPlaced {}
/// #[derive(Event, Serialize, Deserialize)]
/// #[event("payment.overdue")]
/// struct Overdue {}
///
/// # #[derive(Event)]
/// # enum Read { Placed(OrderPlaced), Overdue(Overdue) }
/// #[handler]
/// fn reminding(event: Recorded<Read>) -> Result<Option<Timer<Overdue>>> {
///     let due = Timer::after(Duration::from_secs(14 * 86_400), event.subject(), Overdue {});
///     Ok(matches!(*event, Read::Placed(_)).then_some(due))
/// }
/// ```
///
/// ```compile_fail
/// # use retold::prelude::*;
/// # use retold::Function;
/// # #[derive(Event, Deserialize)] #[event("order.placed")] struct OrderPlaced {}
/// # #[derive(Event, Serialize, Deserialize)] #[event("payment.overdue")] struct Overdue {}
/// #[handler]
/// fn reminding(_order: Recorded<OrderPlaced>) -> Result<Option<Timer<Overdue>>> { Ok(None) }
/// let _ = reminding::describe();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer<E> {
    key: String,
    due: Due,
    /// The cause's where absent.
    subject: Option<String>,
    event: E,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Counted from the time of the cause.
    After(Duration),
    At(Timestamp),
}

impl<E> Timer<E> {
    /// Due so long after the event at hand happened.
    pub fn after(delay: Duration, key: impl Into<String>, event: E) -> Timer<E> {
        Timer { key: key.into(), due: Due::After(delay), subject: None, event }
    }

    /// Due then. A time in the past is due at once.
    pub fn at(due: Timestamp, key: impl Into<String>, event: E) -> Timer<E> {
        Timer { key: key.into(), due: Due::At(due), subject: None, event }
    }

    /// The event will be about another subject than the cause's.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Timer<E> {
        self.subject = Some(subject.into());
        self
    }
}

impl<E: Event + Serialize> Timer<E> {
    pub(crate) fn draft(self) -> Result<Draft> {
        let Timer { key, due, subject, event } = self;
        Ok(Draft::Schedule(Timer { key, due, subject, event: Encoded::of(E::TYPE, &event)? }))
    }
}

impl Timer<Encoded> {
    /// For a cause of this time and subject.
    pub(crate) fn set(self, time: Timestamp, subject: &str) -> Result<wire::Timer> {
        let Timer { key, due, subject: own, event } = self;
        let due = match due {
            Due::At(due) => Some(due.as_micros()),
            Due::After(delay) => u64::try_from(delay.as_micros()).ok().and_then(|delay| time.as_micros().checked_add(delay)),
        };
        let due = due.filter(|due| *due <= DUE_MAX);
        let due = due.ok_or_else(|| Error::reject(format_args!("the timer {key:?} is due beyond the year 9999")))?;
        let subject = own.unwrap_or_else(|| subject.to_owned());
        Ok(wire::Timer { key, due, type_: event.of_type.to_owned(), subject, data: event.data })
    }
}

/// Takes the handler's timer of this key away. Nothing happens if there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    pub(crate) key: String,
}

impl Cancel {
    pub fn timer(key: impl Into<String>) -> Cancel {
        Cancel { key: key.into() }
    }
}
