//! `Function`: what all kinds of functions have, and their entry in the manifest.

use crate::ErrorKind;
use crate::bindings::wire;
use crate::types::{Role, Types};

/// A function as the manifest tells of it. The attributes implement it; `module!` reads it.
pub trait Function {
    /// Its identity across versions.
    const NAME: &'static str;

    /// What the manifest says of it.
    fn describe() -> wire::Function;

    /// Adds the types that it reads and emits, for their schemas.
    #[doc(hidden)]
    fn declare(types: &mut Types);
}

/// What an attribute's settings say beside the signature.
#[derive(Debug)]
pub struct Settings {
    pub start: wire::Start,
    pub failure_policy: wire::FailurePolicy,
    pub split: Option<u32>,
    pub limits: wire::Limits,
    pub schedules: Vec<wire::Schedule>,
    pub hosts: Vec<&'static str>,
    pub secrets: Vec<&'static str>,
}

/// The types on either side of a function.
#[derive(Default)]
pub struct Edges<'a> {
    pub subscribes: Vec<&'a str>,
    pub decides: Vec<&'a str>,
    /// What it answers: events, and commands that it sends.
    pub answers: Types,
    /// Whether it sets timers.
    pub timers: bool,
}

/// The manifest's entry.
pub fn describe(name: &str, kind: wire::FunctionKind, edges: &Edges<'_>, settings: Settings) -> wire::Function {
    let owned = |types: &[&str]| types.iter().map(|name| (*name).to_owned()).collect();
    wire::Function {
        name: name.to_owned(),
        kind,
        subscribes: owned(&edges.subscribes),
        emits: owned(&edges.answers.of_role(Role::Event)),
        decides: owned(&edges.decides),
        sends: owned(&edges.answers.of_role(Role::Command)),
        start: settings.start,
        failure_policy: settings.failure_policy,
        split: settings.split,
        limits: settings.limits,
        schedules: settings.schedules,
        hosts: owned(&settings.hosts),
        secrets: owned(&settings.secrets),
        timers: edges.timers,
    }
}

/// The event at this place of the batch could not be handled.
pub fn failure(index: u32, error: crate::Error) -> wire::Failure {
    let kind = match error.kind() {
        ErrorKind::Retry => wire::FailureKind::Retry,
        ErrorKind::Reject => wire::FailureKind::Reject,
    };
    wire::Failure { event: index, kind, message: error.into_message() }
}

/// The host called a function that the manifest doesn't name.
#[cold]
pub fn unknown(kind: &str, function: &str) -> wire::Failure {
    wire::Failure { event: 0, kind: wire::FailureKind::Reject, message: format!("this module has no {kind} {function:?}") }
}
