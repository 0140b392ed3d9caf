//! Bodies of requests: read whole, within a size and a time, and within what all of them may hold.

use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::problem::Problem;
use super::problem_kinds as kinds;

/// How long each part of a body may take that may be of any length.
const PART_TIME_MAX: Duration = Duration::from_secs(60);
/// Bodies smaller than this don't count against the budget of all bodies.
const SMALL_BYTES: usize = 64 << 10;
/// What is read and thrown away of a refused body, so that the client can finish and see the answer.
const DRAINED_BYTES_MAX: usize = 1 << 30;
const DRAINED_TIME_MAX: Duration = Duration::from_secs(20);

/// What all bodies together may hold in memory, and how long each may take.
#[derive(Debug)]
pub struct Budget {
    held: AtomicUsize,
    max: usize,
    time_max: Duration,
}

impl Budget {
    pub fn new(max: usize, time_max: Duration) -> Arc<Budget> {
        Arc::new(Budget { held: AtomicUsize::new(0), max, time_max })
    }

    /// Takes a part of the budget, if there is so much.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Result<Held, Problem> {
        let mut held = Held { budget: self.clone(), bytes: 0 };
        held.grow(bytes)?;
        Ok(held)
    }
}

/// A part of the budget, given back when dropped.
pub struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Held {
    /// Grows to `bytes`, if there is so much.
    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let more = bytes.saturating_sub(self.bytes);
        if self.budget.held.fetch_add(more, Ordering::Relaxed) + more > self.budget.max {
            self.budget.held.fetch_sub(more, Ordering::Relaxed);
            return Err(Problem::busy());
        }
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// A body that has come.
pub struct Upload {
    pub bytes: Bytes,
    _held: Option<Held>,
}

impl Deref for Upload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Only bodies as they are: what unpacks to more than it is can't be bounded by its size.
pub fn refuse_encodings(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => Err(Problem::new(
            &kinds::UNSUPPORTED_MEDIA,
            "the header Content-Encoding asks for unpacking, which this host doesn't do: send the body as it is",
        )
        .with("field", "content-encoding")),
        _ => Ok(()),
    }
}

/// Reads a body of at most `bytes_max`. The common one, a single frame, isn't copied.
pub async fn whole(mut body: Arriving, headers: &HeaderMap, bytes_max: usize, budget: &Arc<Budget>) -> Result<Upload, Problem> {
    refuse_encodings(headers)?;
    collect(&mut body, bytes_max, budget).await
}

async fn collect(body: &mut Arriving, bytes_max: usize, budget: &Arc<Budget>) -> Result<Upload, Problem> {
    let too_large = |found: String| {
        let detail = format!("the body has {found}, and this path takes at most {bytes_max}: send it in parts");
        Err(Problem::new(&kinds::TOO_LARGE, detail).with("limit", "bytes").with("max", bytes_max))
    };
    let announced = body.size_hint().exact();
    if let Some(bytes) = announced.filter(|bytes| *bytes > bytes_max as u64) {
        return too_large(format!("{bytes} bytes"));
    }
    let mut deadline = None;
    let mut only = Bytes::new();
    let mut all = Vec::new();
    let mut held: Option<Held> = None;
    while let Some(frame) = next_frame(body, &mut deadline, budget.time_max).await? {
        let length = only.len() + all.len() + frame.len();
        if length > bytes_max {
            return too_large(format!("more than {bytes_max} bytes"));
        }
        if length > SMALL_BYTES {
            match &mut held {
                Some(held) => held.grow(length)?,
                None => held = Some(budget.hold(length)?),
            }
        }
        if announced == Some(frame.len() as u64) {
            only = frame;
            continue;
        }
        // Copied at once, so that the connection's buffer is free again; and room for what is announced is only made as
        // it comes.
        if all.capacity() < length {
            let room = announced.map_or(usize::MAX, |bytes| bytes as usize).min(2 * length);
            all.reserve_exact(room.max(length) - all.len());
        }
        all.extend_from_slice(&frame);
    }
    Ok(Upload { bytes: if all.is_empty() { only } else { all.into() }, _held: held })
}

/// The next data of a body. The clock is asked only once there is something to wait for.
async fn next_frame(body: &mut Arriving, deadline: &mut Option<Pin<Box<Sleep>>>, time_max: Duration) -> Result<Option<Bytes>, Problem> {
    poll_fn(|context| {
        loop {
            return match Pin::new(&mut *body).poll_frame(context) {
                Poll::Ready(None) => Poll::Ready(Ok(None)),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Ok(Some(data))),
                    Err(_trailers) => continue,
                },
                Poll::Ready(Some(Err(error))) => Poll::Ready(Err(broken(&error))),
                Poll::Pending => {
                    let deadline = deadline.get_or_insert_with(|| Box::pin(sleep(time_max)));
                    deadline.as_mut().poll(context).map(|()| Err(too_slow(time_max)))
                }
            };
        }
    })
    .await
}

/// The next data of a body that may be of any length, if none of it keeps the host waiting for too long.
pub async fn next_part(body: &mut Arriving) -> Result<Option<Bytes>, Problem> {
    next_frame(body, &mut None, PART_TIME_MAX).await
}

fn too_slow(time_max: Duration) -> Problem {
    let detail = format!("the body took longer than {} seconds: send it faster, or in parts", time_max.as_secs_f64());
    Problem::new(&kinds::BODY_TIMEOUT, detail)
}

/// A body that ended before its end.
pub fn broken(error: &hyper::Error) -> Problem {
    Problem::new(&kinds::MALFORMED_REQUEST, format!("the body broke off ({error}): send the request again"))
}

/// A request's body. What nobody has read of it when it is dropped is read then: a connection that is closed on a client
/// that still sends may cost it the answer, or the next one.
pub struct Arriving(Option<Incoming>);

impl Arriving {
    pub fn new(body: Incoming) -> Arriving {
        Arriving(Some(body))
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(drain);
    }
}

/// Reads on and throws away, beside the answer.
fn drain(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let mut bytes = 0;
        let read = async {
            while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                bytes += frame.data_ref().map_or(0, Bytes::len);
                if bytes > DRAINED_BYTES_MAX {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(DRAINED_TIME_MAX, read).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bodies_together_hold_no_more_than_the_budget_and_give_it_back() {
        let budget = Budget::new(100, PART_TIME_MAX);
        let (Ok(mut one), Ok(other)) = (budget.hold(60), budget.hold(40)) else { panic!("there is so much") };
        assert!(budget.hold(1).is_err());
        assert!(one.grow(61).is_err_and(|problem| problem.kind.status == 503));
        drop(other);
        assert!(one.grow(100).is_ok());
        drop(one);
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
