//! What can go wrong below the judgement of a proposal: the host's own trouble.

use std::sync::Arc;

use crate::model::{Malformed, Position};

/// `Clone`, because one failed commit answers many callers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk failed during a commit: nobody knows what is on it. No more writes until a restart;
    /// reads go on.
    #[error("storage failed; nothing more is written until the host is restarted: {0}")]
    Poisoned(Arc<str>),
    /// No space was left for a commit. Nothing of it was kept. Free space, then restart.
    #[error("the disk is full; nothing more is written until there is space and the host is restarted")]
    Full,
    #[error("storage can't be read: {0}")]
    Disk(Arc<redb::Error>),
    #[error("{what}: {source}")]
    Io { what: String, source: Arc<std::io::Error> },
    /// Another process has the files open.
    #[error("{0} is in use by another host: stop that one first, or choose another --data")]
    InUse(String),
    /// Written by a newer Retold.
    #[error("{file} has format {found}, and this host reads up to {known}: use the newer host that wrote it")]
    NewerFormat { file: String, found: u32, known: u32 },
    /// A commit made elsewhere that isn't the next one here. Nothing of it was taken, nor of those after it.
    #[error("commit {commit} can't be taken: {what}")]
    NotNext { commit: u64, what: String },
    /// A place in the log that isn't there yet.
    #[error("there is no position {at} yet: the head is {head}")]
    BeyondHead { at: Position, head: Position },
    /// A folder that was to be new has a namespace in it.
    #[error("the folder holds a namespace already: choose a new one")]
    NotEmpty,
    /// What was given as a backup isn't one, isn't whole, or doesn't follow what came before it.
    #[error("{0}")]
    Backup(String),
    /// Bytes that no host of ours wrote, or that changed since.
    #[error("{file} is damaged at position {position}: {what}; restore it from a backup")]
    Damaged { file: String, position: Position, what: String },
    /// The same of what follows from the log, and can be made again from it.
    #[error(
        "{file} is damaged at position {position}: {what}; it follows from the log: with the host stopped, `retold rebuild` makes it again"
    )]
    Derived { file: String, position: Position, what: String },
}

impl StoreError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StoreError {
        let what = what.into();
        move |source| StoreError::Io { what, source: Arc::new(source) }
    }

    /// Bytes of a file that don't say what their format promises.
    pub fn malformed(file: &str, position: Position) -> impl FnOnce(Malformed) -> StoreError {
        let file = file.to_owned();
        move |malformed| StoreError::Damaged { file, position, what: malformed.to_string() }
    }

    /// The same where the log has it, too.
    pub(crate) fn derived(file: &str, position: Position) -> impl FnOnce(Malformed) -> StoreError {
        let file = file.to_owned();
        move |malformed| StoreError::Derived { file, position, what: malformed.to_string() }
    }

    /// Whether there was no space for what was to be written.
    pub fn is_for_space(&self) -> bool {
        match self {
            StoreError::Full => true,
            StoreError::Disk(error) => StoreError::is_full(error),
            _ => false,
        }
    }

    /// Whether the disk was full.
    pub(crate) fn is_full(error: &redb::Error) -> bool {
        matches!(error, redb::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull || io.kind() == std::io::ErrorKind::QuotaExceeded)
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        StoreError::Disk(Arc::new(error))
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}

from_redb!(StorageError, TableError, TransactionError, CommitError, DatabaseError, SetDurabilityError);
