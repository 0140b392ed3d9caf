//! The store: everything that one namespace keeps, in one folder of redb files.
//!
//! `Store` is the one writer: it judges proposals and commits them. `Reader` is handed to everybody
//! else. The log is the truth; every other table says on `tables` who can make it again.

mod admitting;
mod affected;
mod append;
mod apply;
mod backup;
mod batch;
mod catalogue;
mod command_places;
mod condition;
mod consumer_file;
#[cfg(test)]
mod consumer_file_tests;
mod control;
mod create;
mod cursor_map;
#[cfg(test)]
mod cursor_map_tests;
mod decide;
mod deletion;
mod deploy;
#[cfg(test)]
mod deploy_tests;
mod disk;
mod error;
mod filter;
mod fingerprint;
mod folder;
mod follow;
#[cfg(test)]
mod follow_tests;
mod forgotten;
mod fork;
#[cfg(test)]
mod fork_tests;
mod former;
mod function;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod group;
mod head;
mod head_of;
mod history;
#[cfg(test)]
mod history_tests;
mod kept;
mod log_of;
mod mirror;
mod mirror_of;
mod namespace_row;
mod open;
mod open_snapshots;
#[cfg(test)]
mod open_tests;
mod outside;
mod own_quota;
mod parked_rows;
mod passed;
mod planted;
mod prepare;
#[cfg(test)]
mod prepare_tests;
mod promote;
mod proposal;
mod react;
mod reader;
mod rebuild;
#[cfg(test)]
mod rebuild_tests;
mod recent;
mod restore;
#[cfg(test)]
mod restore_tests;
mod scan;
mod schemas;
mod seal;
mod segment;
mod shared;
mod slots;
mod snapshot;
mod split;
mod stored_log;
#[cfg(test)]
mod story;
mod subject;
mod switch;
mod tables;
mod tail;
mod terms;
#[cfg(test)]
pub mod testing;
mod token_row;
mod types;
mod unread;
mod upcasting;
#[cfg(test)]
mod upgrade_testing;
mod verify;
mod view_file;
#[cfg(test)]
mod view_file_tests;
mod view_snapshot;
mod writer;

pub use affected::Affected;
pub use backup::{
    BackupBegin, BackupEnd, BackupFrom, BackupPacker, BackupPiece, BackupPieces, BackupStream, FRAME_BYTES_MAX, module_frame,
};
pub use batch::{Batch, Part, Walk};
pub use catalogue::Catalogue;
pub use consumer_file::{ConsumerChange, ConsumerFile, Queued, StoredConsumer};
pub use cursor_map::{CursorMap, Resume, Was, cursor_map_name};
pub use decide::check_command;
pub use disk::{DiskFolder, DiskWaits};
pub use error::StoreError;
pub use fingerprint::Fingerprints;
pub use folder::{Backend, Folder, Overlay, Space};
pub use follow::NextRecord;
pub use fork::{Forked, fork};
pub use former::FormerSpan;
pub use function::{FunctionRow, FunctionStatus, ModuleRow, Rebuild};
pub use history::{Next, Past, Stretch};
pub use kept::Kept;
pub use namespace_row::{NamespaceRow, Previous, Role};
pub use open::{OnRepair, Options};
pub use outside::{
    Attempt, Due, Fate, Fired, Held, HeldOutput, HeldPage, Occurrence, OutboxFilter, OutboxPage, OutboxRow, OutboxState, OutsideCounts,
    PendingRequest, PendingTimer, Replied, Reply, ScheduleRow, TimerPage, Unheld, WaitingPage,
};
pub use own_quota::{Bound, OwnQuota};
pub use passed::Passed;
pub use promote::{NotPromoted, Promoted};
pub use proposal::{
    Accepted, Append, Appended, Condition, Control, Decided, Decision, Deploy, Different, Level, Made as MadeOutput, Prepare, PreparePart,
    Proposal, Reacted, Refused,
};
pub use reader::Reader;
pub use rebuild::{Rebuilt, rebuild};
pub use recent::RecentRecords;
pub use restore::{Effects, RestoreAs, Restored, Until, restore};
pub use scan::{Filter, Portion, Take};
pub use schemas::SchemaRow;
pub use seal::{Housekeeping, Sealed};
pub use snapshot::{Parked, ParkedPage, Snapshot};
pub use token_row::TokenRow;
pub use types::TypeCount;
pub use unread::Unread;
pub use upcasting::{Upcaster, Upcasting};
pub use verify::Verified;
pub use view_file::{Made, RowRef, RowWrite, ViewFile, ViewOpened, sweep_views, view_file_name};
pub use view_snapshot::ViewSnapshot;
pub use writer::{Changes, Committed, Store};

pub use crate::model::SubjectSnapshot;
pub(crate) use group::json_text;
