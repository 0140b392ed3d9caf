//! `Folder`: the store's only way to files. The disk answers it, and so does a simulator that loses
//! power.

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::ops::Bound;

use redb::{BackendError, StorageBackend};

use crate::plant::{Bug, planted};

/// How a new file takes its space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Blocks are reserved before the length grows, so a full disk shows before redb writes.
    Reserved,
    /// The file may have holes: for files that can be thrown away while they are made.
    Sparse,
}

/// One folder of files. Names have no separators.
pub trait Folder: Any + Send + Sync + Debug {
    fn list(&self) -> io::Result<Vec<String>>;
    /// A new, empty file; an old one of this name is an error.
    fn create(&self, name: &str, space: Space) -> io::Result<Backend>;
    fn open(&self, name: &str) -> io::Result<Backend>;
    /// A file that is never written again: what redb writes while it is open stays in memory.
    fn open_sealed(&self, name: &str) -> io::Result<Backend>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes creations, renames and removals durable.
    fn sync(&self) -> io::Result<()>;
    /// Takes a sealed file of another folder into this one, under the same name: shared where that is
    /// possible, so that it costs nothing, else copied. Durable once the folder is synced.
    fn link(&self, from: &dyn Folder, name: &str) -> io::Result<()>;
    /// Bytes that a file takes on the disk; holes take none, and of a shared file each folder has its part.
    fn allocated(&self, name: &str) -> io::Result<u64> {
        self.open_sealed(name)?.len()
    }
}

/// Any storage backend, as one type.
#[derive(Debug)]
pub struct Backend(pub Box<dyn StorageBackend>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        if planted(Bug::SyncSkipped) {
            return Ok(());
        }
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }
    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

/// Reads a file and keeps what is written over it in memory: redb marks a file as open in its first
/// page, and a sealed file must not change.
#[derive(Debug)]
pub struct Overlay<B> {
    file: B,
    length: u64,
    written: std::sync::Mutex<Vec<(u64, Vec<u8>)>>,
}

/// The header pages and no more: a file that redb wants to repair was not closed cleanly.
const OVERLAY_BYTES_MAX: usize = 64 << 10;

impl<B: StorageBackend> Overlay<B> {
    pub fn new(file: B) -> io::Result<Overlay<B>> {
        Ok(Overlay { length: file.len()?, file, written: std::sync::Mutex::default() })
    }

    fn written(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Vec<u8>)>> {
        self.written.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<B: StorageBackend> StorageBackend for Overlay<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)?;
        for (start, bytes) in self.written().iter() {
            let (from, to) = ((*start).max(offset), (start + bytes.len() as u64).min(offset + out.len() as u64));
            if from < to {
                out[(from - offset) as usize..(to - offset) as usize]
                    .copy_from_slice(&bytes[(from - start) as usize..(to - start) as usize]);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if length == self.length {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "a sealed file does not change its length"))
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        written.retain(|(start, bytes)| *start < offset || start + bytes.len() as u64 > offset + data.len() as u64);
        if written.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() + data.len() > OVERLAY_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "a sealed file was not closed cleanly"));
        }
        written.push((offset, data.to_vec()));
        Ok(())
    }

    /// The folder's owner holds the lock on `head.redb`.
    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}
