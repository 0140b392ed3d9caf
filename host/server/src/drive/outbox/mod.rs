//! The outbox: requests that functions made leave here, after the commit that has them, until they have an
//! answer. Each host has a lane of its own, and one that is down holds up its own lane alone.

mod answer;
mod filling;
mod info;
mod lanes;
mod operator;
mod outcome;
mod sender;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub use info::{LaneInfo, OutboxInfo};
pub use sender::start;

use lanes::Lanes;

/// What the host knows of the requests that wait; a cache of the store's outbox.
#[derive(Default)]
pub struct Outbox {
    lanes: Mutex<Lanes>,
    news: Arc<Notify>,
    pub counts: Counts,
}

/// Since the host started.
#[derive(Default)]
pub struct Counts {
    /// Requests that went out, each time anew.
    pub sent: AtomicU64,
    pub replied: AtomicU64,
    /// For good.
    pub failed: AtomicU64,
}

impl Outbox {
    /// There may be something to send.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
