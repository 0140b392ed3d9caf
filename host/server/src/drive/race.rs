//! Waiting for whichever of two things comes first.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::sync::watch;

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

/// Resolves once what is watched is true; never, if it can't become so any more.
pub async fn is_true(watched: &mut watch::Receiver<bool>) {
    if watched.wait_for(|is| *is).await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_can_not_become_true_any_more_is_waited_for_and_never_spun_on() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let soon = |watched: &mut watch::Receiver<bool>| {
            runtime.block_on(async { tokio::time::timeout(Duration::from_millis(20), is_true(watched)).await.is_ok() })
        };
        let (sender, mut watched) = watch::channel(false);
        assert!(!soon(&mut watched), "not yet");
        sender.send_replace(true);
        assert!(soon(&mut watched));
        let (_, mut orphan) = watch::channel(false);
        assert!(!soon(&mut orphan), "nobody is left to say so");
    }
}
