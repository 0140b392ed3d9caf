//! For unit tests: a folder in memory that never fails.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use super::folder::{Backend, Folder, Overlay, Space};
use super::open::Options;
use super::writer::Store;

#[derive(Clone, Debug, Default)]
pub struct MemoryFolder(Arc<Mutex<BTreeMap<String, MemoryFile>>>);

#[derive(Clone, Debug, Default)]
struct MemoryFile(Arc<Mutex<Vec<u8>>>);

/// A new, empty namespace.
pub fn store() -> Store {
    open(&MemoryFolder::default())
}

/// The namespace in a folder.
pub fn open(folder: &MemoryFolder) -> Store {
    Store::open(Arc::new(folder.clone()), &Options::default()).expect("a store in memory opens")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryFolder {
    /// The files as they are now, as a host finds them that starts after this one was killed.
    pub fn copy(&self) -> MemoryFolder {
        let copied = |(name, file): (&String, &MemoryFile)| (name.clone(), MemoryFile(Arc::new(Mutex::new(lock(&file.0).clone()))));
        MemoryFolder(Arc::new(Mutex::new(lock(&self.0).iter().map(copied).collect())))
    }

    fn file(&self, name: &str) -> io::Result<MemoryFile> {
        lock(&self.0).get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Folder for MemoryFolder {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.0).keys().cloned().collect())
    }
    fn create(&self, name: &str, _: Space) -> io::Result<Backend> {
        lock(&self.0).insert(name.to_owned(), MemoryFile::default());
        self.open(name)
    }
    fn open(&self, name: &str) -> io::Result<Backend> {
        Ok(Backend(Box::new(self.file(name)?)))
    }
    fn open_sealed(&self, name: &str) -> io::Result<Backend> {
        Ok(Backend(Box::new(Overlay::new(self.file(name)?)?)))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.file(from)?;
        let mut files = lock(&self.0);
        files.remove(from);
        files.insert(to.to_owned(), file);
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        lock(&self.0).remove(name);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn link(&self, from: &dyn Folder, name: &str) -> io::Result<()> {
        let from = (from as &dyn Any).downcast_ref::<MemoryFolder>().ok_or(io::ErrorKind::Unsupported)?;
        let file = from.file(name)?;
        lock(&self.0).insert(name.to_owned(), file);
        Ok(())
    }
}

impl StorageBackend for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.0).len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = lock(&self.0);
        out.copy_from_slice(bytes.get(offset as usize..offset as usize + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        lock(&self.0).resize(length as usize, 0);
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        lock(&self.0)[offset as usize..offset as usize + data.len()].copy_from_slice(data);
        Ok(())
    }
    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }
    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}
