//! `Reader`: the handle to a namespace for everybody but its writer.

use std::sync::Arc;

use super::error::StoreError;
use super::shared::Shared;
use super::snapshot::Snapshot;
use crate::model::Position;

/// Cheap to clone; reads never wait for the writer's disk.
#[derive(Clone)]
pub struct Reader {
    pub(super) shared: Arc<Shared>,
}

impl Reader {
    /// The last durable position.
    pub fn head(&self) -> Position {
        self.shared.position()
    }

    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::new(self.shared.clone())
    }

    /// Whether the writer has stopped for good because the disk failed.
    pub fn is_poisoned(&self) -> bool {
        self.shared.poisoned.load(std::sync::atomic::Ordering::Acquire)
    }
}
