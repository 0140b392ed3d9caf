//! Bodies of answers: whole, or made while they are sent.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use hyper::body::{Body as HyperBody, Frame, SizeHint};
use serde::Serialize;
use tokio::sync::mpsc;

/// Portions of a stream that may be ready before the client takes them.
const PORTIONS_READY_MAX: usize = 2;

pub enum Body {
    Whole(Bytes),
    Stream(mpsc::Receiver<Result<Bytes, StreamBroken>>),
    /// A stream that is cut when something happens.
    Until(mpsc::Receiver<Result<Bytes, StreamBroken>>, Pin<Box<dyn Future<Output = StreamBroken> + Send>>),
}

/// The end of a stream that could not be finished: the connection is cut, so that the client sees it.
#[derive(Debug, thiserror::Error)]
#[error("the answer could not be finished: {0}")]
pub struct StreamBroken(pub String);

impl Body {
    pub fn full(bytes: impl Into<Bytes>) -> Body {
        Body::Whole(bytes.into())
    }

    /// A body that is fed through the sender. Sending waits while the client doesn't read, and fails
    /// once it is gone.
    pub fn stream() -> (mpsc::Sender<Result<Bytes, StreamBroken>>, Body) {
        let (sender, receiver) = mpsc::channel(PORTIONS_READY_MAX);
        (sender, Body::Stream(receiver))
    }

    /// The same body; if it is made while it is sent, it is cut when `end` resolves.
    pub fn until(self, end: impl Future<Output = StreamBroken> + Send + 'static) -> Body {
        match self {
            Body::Stream(receiver) => Body::Until(receiver, Box::pin(end)),
            other => other,
        }
    }
}

impl HyperBody for Body {
    type Data = Bytes;
    type Error = StreamBroken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamBroken>>> {
        match &mut *self {
            Body::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::Stream(receiver) => receiver.poll_recv(context).map(|portion| portion.map(|portion| portion.map(Frame::data))),
            Body::Until(receiver, end) => match end.as_mut().poll(context) {
                Poll::Ready(broken) => Poll::Ready(Some(Err(broken))),
                Poll::Pending => receiver.poll_recv(context).map(|portion| portion.map(|portion| portion.map(Frame::data))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Stream(_) | Body::Until(..) => SizeHint::default(),
        }
    }
}

/// An answer with a body of this media type.
pub fn answer(status: StatusCode, media_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// What a module says speaks for itself and not for this host: a browser is told to take it for what it says it is,
/// and to run nothing of it.
pub fn own_words(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
}

/// The host's own answers are data and never a page: a browser is told to load, run and frame nothing of them.
pub fn as_data(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
}

/// An answer in JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // Our own types have text for keys and no failing fields.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    answer(status, "application/json", Body::full(bytes))
}
