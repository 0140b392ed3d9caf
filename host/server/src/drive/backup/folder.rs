//! A folder of backups: stretches of one log, each in a file of its own, and the modules. A file has its name when it is
//! whole and synced, and is never changed.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retold_engine::model::Digest;
use retold_engine::store::{BackupBegin, BackupEnd, BackupPiece, BackupPieces, StoreError};

use super::super::types::DriveError;

const BYTES_AT_ONCE: usize = 256 << 10;
/// Ends the name of a file that isn't whole.
const PASSING: &str = ".new";
/// What is being received; who holds its lock writes into the folder.
const RECEIVING: &str = "log.new";

/// A folder that backups are written into, one at a time.
pub struct BackupFolder {
    path: PathBuf,
    receiving: File,
    /// Where the last backup here ends, and what it is of.
    last: Option<(BackupBegin, BackupEnd)>,
}

impl BackupFolder {
    /// Opens the folder, making it if it isn't there, and reads the last backup in it from end to end.
    pub fn open(path: &Path) -> Result<BackupFolder, DriveError> {
        let failed = |what: &str| failed(what, path);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("the folder can't be made"))?;
        let mut receiving = OpenOptions::new();
        receiving.read(true).write(true).create(true).truncate(false).mode(0o600);
        let receiving = receiving.open(path.join(RECEIVING)).map_err(failed("the folder can't be written"))?;
        match receiving.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(refused(format!("another backup is being written into {}: wait until it is done", path.display())));
            }
            Err(TryLockError::Error(error)) => return Err(failed("the folder can't be locked")(error)),
        }
        let last = match log_files(path)?.last() {
            Some(file) => Some(read_log(file, BackupPieces::after, &mut |_| {})?),
            None => None,
        };
        Ok(BackupFolder { path: path.to_owned(), receiving, last })
    }

    /// Last commit, its chain, and last position of what is here.
    pub fn end(&self) -> Option<&BackupEnd> {
        self.last.as_ref().map(|(_, end)| end)
    }

    /// Takes the next stretch in, and answers its end. It has no name before [`BackupFolder::keep`].
    pub fn receive(&mut self, from: impl Read) -> Result<BackupEnd, DriveError> {
        let failed = |what: &str| failed(what, &self.path);
        self.receiving.set_len(0).map_err(failed("the folder can't be written"))?;
        io::Seek::rewind(&mut self.receiving).map_err(failed("the folder can't be written"))?;
        let pieces = match &self.last {
            Some((begin, end)) => {
                BackupPieces::after(&BackupBegin { after_commit: end.commit, after: end.last, chain: end.chain, ..begin.clone() })
            }
            None => BackupPieces::default(),
        };
        let mut receiving = &self.receiving;
        let mut written = Ok(());
        let read = read_stretch(from, pieces, &mut |bytes| {
            if written.is_ok() {
                written = receiving.write_all(bytes);
            }
        });
        let (begin, end) = read.map_err(|error| match error {
            Broken::Read(error) => failed("the backup broke off: run it again")(error),
            Broken::Wrong(error) => error.into(),
        })?;
        written.map_err(failed("the backup can't be written"))?;
        self.last = Some((begin, end.clone()));
        Ok(end)
    }

    /// Whether a module is here.
    pub fn has(&self, module: Digest) -> bool {
        self.path.join(module_file(module)).exists()
    }

    /// Keeps a module.
    pub fn put(&self, module: Digest, component: &[u8]) -> Result<(), DriveError> {
        let failed = |what: &str| failed(what, &self.path);
        if Digest::of(component) != module {
            return Err(refused(format!("the host sent something else than the module {module}: run the backup again")));
        }
        let (name, mut options) = (module_file(module), OpenOptions::new());
        options.write(true).create(true).truncate(true).mode(0o600);
        let passing = self.path.join(format!("{name}{PASSING}"));
        let mut file = options.open(&passing).map_err(failed("a module can't be written"))?;
        file.write_all(component).and_then(|()| file.sync_all()).map_err(failed("a module can't be written"))?;
        fs::rename(passing, self.path.join(name)).map_err(failed("a module can't be renamed"))
    }

    /// Gives what was received last its name: from here on it is there, whatever happens.
    pub fn keep(self) -> Result<PathBuf, DriveError> {
        let failed = |what: &str| failed(what, &self.path);
        let Some((begin, end)) = &self.last else { return Err(refused("nothing was received: run the backup again".into())) };
        let file = self.path.join(log_file(begin.after_commit + 1, end.commit));
        self.receiving.sync_all().map_err(failed("the backup can't be synced"))?;
        fs::rename(self.path.join(RECEIVING), &file).map_err(failed("the backup can't be renamed"))?;
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(failed("the folder can't be synced"))?;
        Ok(file)
    }

    /// Leaves the folder as it was found.
    pub fn leave(self) -> Result<(), DriveError> {
        fs::remove_file(self.path.join(RECEIVING)).map_err(failed("what was received can't be removed", &self.path))
    }
}

fn log_file(first: u64, last: u64) -> String {
    format!("log-{first:016}-{last:016}.retold")
}

pub fn module_file(module: Digest) -> String {
    format!("module-{module}.wasm")
}

/// The stretches in a folder, oldest first.
pub fn log_files(path: &Path) -> Result<Vec<PathBuf>, DriveError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed("the folder can't be listed", path))? {
        let entry = entry.map_err(failed("the folder can't be listed", path))?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("log-") && name.ends_with(".retold")) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a stretch from end to end; `after` says what it must follow. Errors name the file.
pub fn read_log(
    file: &Path,
    after: impl FnOnce(&BackupBegin) -> BackupPieces,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(BackupBegin, BackupEnd), DriveError> {
    let mut open = File::open(file).map_err(failed("it can't be opened", file))?;
    let mut first = vec![0; BYTES_AT_ONCE];
    let length = read_some(&mut open, &mut first).map_err(failed("it can't be read", file))?;
    first.truncate(length);
    let mut pieces = BackupPieces::unfollowed();
    pieces.push(&first);
    let named = |error: StoreError| refused(format!("{}: {error}", file.display()));
    let begin = match pieces.take().map_err(named)? {
        Some(BackupPiece::Begin(begin)) => begin,
        _ => return Err(refused(format!("{}: it is cut short; use another copy of it", file.display()))),
    };
    let whole = first.chain(open);
    read_stretch(whole, after(&begin), each).map_err(|error| match error {
        Broken::Read(error) => failed("it can't be read", file)(error),
        Broken::Wrong(error) => named(error),
    })
}

enum Broken {
    Read(io::Error),
    Wrong(StoreError),
}

fn read_stretch(mut from: impl Read, mut pieces: BackupPieces, each: &mut dyn FnMut(&[u8])) -> Result<(BackupBegin, BackupEnd), Broken> {
    let (mut begin, mut end) = (None, None);
    let mut buffer = vec![0; BYTES_AT_ONCE];
    loop {
        let length = read_some(&mut from, &mut buffer).map_err(Broken::Read)?;
        if length == 0 {
            break;
        }
        each(&buffer[..length]);
        pieces.push(&buffer[..length]);
        while let Some(piece) = pieces.take().map_err(Broken::Wrong)? {
            match piece {
                BackupPiece::Begin(found) if begin.is_none() => begin = Some(found),
                BackupPiece::End(found) => end = Some(found),
                BackupPiece::Begin(_) | BackupPiece::Module(_) => {
                    return Err(Broken::Wrong(StoreError::Backup("there is more in it than one backup: use another copy of it".into())));
                }
                BackupPiece::Record(_) | BackupPiece::Forgotten(_) => {}
            }
        }
    }
    pieces.end().map_err(Broken::Wrong)?;
    begin.zip(end).ok_or_else(|| Broken::Wrong(StoreError::Backup("it is cut short: use another copy of it".into())))
}

fn read_some(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

pub fn refused(what: String) -> DriveError {
    StoreError::Backup(what).into()
}

/// A file error, with the place.
pub fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> DriveError + use<> {
    let what = format!("{}: {what}", path.display());
    move |source| StoreError::Io { what, source: Arc::new(source) }.into()
}
