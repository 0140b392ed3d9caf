//! Backups: a stretch of the log as a stream of frames, written portion by portion while the log goes on, and
//! read with every check before anything is believed.

mod frames;
mod packing;
mod pieces;
mod stream;
#[cfg(test)]
mod tests;

pub use frames::{BackupBegin, BackupEnd, FRAME_BYTES_MAX, module_frame};
pub use packing::BackupPacker;
pub use pieces::{BackupPiece, BackupPieces};
pub use stream::{BackupFrom, BackupStream};
