//! `Handler`: events in, events out. What `#[handler]` makes of a function, and the loop that runs
//! it over a batch.

use crate::answer::{Answer, Reactions};
use crate::bindings::wire;
use crate::host::{Host, Imported};
use crate::{ErrorKind, Result};

/// A handler function as the host sees it. `#[handler]` implements it for a type of the function's
/// name: `module!(pricing)`, `Trial::<pricing>::new()`.
pub trait Handler {
    /// Its identity across versions.
    const NAME: &'static str;

    /// What the manifest says of it.
    fn describe() -> wire::Function;

    /// Handles one event. `index` is its place in the batch.
    fn react(event: &wire::Event, index: u32, host: &dyn Host, reactions: &mut Reactions<'_>) -> Result<()>;
}

/// What `#[handler(...)]` says beside the signature.
#[derive(Debug)]
pub struct Settings {
    pub start: wire::Start,
    pub failure_policy: wire::FailurePolicy,
    pub split: Option<u32>,
    pub limits: wire::Limits,
}

/// The manifest's entry for a handler. `subscribes` is what its input reads, or what the attribute
/// says.
pub fn describe<O: Outcome>(name: &str, subscribes: &[&str], settings: Settings) -> wire::Function {
    let mut emits = Vec::new();
    O::Answer::declare(&mut emits);
    emits.sort_unstable();
    emits.dedup();
    let owned = |types: &[&str]| types.iter().map(|name| (*name).to_owned()).collect();
    wire::Function {
        name: name.to_owned(),
        kind: wire::FunctionKind::Handler,
        subscribes: owned(subscribes),
        emits: owned(&emits),
        decides: Vec::new(),
        sends: Vec::new(),
        start: settings.start,
        failure_policy: settings.failure_policy,
        split: settings.split,
        limits: settings.limits,
        schedules: Vec::new(),
        hosts: Vec::new(),
        secrets: Vec::new(),
        timers: false,
    }
}

/// The return type of a handler function.
#[diagnostic::on_unimplemented(
    message = "a handler returns `Result<…>`, not `{Self}`",
    note = "wrap what it emits in `Ok(…)`; a handler that emits nothing returns `Result<()>`"
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
pub fn handle<H: Handler>(events: &[wire::Event]) -> Result<Vec<wire::Reaction>, wire::Failure> {
    crate::log::panics_are_logged();
    handle_in::<H>(events, &Imported)
}

pub(crate) fn handle_in<H: Handler>(events: &[wire::Event], host: &dyn Host) -> Result<Vec<wire::Reaction>, wire::Failure> {
    let mut list = Vec::new();
    for (index, event) in (0..).zip(events) {
        let mut reactions = Reactions { list: &mut list, cause: index, subject: &event.subject };
        H::react(event, index, host, &mut reactions).map_err(|error| wire::Failure {
            event: index,
            kind: match error.kind() {
                ErrorKind::Retry => wire::FailureKind::Retry,
                ErrorKind::Reject => wire::FailureKind::Reject,
            },
            message: error.into_message(),
        })?;
    }
    Ok(list)
}

/// The host called a function that the manifest doesn't name.
#[cold]
pub fn unknown(function: &str) -> wire::Failure {
    wire::Failure { event: 0, kind: wire::FailureKind::Reject, message: format!("this module has no handler {function:?}") }
}
