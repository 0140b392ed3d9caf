//! `DiskFolder`: a folder of the file system.

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use super::create::PASSING;
use super::folder::{Backend, Folder, Overlay, Space};

/// Is told where a thread waits for the disk to have kept what was written: it needs no core meanwhile.
pub trait DiskWaits: std::fmt::Debug + Send + Sync {
    fn begins(&self);
    fn ends(&self);
}

#[derive(Clone, Debug)]
pub struct DiskFolder {
    path: PathBuf,
    waits: Option<Arc<dyn DiskWaits>>,
}

impl DiskFolder {
    /// The folder at `path`, made if it isn't there, for the owner's eyes only.
    pub fn create(path: impl AsRef<Path>) -> io::Result<DiskFolder> {
        let path = path.as_ref().to_owned();
        let missing = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()).count();
        if missing > 0 {
            fs::create_dir_all(&path)?;
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        }
        // A folder that is there may have been made by a process that was killed before its name was durable.
        for folder in path.ancestors().take(missing.max(1)) {
            let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match File::open(parent) {
                Ok(parent) => parent.sync_all()?,
                // Not ours to look into, nor to have made anything in.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && missing == 0 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(DiskFolder { path, waits: None })
    }

    /// The same, and `waits` is told when files that are written are flushed.
    pub fn telling(self, waits: Arc<dyn DiskWaits>) -> DiskFolder {
        DiskFolder { waits: Some(waits), ..self }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whole or not at all.
    fn copy(&self, old: &Path, name: &str) -> io::Result<()> {
        let passing = self.path.join(format!("{name}{PASSING}"));
        fs::copy(old, &passing)?;
        File::open(&passing)?.sync_all()?;
        fs::rename(&passing, self.path.join(name))
    }

    fn reserved(&self, file: File) -> io::Result<Backend> {
        let backend = FileBackend::new(file.try_clone()?).map_err(io::Error::other)?;
        Ok(Backend(Box::new(Reserved { backend, file, waits: self.waits.clone() })))
    }
}

impl Folder for DiskFolder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if let (true, Ok(name)) = (entry.file_type()?.is_file(), entry.file_name().into_string()) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create(&self, name: &str, space: Space) -> io::Result<Backend> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(self.path.join(name))?;
        match space {
            Space::Reserved => self.reserved(file),
            Space::Sparse => Ok(Backend(Box::new(FileBackend::new(file).map_err(io::Error::other)?))),
        }
    }

    fn open(&self, name: &str) -> io::Result<Backend> {
        self.reserved(OpenOptions::new().read(true).write(true).open(self.path.join(name))?)
    }

    fn open_sealed(&self, name: &str) -> io::Result<Backend> {
        let backend = FileBackend::new(File::open(self.path.join(name))?).map_err(io::Error::other)?;
        Ok(Backend(Box::new(Overlay::new(backend)?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn link(&self, from: &dyn Folder, name: &str) -> io::Result<()> {
        let Some(from) = (from as &dyn Any).downcast_ref::<DiskFolder>() else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the other folder is not of a file system"));
        };
        let (old, new) = (from.path.join(name), self.path.join(name));
        match fs::hard_link(&old, &new) {
            // File systems that know no second names, and those that are not one.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::CrossesDevices | io::ErrorKind::Unsupported | io::ErrorKind::TooManyLinks) =>
            {
                self.copy(&old, name)
            }
            // What vfat says.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.copy(&old, name),
            other => other,
        }
    }

    fn allocated(&self, name: &str) -> io::Result<u64> {
        const BLOCK_BYTES: u64 = 512;
        let file = fs::metadata(self.path.join(name))?;
        // What forks share takes its place once: each has a part of it.
        Ok(file.blocks() * BLOCK_BYTES / file.nlink().max(1))
    }
}

/// Reserves blocks before the length grows. Without it redb extends its file with holes, and on a
/// full disk not even a deletion can be committed any more.
#[derive(Debug)]
struct Reserved {
    backend: FileBackend,
    file: File,
    waits: Option<Arc<dyn DiskWaits>>,
}

impl StorageBackend for Reserved {
    fn len(&self) -> io::Result<u64> {
        self.backend.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, out)
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        let now = self.backend.len()?;
        if length > now {
            match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), now, length - now) {
                Ok(()) => return Ok(()),
                // A file system that can't reserve: grow as redb would.
                Err(rustix::io::Errno::OPNOTSUPP) => {}
                Err(error) => {
                    // What was reserved before space ran out is given back.
                    let _ = self.backend.set_len(now);
                    return Err(error.into());
                }
            }
        }
        self.backend.set_len(length)
    }
    fn sync_data(&self) -> io::Result<()> {
        let Some(waits) = &self.waits else { return self.backend.sync_data() };
        waits.begins();
        let synced = self.backend.sync_data();
        waits.ends();
        synced
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.backend.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.backend.close()
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
