//! Making a file so that it is there whole or not at all, whenever power is lost: under a passing
//! name, closed cleanly, synced, renamed, the folder synced. (A file that redb was making when power
//! was lost never opens again.)

use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{BackendError, StorageBackend};

use super::error::StoreError;
use super::folder::{Backend, Folder, Space};
use crate::plant::{Bug, planted};

/// Ends the names of files that are not whole yet; what a crash left of them is removed at the next open.
pub const PASSING: &str = ".new";

/// Makes the file `name`. `fill` opens redb on the backend, writes, commits, and closes it.
pub fn create(
    folder: &dyn Folder,
    name: &str,
    space: Space,
    fill: impl FnOnce(Backend) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let passing = if planted(Bug::NoRenameAtCreation) { name.to_owned() } else { format!("{name}{PASSING}") };
    let failed = Arc::new(AtomicBool::new(false));
    let whole = || {
        if folder.list().is_ok_and(|names| names.contains(&passing)) {
            folder.remove(&passing).map_err(StoreError::io(format!("leftover {passing} can't be removed")))?;
        }
        let backend = folder.create(&passing, space).map_err(StoreError::io(format!("{passing} can't be created")))?;
        fill(Backend(Box::new(Watched { backend, failed: failed.clone() })))?;
        if failed.load(Ordering::Acquire) {
            return Err(StoreError::io(format!("{passing} can't be closed"))(io::Error::other("its last writes or its sync failed")));
        }
        folder.rename(&passing, name).map_err(StoreError::io(format!("{passing} can't be renamed")))?;
        if planted(Bug::FolderSyncSkipped) {
            return Ok(());
        }
        folder.sync().map_err(StoreError::io("the folder can't be synced"))
    };
    // Best effort: a leftover is removed at the next open.
    whole().inspect_err(|_| drop(folder.remove(&passing)))
}

/// Remembers that an operation failed: redb closes a file when it is dropped, and then tells nobody.
#[derive(Debug)]
struct Watched {
    backend: Backend,
    failed: Arc<AtomicBool>,
}

impl Watched {
    fn watch<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|_| self.failed.store(true, Ordering::Release))
    }
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.watch(self.backend.len())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.watch(self.backend.read(offset, out))
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.watch(self.backend.set_len(len))
    }
    fn sync_data(&self) -> io::Result<()> {
        self.watch(self.backend.sync_data())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.watch(self.backend.write(offset, data))
    }
    fn close(&self) -> io::Result<()> {
        self.watch(self.backend.close())
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_range(start, end)
    }
    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.query_lock_range(start, end)
    }
}
