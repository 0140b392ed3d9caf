//! `Incoming`: a foreign HTTP request, such as a webhook. What `#[ingress]` makes of a function, and the
//! call that the host makes.

use serde::Deserialize;

use crate::answer::{Answer, Reach, Reactions};
use crate::bindings::wire;
use crate::function::Function;
use crate::host::{Imported, Webhook};
use crate::written::Written;
use crate::{Error, Result, Timestamp};

/// An ingress function as the host sees it. `#[ingress]` implements it for a type of the function's name.
pub trait Ingress: Function {
    /// Turns one request into events, or answers it.
    fn accept(incoming: Incoming<'_>, reactions: &mut Reactions<'_>) -> Result<(), Response>;
}

/// A foreign request, as it came.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    request: &'a wire::HttpRequest,
    host: &'a dyn Webhook,
}

impl<'a> Incoming<'a> {
    pub fn method(&self) -> &'a str {
        &self.request.method
    }

    /// As the client wrote it.
    pub fn url(&self) -> &'a str {
        &self.request.url
    }

    /// A header by its name, in any case; the first of them.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.request.headers.iter().map(|header| (header.name.as_str(), header.value.as_str()))
    }

    /// The bytes as they came: those that a signature is over.
    pub fn body(&self) -> &'a [u8] {
        &self.request.body
    }

    /// The body read as JSON.
    pub fn json<T: Deserialize<'a>>(&self) -> Result<T> {
        crate::command::read(self.body()).map_err(|problem| {
            let wanted = crate::event::short_name::<T>();
            Error::reject(format_args!("the body can't be read as {wanted}: {problem}"))
        })
    }

    /// Whether `signature` is the HMAC-SHA-256 of `message` under the operator's secret of this name. The
    /// host looks, in a time that doesn't tell how much of it is right; the function never sees the
    /// secret. The name stands in `#[ingress(secrets("NAME"))]`.
    pub fn verify_hmac_sha256(&self, secret: &str, message: &[u8], signature: &[u8]) -> bool {
        self.host.verify_hmac_sha256(secret, message, signature)
    }
}

/// An answer to a foreign request that makes no events: a refusal, or what a service wants to hear before
/// it sends any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn new(status: u16) -> Response {
        Response { status, headers: Vec::new(), body: Vec::new() }
    }

    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A body of plain text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Response {
        self.body = text.into().into_bytes();
        self.header("content-type", "text/plain; charset=utf-8")
    }
}

/// What the request holds can't be read: 400, with what is wrong.
impl From<Error> for Response {
    fn from(error: Error) -> Response {
        Response::new(400).text(error.into_message())
    }
}

/// The return type of an ingress function.
#[diagnostic::on_unimplemented(
    message = "an ingress function returns `Result<…, Response>`, not `{Self}`",
    note = "what it answers is an event, an Option, a Vec, a tuple or Outputs of events, or `()`"
)]
pub trait Accepted {
    type Answer: Answer;

    fn into_result(self) -> Result<Self::Answer, Response>;
}

impl<A: Answer, E: Into<Response>> Accepted for Result<A, E> {
    type Answer = A;

    fn into_result(self) -> Result<A, Response> {
        self.map_err(Into::into)
    }
}

/// Called by the host that runs this module.
pub fn accept<I: Ingress>(request: &wire::HttpRequest) -> Result<Vec<wire::NewEvent>, wire::HttpResponse> {
    crate::log::panics_are_logged();
    accept_in::<I>(request, &Imported).map_err(Into::into)
}

pub(crate) fn accept_in<I: Ingress>(request: &wire::HttpRequest, host: &dyn Webhook) -> Result<Vec<wire::NewEvent>, Response> {
    let mut written = Written::default();
    let mut reactions = Reactions { written: &mut written, cause: 0, subject: "", time: Timestamp::UNIX_EPOCH, reach: Reach::Ingress };
    I::accept(Incoming { request, host }, &mut reactions)?;
    Ok(written.into_events())
}

/// The host called a function that the manifest doesn't name.
#[cold]
pub fn unknown_ingress(function: &str) -> wire::HttpResponse {
    Response::new(500).text(format!("this module has no ingress function {function:?}")).into()
}

impl From<Response> for wire::HttpResponse {
    fn from(response: Response) -> wire::HttpResponse {
        let Response { status, headers, body } = response;
        let headers = headers.into_iter().map(|(name, value)| wire::Header { name, value }).collect();
        wire::HttpResponse { status, headers, body }
    }
}
