//! A folder of backups read from end to end before anything is made of it, and as it goes to a host.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use retold_engine::model::Digest;
use retold_engine::store::{BackupEnd, BackupPieces, module_frame};

use super::super::types::DriveError;
use super::folder::{failed, log_files, module_file, read_log, refused};

/// A backup that was found whole: every byte of it was read.
#[derive(Clone, Debug)]
pub struct WholeBackup {
    /// What it is a backup of.
    pub namespace: String,
    pub end: BackupEnd,
    logs: Vec<PathBuf>,
    modules: Vec<PathBuf>,
}

impl WholeBackup {
    /// Reads everything. What is torn, changed or missing is an error that names the file.
    pub fn read(path: &Path) -> Result<WholeBackup, DriveError> {
        let logs = log_files(path)?;
        let mut found: Option<(String, BackupEnd)> = None;
        let mut forget_key = None;
        let mut modules: Vec<Digest> = Vec::new();
        for log in &logs {
            let (begin, end) = read_log(
                log,
                |begin| match &found {
                    Some((_, before)) => {
                        let mut follows = begin.clone();
                        (follows.after_commit, follows.after, follows.chain) = (before.commit, before.last, before.chain);
                        follows.forget_key = *forget_key.get_or_insert(begin.forget_key);
                        BackupPieces::after(&follows)
                    }
                    None => BackupPieces::default(),
                },
                &mut |_| {},
            )?;
            forget_key.get_or_insert(begin.forget_key);
            modules.extend(end.modules.iter().filter(|module| !modules.contains(module)).copied().collect::<Vec<_>>());
            found = Some((begin.namespace, end));
        }
        let Some((namespace, end)) = found else {
            return Err(refused(format!("there is no backup in {}: name the folder that `retold backup` wrote into", path.display())));
        };
        let modules: Vec<(Digest, PathBuf)> = modules.into_iter().map(|module| (module, path.join(module_file(module)))).collect();
        for (module, file) in &modules {
            let component = fs::read(file).map_err(failed("a module of the backup can't be read", file))?;
            if Digest::of(&component) != *module {
                return Err(refused(format!("{}: it is not the module that its name says; use another copy of it", file.display())));
            }
        }
        Ok(WholeBackup { namespace, end, logs, modules: modules.into_iter().map(|(_, file)| file).collect() })
    }

    /// All of it, as a restore takes it: the stretches, and the modules behind them.
    pub fn into_bytes(self) -> impl Read {
        Bytes { logs: self.logs.into_iter(), modules: self.modules.into_iter(), now: Box::new(io::empty()) }
    }
}

struct Bytes {
    logs: std::vec::IntoIter<PathBuf>,
    modules: std::vec::IntoIter<PathBuf>,
    now: Box<dyn Read>,
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.now.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            self.now = match (self.logs.next(), self.modules.as_slice()) {
                (Some(log), _) => Box::new(File::open(log)?),
                (None, []) => return Ok(0),
                (None, [_, ..]) => match self.modules.next() {
                    Some(module) => Box::new(Cursor::new(module_frame(&fs::read(module)?))),
                    None => return Ok(0),
                },
            };
        }
    }
}
