//! Backups: of a namespace while it is written, in a folder of files, and back into a host.

mod folder;
mod importing;
mod making;
mod restoring;
mod whole;

pub use folder::BackupFolder;
pub use importing::{BadLine, EXPORT_END, ImportBytes};
pub use restoring::{BackupBytes, RestoreOptions, RestoredNamespace};
pub use whole::WholeBackup;
