//! A folder in memory that loses power, and a disk that fails: what was not synced may be lost,
//! kept, torn by the sector or land out of order.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};
use retold_engine::store::{Backend, Folder, Overlay, Space};

use crate::chance::Chance;
use crate::image::Image;

const SECTOR: usize = 512;
const HEADER: usize = 4_096;

/// Cheap to clone: clones are the same folder.
#[derive(Clone)]
pub struct FaultFolder(Arc<Mutex<Disk>>);

/// What is left when power is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Nothing that was not synced.
    Lost,
    /// Everything, synced or not.
    Kept,
    /// Each sector written since the last sync lands with this chance, operations in any order.
    Torn { percent: u8, garbage: bool },
    /// Whole operations land or don't, in any order.
    Reordered { percent: u8 },
}

/// A disk that fails but goes on: the operation with this number, counted from now, or all from it on.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    pub at: u64,
    pub kind: io::ErrorKind,
    pub lasting: bool,
}

#[derive(Default)]
struct Disk {
    files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    synced_names: BTreeMap<String, u64>,
    pending_names: Vec<NameOperation>,
    next_file: u64,
    /// Operations until power is lost.
    fuel: Option<u64>,
    /// Syncs until power is lost.
    fuel_of_syncs: Option<u64>,
    dead: bool,
    /// What the last operation was about, if it was not finished.
    interrupted: Option<Interrupted>,
    failure: Option<Failure>,
    operations: u64,
    failed: u64,
}

enum Interrupted {
    Names,
    File(u64),
}

#[derive(Clone, Default)]
struct File {
    live: Image,
    synced: Image,
    pending: Vec<FileOperation>,
}

#[derive(Clone)]
enum FileOperation {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Clone)]
enum NameOperation {
    Create(String, u64),
    Rename(String, String, u64),
    Remove(String),
}

impl FileOperation {
    fn apply(&self, image: &mut Image) {
        match self {
            FileOperation::Write(offset, data) => image.write(*offset as usize, data),
            FileOperation::Length(length) => image.set_length(*length as usize),
        }
    }
}

impl NameOperation {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            NameOperation::Create(name, file) => drop(names.insert(name.clone(), *file)),
            NameOperation::Rename(from, to, file) => {
                if names.get(from) == Some(file) {
                    names.remove(from);
                }
                names.insert(to.clone(), *file);
            }
            NameOperation::Remove(name) => drop(names.remove(name)),
        }
    }
}

fn no_power() -> io::Error {
    io::Error::other("no power")
}

impl Disk {
    /// Counts an operation. `Ok(true)`: it is done. `Ok(false)`: power is lost during it.
    fn operation(&mut self) -> io::Result<bool> {
        if self.dead {
            return Err(no_power());
        }
        self.operations += 1;
        if let Some(failure) = &mut self.failure {
            failure.at = failure.at.saturating_sub(1);
            if failure.at == 0 {
                let kind = failure.kind;
                if !failure.lasting {
                    self.failure = None;
                }
                self.failed += 1;
                return Err(kind.into());
            }
        }
        if let Some(fuel) = &mut self.fuel {
            *fuel = fuel.saturating_sub(1);
            self.dead = *fuel == 0;
        }
        Ok(!self.dead)
    }

    /// Counts a sync: everything before it is written, nothing of it is sure.
    fn sync(&mut self) -> io::Result<bool> {
        if let Some(fuel) = &mut self.fuel_of_syncs {
            *fuel = fuel.saturating_sub(1);
            if *fuel == 0 {
                self.dead = true;
                return Err(no_power());
            }
        }
        self.operation()
    }

    fn powered(&self) -> io::Result<()> {
        if self.dead { Err(no_power()) } else { Ok(()) }
    }

    fn name_operation(&mut self, operation: NameOperation) -> io::Result<()> {
        let done = self.operation()?;
        if done {
            operation.apply(&mut self.names);
        }
        self.pending_names.push(operation);
        if done {
            Ok(())
        } else {
            self.interrupted = Some(Interrupted::Names);
            Err(no_power())
        }
    }

    fn file_operation(&mut self, file: u64, operation: FileOperation) -> io::Result<()> {
        let done = self.operation()?;
        let opened = self.files.get_mut(&file).expect("open files are kept");
        if done {
            operation.apply(&mut opened.live);
        }
        opened.pending.push(operation);
        if done {
            Ok(())
        } else {
            self.interrupted = Some(Interrupted::File(file));
            Err(no_power())
        }
    }

    fn named(&self, name: &str) -> io::Result<u64> {
        self.powered()?;
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk {
    /// What it holds, with nothing that is to go wrong.
    fn standing(&self) -> Disk {
        Disk {
            files: self.files.clone(),
            names: self.names.clone(),
            synced_names: self.synced_names.clone(),
            pending_names: self.pending_names.clone(),
            next_file: self.next_file,
            ..Disk::default()
        }
    }
}

impl FaultFolder {
    pub fn new() -> FaultFolder {
        FaultFolder(Arc::default())
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Power is lost at the operation with this number, counted from now.
    pub fn lose_power_at(&self, operation: u64) {
        self.disk().fuel = Some(operation);
    }

    /// Power is lost at the sync with this number.
    pub fn lose_power_at_sync(&self, sync: u64) {
        self.disk().fuel_of_syncs = Some(sync);
    }

    pub fn has_power(&self) -> bool {
        !self.disk().dead
    }

    /// No more faults.
    pub fn heal(&self) {
        let mut disk = self.disk();
        (disk.fuel, disk.fuel_of_syncs, disk.failure) = (None, None, None);
    }

    pub fn fail(&self, failure: Failure) {
        self.disk().failure = Some(failure);
    }

    /// How many operations were answered with an error.
    pub fn failed(&self) -> u64 {
        self.disk().failed
    }

    /// The folder as the next process finds it when this one was killed: everything is as it was, but what
    /// was not synced can still be lost.
    pub fn kill(&self) -> FaultFolder {
        let mut disk = self.disk();
        disk.dead = true;
        // The operation that the power was to be lost at was never begun.
        match disk.interrupted.take() {
            Some(Interrupted::Names) => drop(disk.pending_names.pop()),
            Some(Interrupted::File(file)) => drop(disk.files.get_mut(&file).and_then(|file| file.pending.pop())),
            None => {}
        }
        FaultFolder(Arc::new(Mutex::new(disk.standing())))
    }

    /// Whether any file holds these bytes.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        let disk = self.disk();
        disk.names.values().any(|file| {
            let image = &disk.files[file].live;
            let mut all = vec![0; image.length];
            assert!(image.read(0, &mut all));
            all.windows(bytes.len()).any(|window| window == bytes)
        })
    }

    /// Bytes of a file.
    pub fn length(&self, name: &str) -> usize {
        let disk = self.disk();
        disk.names.get(name).map_or(0, |file| disk.files[file].live.length)
    }

    /// The same files once more, for somebody who looks into them and changes nothing here.
    pub fn copy(&self) -> FaultFolder {
        FaultFolder(Arc::new(Mutex::new(self.disk().standing())))
    }

    /// The folder as it is found when power is back. Who still holds this one has no power.
    pub fn crash(&self, crash: Crash, chance: &mut Chance) -> FaultFolder {
        let mut disk = self.disk();
        disk.dead = true;
        let mut after = Disk { names: disk.synced_names.clone(), next_file: disk.next_file, ..Disk::default() };
        for operation in &disk.pending_names {
            let lands = match crash {
                Crash::Lost => false,
                Crash::Kept => true,
                Crash::Torn { percent, .. } | Crash::Reordered { percent } => chance.percent(u64::from(percent)),
            };
            if lands {
                operation.apply(&mut after.names);
            }
        }
        after.synced_names = after.names.clone();
        for file in after.names.values() {
            let image = image(&disk.files[file], crash, chance);
            after.files.insert(*file, File { live: image.clone(), synced: image, pending: Vec::new() });
        }
        FaultFolder(Arc::new(Mutex::new(after)))
    }
}

/// What a file holds when power is back.
fn image(file: &File, crash: Crash, chance: &mut Chance) -> Image {
    let mut image = file.synced.clone();
    match crash {
        Crash::Lost => {}
        Crash::Kept => file.pending.iter().for_each(|operation| operation.apply(&mut image)),
        Crash::Torn { percent, garbage } => {
            let mut order: Vec<&FileOperation> = file.pending.iter().collect();
            chance.shuffle(&mut order);
            for operation in order {
                match operation {
                    FileOperation::Length(_) if chance.percent(u64::from(percent)) => operation.apply(&mut image),
                    FileOperation::Length(_) => {}
                    FileOperation::Write(offset, data) => write_sectors(&mut image, *offset as usize, data, percent, garbage, chance),
                }
            }
        }
        Crash::Reordered { percent } => {
            let mut order: Vec<&FileOperation> = file.pending.iter().collect();
            chance.shuffle(&mut order);
            for operation in order {
                if chance.percent(u64::from(percent)) {
                    operation.apply(&mut image);
                }
            }
        }
    }
    image
}

fn write_sectors(image: &mut Image, offset: usize, data: &[u8], percent: u8, garbage: bool, chance: &mut Chance) {
    let mut at = 0;
    while at < data.len() {
        let end = ((offset + at) / SECTOR * SECTOR + SECTOR - offset).min(data.len());
        let mut part = data[at..end].to_vec();
        let lands = chance.percent(u64::from(percent));
        let spoiled = !lands && garbage && chance.percent(10);
        if spoiled {
            let mut before = vec![0; end - at];
            let old = image.read(offset + at, &mut before);
            for (index, byte) in part.iter_mut().enumerate() {
                // Of its first page redb assumes that each byte is the old or the new one.
                *byte = match offset + at < HEADER {
                    true if old => *chance.pick(&[before[index], *byte]),
                    true => *byte,
                    false => chance.number() as u8,
                };
            }
        }
        if lands || spoiled {
            FileOperation::Write((offset + at) as u64, part).apply(image);
        }
        at = end;
    }
}

impl fmt::Debug for FaultFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultFolder")
    }
}

impl Folder for FaultFolder {
    fn list(&self) -> io::Result<Vec<String>> {
        let disk = self.disk();
        disk.powered()?;
        Ok(disk.names.keys().cloned().collect())
    }

    fn create(&self, name: &str, _: Space) -> io::Result<Backend> {
        let mut disk = self.disk();
        disk.powered()?;
        if disk.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = disk.next_file;
        disk.next_file += 1;
        disk.files.insert(file, File::default());
        disk.name_operation(NameOperation::Create(name.to_owned(), file))?;
        Ok(Backend(Box::new(FaultFile { folder: self.clone(), file })))
    }

    fn open(&self, name: &str) -> io::Result<Backend> {
        let file = self.disk().named(name)?;
        Ok(Backend(Box::new(FaultFile { folder: self.clone(), file })))
    }

    fn open_sealed(&self, name: &str) -> io::Result<Backend> {
        let file = self.disk().named(name)?;
        Ok(Backend(Box::new(Overlay::new(FaultFile { folder: self.clone(), file })?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        let file = disk.named(from)?;
        disk.name_operation(NameOperation::Rename(from.to_owned(), to.to_owned(), file))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.named(name)?;
        disk.name_operation(NameOperation::Remove(name.to_owned()))
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk();
        if !disk.sync()? {
            return Err(no_power());
        }
        disk.pending_names.clear();
        disk.synced_names = disk.names.clone();
        Ok(())
    }

    /// A sealed file: all of it was synced before it got its name.
    fn link(&self, from: &dyn Folder, name: &str) -> io::Result<()> {
        let from = (from as &dyn Any).downcast_ref::<FaultFolder>().ok_or(io::ErrorKind::Unsupported)?;
        let shared = {
            let disk = from.disk();
            let file = disk.named(name)?;
            disk.files[&file].clone()
        };
        let mut disk = self.disk();
        disk.powered()?;
        if disk.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = disk.next_file;
        disk.next_file += 1;
        disk.files.insert(file, shared);
        disk.name_operation(NameOperation::Create(name.to_owned(), file))
    }
}

struct FaultFile {
    folder: FaultFolder,
    file: u64,
}

impl fmt::Debug for FaultFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultFile({})", self.file)
    }
}

impl StorageBackend for FaultFile {
    fn len(&self) -> io::Result<u64> {
        let disk = self.folder.disk();
        disk.powered()?;
        Ok(disk.files[&self.file].live.length as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.folder.disk();
        disk.powered()?;
        if disk.files[&self.file].live.read(offset as usize, out) { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.folder.disk().file_operation(self.file, FileOperation::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.folder.disk();
        if !disk.sync()? {
            return Err(no_power());
        }
        let file = disk.files.get_mut(&self.file).expect("open files are kept");
        for operation in std::mem::take(&mut file.pending) {
            operation.apply(&mut file.synced);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.folder.disk().file_operation(self.file, FileOperation::Write(offset, data.to_vec()))
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}
