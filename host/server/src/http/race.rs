//! Waiting for whichever of two things comes first.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

#[derive(Debug, PartialEq, Eq)]
pub enum First<A, B> {
    One(A),
    Other(B),
}

/// Resolves with the first of the two, and drops the other. If both are ready, `one` is first.
pub async fn race<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> First<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| {
        if let Poll::Ready(value) = one.as_mut().poll(context) {
            return Poll::Ready(First::One(value));
        }
        other.as_mut().poll(context).map(First::Other)
    })
    .await
}
