//! `Retelling`: a namespace that is being made of another's source events, on a thread of its own. It follows
//! the other's head until it takes its place, or is dropped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use retold_engine::model::{ByteReader, ByteWriter, Position};
use retold_engine::store::{CursorMap, Store};
use tokio::sync::watch;

use super::comparing::Comparing;
use super::inside::Inside;
use super::replay_info::{LogDifference, ReplayStatus, RetellingInfo};
use super::replay_task::ReplayTask;
use super::types::DriveError;

/// How long a promotion waits for the tail to be told.
const FINISH_TIME_MAX: Duration = Duration::from_secs(10);
/// A retelling that is so far behind is not promoted: appends would wait too long.
pub const BEHIND_MAX: u64 = 20_000;

pub struct Retelling {
    pub task: Arc<ReplayTask>,
    pub base: Arc<Inside>,
    pub target: Arc<Inside>,
    pub(super) orders: std::sync::Mutex<Sender<Order>>,
    pub(super) comparing: std::sync::Mutex<Comparing>,
    /// Whether nothing is left to compare, for now or for good.
    pub(super) compared: watch::Sender<bool>,
    /// The base was told to its end when it ended here. What lies behind the last source event is not told
    /// but made anew.
    pub(super) level_at: AtomicU64,
}

pub(super) enum Order {
    /// Tell all that there is, and give the store away. The sender is told how it went.
    Finish(Sender<Result<Finished, DriveError>>),
}

/// A retelling that is level with its base, for as long as that stands still.
pub struct Finished {
    pub store: Store,
    pub info: RetellingInfo,
}

impl Retelling {
    /// Has everything told that the base holds by now. The base must stand still meanwhile.
    pub fn finish(&self) -> Result<Finished, DriveError> {
        let (reply, finished) = channel();
        self.task.hurry(true);
        let _hurry = Hurry(&self.task);
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).send(Order::Finish(reply)).map_err(|_| DriveError::Stopping)?;
        finished.recv_timeout(FINISH_TIME_MAX).map_err(|_| DriveError::Busy)?
    }

    /// How far it is behind its base.
    pub fn behind(&self) -> u64 {
        self.base.reader.head().0.saturating_sub(self.told().0)
    }

    /// Everything of the base up to here is told.
    pub(super) fn told(&self) -> Position {
        self.target.reader.retold().unwrap_or_default().max(Position(self.level_at.load(Ordering::Acquire)))
    }

    pub(super) fn comparing(&self) -> MutexGuard<'_, Comparing> {
        self.comparing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether the two logs are compared up to where they are, or nobody goes on with it.
    pub fn compared(&self) -> watch::Receiver<bool> {
        self.compared.subscribe()
    }

    /// The two logs side by side, as far as they are compared.
    pub fn difference(&self) -> Result<LogDifference, DriveError> {
        let status = self.task.status();
        let failed = matches!(status, ReplayStatus::Failed { .. }).then_some(status);
        self.comparing().difference(failed)
    }

    /// The map of the base's cursors, complete.
    pub fn take_map(&self) -> Result<Option<CursorMap>, DriveError> {
        self.comparing().end()
    }
}

/// As long as it lives, nothing is paused.
struct Hurry<'a>(&'a ReplayTask);

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.hurry(false);
    }
}

/// What is noted with the log that is made, so that it is known after a restart.
pub fn note(info: &RetellingInfo) -> Vec<u8> {
    let mut note = ByteWriter::default();
    [info.kept, info.dropped, info.forgotten, info.derived, info.parked].into_iter().for_each(|count| note.u64(count));
    note.bytes
}

/// What was noted; nothing of it where there is none.
pub fn noted(base: &str, note: Option<&[u8]>) -> RetellingInfo {
    let mut reader = ByteReader::new(note.unwrap_or_default());
    let [kept, dropped, forgotten, derived, parked] = [(); 5].map(|()| reader.u64("a count").unwrap_or_default());
    RetellingInfo { base: base.to_owned(), kept, dropped, forgotten, derived, parked }
}
