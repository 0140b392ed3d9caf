//! What the host says of one of its routes.

use http::Method;

use super::call::Handler;
use super::parameters::Parameter;
use super::problem_kinds::Kind;

pub struct Route {
    pub method: Method,
    /// `{ns}`, `{name}` and their like stand for one part of the path each, `{key+}` for all that is left.
    pub path: &'static str,
    /// OpenAPI's `operationId`.
    pub name: &'static str,
    pub summary: &'static str,
    pub query: &'static [Parameter],
    pub takes: Takes,
    pub gives: &'static [(u16, Gives)],
    /// Beside those that any request may meet.
    pub problems: &'static [&'static Kind],
    pub handler: Handler,
}

/// What a request's body is. Names are those of OpenAPI schemas.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    Nothing,
    Events,
    Command,
    Question,
    /// Whatever the sender sends.
    Foreign,
    Schema,
    Wasm,
    /// Stretches of a log, and modules.
    Backup,
    Json(&'static str),
    /// The body may be left out.
    OptionalJson(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub enum Gives {
    Json(&'static str),
    /// One of two.
    Either(&'static str, &'static str),
    Text,
    /// A stretch of a log.
    Backup,
    Wasm,
    /// Whatever a view's query answers.
    Payload,
    /// Where the events are, or whatever an ingress function answers.
    Foreign,
    LogLines,
    Event,
    /// A page, a batch, lines or a stream, by `Accept`.
    Events,
}
