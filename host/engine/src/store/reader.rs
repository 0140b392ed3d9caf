//! `Reader`: the handle to a namespace for everybody but its writer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::StoreError;
use super::function::{FunctionRow, ModuleRow};
use super::shared::Shared;
use super::snapshot::Snapshot;
use super::upcasting::Upcasting;
use crate::model::Position;

/// Cheap to clone; reads never wait for the writer's disk.
#[derive(Clone)]
pub struct Reader {
    pub(super) shared: Arc<Shared>,
}

impl Reader {
    /// The last durable position.
    pub fn head(&self) -> Position {
        self.shared.view().head
    }

    /// Tells this namespace's log from all others.
    pub fn log_identity(&self) -> crate::model::Digest {
        self.shared.hasher.identity()
    }

    /// Functions as they stand, by name. Opens no snapshot.
    pub fn functions(&self) -> Arc<BTreeMap<String, Arc<FunctionRow>>> {
        self.shared.view().functions.clone()
    }

    /// Module versions, by ordinal.
    pub fn modules(&self) -> Arc<BTreeMap<u32, Arc<ModuleRow>>> {
        self.shared.view().modules.clone()
    }

    pub fn upcasting(&self) -> Arc<Upcasting> {
        self.shared.view().upcasting.clone()
    }

    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::new(self.shared.clone())
    }

    /// Whether the writer has stopped for good because the disk failed.
    pub fn is_poisoned(&self) -> bool {
        self.shared.poisoned.load(std::sync::atomic::Ordering::Acquire)
    }
}
