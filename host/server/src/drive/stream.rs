//! Streams of appends: many requests in order, a few under way at once.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, oneshot};

use retold_engine::store;

use super::committer::Job;
use super::namespace::{Namespace, cost};
use super::types::{Append, DriveError};

/// Chunks of a stream under way at once.
const CHUNKS_UNDER_WAY: usize = 8;

/// Appends in the order of the calls; once one is refused, all later ones are.
pub struct AppendStream {
    namespace: Namespace,
    number: u64,
    under_way: Arc<Semaphore>,
    /// A chunk was refused before it was queued: the writer knows nothing of it.
    broken: AtomicBool,
}

impl AppendStream {
    pub(super) fn new(namespace: Namespace, number: u64) -> AppendStream {
        AppendStream { namespace, number, under_way: Arc::new(Semaphore::new(CHUNKS_UNDER_WAY)), broken: AtomicBool::new(false) }
    }

    /// Queues a chunk now; the future is its answer. Whoever submits more than a few chunks without
    /// awaiting answers gets `Busy`.
    pub fn submit(&self, append: store::Append) -> impl Future<Output = Result<Append, DriveError>> + Send + 'static {
        let submitted = self.queue(append);
        async move {
            let (_permit, answer) = submitted?;
            answer.await.map_err(|_| DriveError::Stopping)?
        }
    }

    fn queue(
        &self,
        append: store::Append,
    ) -> Result<(tokio::sync::OwnedSemaphorePermit, oneshot::Receiver<Result<Append, DriveError>>), DriveError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(DriveError::StreamBroken);
        }
        let permit = self.under_way.clone().try_acquire_owned().map_err(|_| DriveError::Busy)?;
        let (reply, answer) = oneshot::channel();
        let append = store::Append { stream: Some(self.number), ..append };
        let cost = cost(&append);
        let checked = self.namespace.inside().check(&append).inspect_err(|_| self.broken.store(true, Ordering::Relaxed))?;
        self.namespace.inside().push_append(Job::Append { append, checked, wait: None, reply }, cost)?;
        Ok((permit, answer))
    }
}
