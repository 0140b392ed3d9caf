//! A namespace on its way into a backup.

use retold_engine::model::Digest;
use retold_engine::store::{BackupFrom, BackupStream};

use super::super::namespace::Namespace;
use super::super::replay_info::NamespaceRole;
use super::super::types::DriveError;

impl Namespace {
    /// Begins a backup of what came after another one's end, or of everything. Reads the disk.
    pub fn backup(&self, from: Option<(u64, Digest)>) -> Result<BackupStream, DriveError> {
        if let NamespaceRole::Retelling { base } = self.generations().role {
            let what = format!("{} retells {base} and isn't done: back {base} up, or promote it first", self.name());
            return Err(DriveError::Generation { namespace: self.name().to_owned(), what });
        }
        let from = from.map(|(commit, chain)| BackupFrom { commit, chain });
        Ok(self.reader().backup(self.name(), self.generation(), from)?)
    }

    /// The code of a module version, if it is kept.
    pub fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, DriveError> {
        Ok(self.reader().snapshot()?.component(digest)?)
    }

    /// Whether nothing was ever written to it.
    pub fn is_empty(&self) -> bool {
        self.reader().next_record().commit == 1
    }
}
