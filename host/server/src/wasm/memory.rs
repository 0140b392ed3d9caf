//! What the memories of all guests hold together, and whose may be taken back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::instances::Idle;

/// Shared by all stores of a sandbox. What stores take of it is linear memory as it was asked for, used or not.
pub(super) struct GuestMemory {
    bytes: AtomicUsize,
    bytes_max: usize,
    idle: Mutex<Vec<Weak<Idle>>>,
}

/// Memory that is a guest's own to have, and that the host has not got now. The call is not decided.
#[derive(Debug, thiserror::Error)]
#[error("all guests together hold {bytes_max} bytes of memory at most (limit `guests-memory-bytes`)")]
pub(super) struct NoMemoryNow {
    pub(super) bytes_max: usize,
}

impl GuestMemory {
    pub(super) fn new(bytes_max: usize) -> GuestMemory {
        GuestMemory { bytes: AtomicUsize::new(0), bytes_max, idle: Mutex::default() }
    }

    /// Takes so much more; where there is no room, the memory of idle instances goes first.
    pub(super) fn take(&self, bytes: usize) -> Result<(), NoMemoryNow> {
        if self.try_take(bytes) || (self.reclaim() && self.try_take(bytes)) {
            return Ok(());
        }
        Err(NoMemoryNow { bytes_max: self.bytes_max })
    }

    fn try_take(&self, bytes: usize) -> bool {
        let more = |held: usize| held.checked_add(bytes).filter(|total| *total <= self.bytes_max);
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// What all guests hold now.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Makes a module's idle instances known, so that others may take their places and their memory.
    pub(super) fn register(&self, idle: &Arc<Idle>) {
        let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|idle| idle.strong_count() > 0);
        all.push(Arc::downgrade(idle));
    }

    /// Drops the idle instances of all modules; true if there were any.
    pub(super) fn reclaim(&self) -> bool {
        let all = self.idle.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.iter().filter_map(Weak::upgrade).map(|idle| idle.clear()).sum::<usize>() > 0
    }
}
