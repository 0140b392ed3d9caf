//! What timers, schedules and requests come to: what an entry of the log changes among those that are pending,
//! and the events that they end in. The same live, in a fork and in a retelling.

use super::event::{Class, EventRef, Kind};
use super::ids::{DerivedId, OutputKind, derived_id};
use super::manifest::Schedule;
use super::outside::{ADDRESSEE, REQUEST_URL, TIMER_CANCELLED, TIMER_DUE, TIMER_KEY, function_of, is_outside, request_source};
use super::plan::Emitted;
use super::{Position, Timestamp};

/// What one entry of the log changes among pending timers and requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutsideChange<'a> {
    /// In the place of the one with the same key.
    Set {
        function: &'a str,
        key: &'a str,
        due: Timestamp,
        position: Position,
    },
    Cancelled {
        function: &'a str,
        key: &'a str,
    },
    /// The timer that this entry set has fired.
    Fired {
        function: &'a str,
        key: &'a str,
        entry: Position,
    },
    Requested {
        function: &'a str,
        url: &'a str,
        position: Position,
    },
    /// The request of this entry has its reply, or has failed for good.
    Answered {
        function: &'a str,
        request: Position,
    },
}

impl<'a> OutsideChange<'a> {
    /// `None`: nothing.
    pub fn of(entry: &EventRef<'a>) -> Option<OutsideChange<'a>> {
        if !is_outside(entry.kind, entry.source) {
            return None;
        }
        let function = function_of(entry.source)?;
        match entry.kind {
            Kind::Timer => {
                let key = entry.extension(TIMER_KEY)?;
                if entry.r#type == TIMER_CANCELLED {
                    return Some(OutsideChange::Cancelled { function, key });
                }
                let due = Timestamp(entry.extension(TIMER_DUE)?.parse().ok()?);
                Some(OutsideChange::Set { function, key, due, position: entry.position })
            }
            Kind::Request => Some(OutsideChange::Requested { function, url: entry.extension(REQUEST_URL)?, position: entry.position }),
            // What somebody imported has no cause, nor has what a schedule made: no entry set that.
            Kind::Event => match (entry.class, entry.cause?) {
                (Class::Derived, entry_of) => Some(OutsideChange::Fired { function, key: entry.extension(TIMER_KEY)?, entry: entry_of }),
                (Class::Source, request) => Some(OutsideChange::Answered { function, request }),
                (Class::Record, _) => None,
            },
            Kind::Command => None,
        }
    }
}

/// The event that a timer makes; `None` of an entry that set none.
///
/// Time that goes on ends a chain of causes: what renews itself each day is no circle. A timer that is due at
/// once is a link like any other.
pub fn fired(entry: &EventRef<'_>) -> Option<Emitted> {
    let Some(OutsideChange::Set { function, key, due, position }) = OutsideChange::of(entry) else { return None };
    let id = derived_id(&DerivedId {
        cause_source: entry.source,
        cause_id: entry.id,
        function,
        kind: OutputKind::Event,
        r#type: entry.r#type,
        subject: entry.subject,
        key: Some(&due.0.to_string()),
        ordinal: 0,
    });
    Some(Emitted {
        kind: Kind::Event,
        id,
        r#type: entry.r#type.to_owned(),
        subject: entry.subject.to_owned(),
        tags: Vec::new(),
        extensions: vec![(TIMER_KEY.to_owned(), key.to_owned())],
        content_type: entry.content_type.to_owned().into(),
        data: entry.data.to_vec(),
        time: due,
        hops: if due > entry.time { 0 } else { entry.hops.saturating_add(1) },
        cause: position,
        causation_id: entry.id.to_owned(),
        correlation_id: entry.correlation().to_owned(),
    })
}

/// The event of a schedule that is due.
pub fn occurrence(function: &str, schedule: &Schedule, due: Timestamp) -> Emitted {
    let id = derived_id(&DerivedId {
        cause_source: "",
        cause_id: "",
        function,
        kind: OutputKind::Event,
        r#type: &schedule.r#type,
        subject: &schedule.key,
        key: Some(&due.0.to_string()),
        ordinal: 0,
    });
    Emitted {
        kind: Kind::Event,
        id,
        r#type: schedule.r#type.clone(),
        subject: schedule.key.clone(),
        extensions: vec![(TIMER_KEY.to_owned(), schedule.key.clone())],
        content_type: "application/json".into(),
        data: b"{}".to_vec(),
        time: due,
        ..Emitted::default()
    }
}

/// The function whose request this answers; `None` of anything else.
pub fn answered<'a>(entry: &EventRef<'a>) -> Option<&'a str> {
    let function = function_of(entry.source)?;
    let answers = entry.kind == Kind::Event && entry.class == Class::Source && entry.source == request_source(function);
    answers.then_some(function)
}

/// Whether two entries make one request, byte for byte.
pub fn is_same_request(one: &EventRef<'_>, other: &EventRef<'_>) -> bool {
    one.kind == Kind::Request
        && other.kind == Kind::Request
        && (one.id, one.subject, one.content_type, one.data) == (other.id, other.subject, other.content_type, other.data)
        && one.extensions().eq(other.extensions())
}

/// The event that ends a request: its reply or its failure, for the function that made it.
pub fn answer(request: &EventRef<'_>, r#type: &str, data: Vec<u8>, time: Timestamp) -> Option<Emitted> {
    let Some(OutsideChange::Requested { function, position, .. }) = OutsideChange::of(request) else { return None };
    Some(Emitted {
        kind: Kind::Event,
        id: request.id.to_owned(),
        r#type: r#type.to_owned(),
        subject: request.subject.to_owned(),
        tags: Vec::new(),
        extensions: vec![(ADDRESSEE.to_owned(), function.to_owned())],
        content_type: "application/json".into(),
        data,
        time,
        hops: request.hops.saturating_add(1),
        cause: position,
        causation_id: request.id.to_owned(),
        correlation_id: request.correlation().to_owned(),
    })
}
