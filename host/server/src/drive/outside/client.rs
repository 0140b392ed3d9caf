//! Requests to the outside: to hosts that the operator allows, at addresses that were looked at, and to
//! nowhere else. No redirects are followed, no proxies asked; answers are read up to an end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use retold_engine::model::RequestDraft;

use super::Outside;
use super::connect::{Connector, Sender, Target};

/// Of an answer's body; the rest isn't read.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A request as it leaves.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    pub method: Method,
    pub url: String,
    /// But `Host` and those of the connection, which are the client's.
    pub headers: HeaderMap,
    pub body: Bytes,
    /// For all of it: the name, the connection, the request, the answer.
    pub timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The body was longer than what was read of it.
    pub truncated: bool,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendErrorKind {
    /// The operator lets nothing leave.
    Off,
    /// The URL is none that can be sent to.
    Url,
    /// The operator doesn't allow the host.
    Host,
    /// The name stands for no address.
    Name,
    /// It stands for an address that requests must not go to.
    Address,
    /// Nobody listens there, or it can't be reached.
    Refused,
    Timeout,
    Tls,
    /// What came is not HTTP, or broke off.
    Protocol,
}

impl SendErrorKind {
    pub fn word(self) -> &'static str {
        match self {
            SendErrorKind::Off => "requests-off",
            SendErrorKind::Url => "url",
            SendErrorKind::Host => "host-not-allowed",
            SendErrorKind::Name => "name-not-resolved",
            SendErrorKind::Address => "address-not-allowed",
            SendErrorKind::Refused => "refused",
            SendErrorKind::Timeout => "timeout",
            SendErrorKind::Tls => "tls",
            SendErrorKind::Protocol => "protocol",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    pub kind: SendErrorKind,
    pub message: String,
}

impl SendError {
    pub(super) fn new(kind: SendErrorKind, message: impl fmt::Display) -> SendError {
        SendError { kind, message: message.to_string() }
    }
}

/// Keeps connections for a while. For a runtime with time and network.
pub struct Client {
    outside: Arc<Outside>,
    connector: Connector,
}

impl Client {
    pub fn new(outside: Arc<Outside>) -> Client {
        Client { connector: Connector::new(outside.clone()), outside }
    }

    #[cfg(test)]
    pub(super) fn asking(outside: Outside, names: super::connect::Names) -> Client {
        let outside = Arc::new(outside);
        Client { connector: Connector::asking(outside.clone(), names), outside }
    }

    #[cfg(test)]
    pub(super) fn trusting(outside: Outside, roots: tokio_rustls::rustls::RootCertStore) -> Client {
        let outside = Arc::new(outside);
        Client { connector: Connector::trusting(outside.clone(), roots), outside }
    }

    pub fn outside(&self) -> &Outside {
        &self.outside
    }

    /// Whether the operator lets a request go to this URL, as far as can be told before its name is resolved.
    pub fn check(&self, url: &str) -> Result<(), SendError> {
        self.target(url).map(drop)
    }

    fn target(&self, url: &str) -> Result<(Target, Uri), SendError> {
        let no = |what: String| SendError::new(SendErrorKind::Url, what);
        if self.outside.requests_off {
            return Err(SendError::new(SendErrorKind::Off, "the host was started with --no-requests: nothing leaves it"));
        }
        let draft = RequestDraft { method: "GET".into(), url: url.to_owned(), ..RequestDraft::default() };
        draft.check().map_err(|(_, what)| no(what))?;
        let authority = draft.host().map_err(|(_, what)| no(what))?;
        let uri: Uri = url.parse().map_err(|error| no(format!("{url:?} can't be read as an address ({error})")))?;
        // Two readers of one text must mean the same host.
        if uri.authority().map(|found| found.as_str()) != Some(authority) {
            return Err(no(format!("{url:?} can be read in two ways")));
        }
        let target = Target::of(&uri).ok_or_else(|| no(format!("{url:?} names no host")))?;
        if !self.outside.allows_host(authority) {
            let what = format!("the operator doesn't allow requests to {authority}: start the host with --allow-host {authority}");
            return Err(SendError::new(SendErrorKind::Host, what));
        }
        Ok((target, uri))
    }

    /// Sends a request and reads the answer to its end, or up to [`ANSWER_BYTES_MAX`].
    pub async fn send(&self, request: OutgoingRequest) -> Result<Response, SendError> {
        let (target, uri) = self.target(&request.url)?;
        let timeout = request.timeout;
        let late = |_| SendError::new(SendErrorKind::Timeout, format!("there was no whole answer within {} ms", timeout.as_millis()));
        tokio::time::timeout(timeout, self.exchange(&target, &uri, request)).await.map_err(late)?
    }

    async fn exchange(&self, target: &Target, uri: &Uri, request: OutgoingRequest) -> Result<Response, SendError> {
        if let Some(mut sender) = self.connector.kept(target).await
            && let Ok(answer) = ask(&mut sender, target, uri, &request).await
        {
            return self.finish(answer, sender, target).await;
        }
        // A kept connection may have been closed meanwhile: then it is asked again over a new one, and whoever
        // got it twice can tell by its id.
        let mut sender = self.connector.connect(target).await?;
        let answer = ask(&mut sender, target, uri, &request).await.map_err(unreadable)?;
        self.finish(answer, sender, target).await
    }

    async fn finish(&self, answer: http::Response<Incoming>, sender: Sender, target: &Target) -> Result<Response, SendError> {
        let (parts, mut body) = answer.into_parts();
        let (mut read, mut truncated) = (BytesMut::new(), false);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(unreadable)?.into_data() else { continue };
            let room = ANSWER_BYTES_MAX - read.len();
            read.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                truncated = true;
                break;
            }
        }
        if !truncated {
            self.connector.keep(target, sender);
        }
        Ok(Response { status: parts.status.as_u16(), headers: parts.headers, body: read.freeze(), truncated })
    }
}

fn unreadable(error: hyper::Error) -> SendError {
    let cause = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    SendError::new(SendErrorKind::Protocol, format!("the answer can't be read ({error}{cause})"))
}

/// Sends a request over a connection; the answer's body is still to come.
async fn ask(sender: &mut Sender, target: &Target, uri: &Uri, request: &OutgoingRequest) -> Result<http::Response<Incoming>, hyper::Error> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut outgoing = Request::new(Full::new(request.body.clone()));
    *outgoing.method_mut() = request.method.clone();
    *outgoing.uri_mut() = path.parse().unwrap_or_default();
    *outgoing.headers_mut() = request.headers.clone();
    let headers = outgoing.headers_mut();
    if let Ok(host) = HeaderValue::try_from(target.authority.as_str()) {
        headers.insert(HOST, host);
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("retold/", env!("CARGO_PKG_VERSION"))));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(request.body.len()));
    sender.send_request(outgoing).await
}
