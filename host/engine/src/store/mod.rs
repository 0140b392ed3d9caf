//! The store: everything that one namespace keeps, in one folder of redb files.
//!
//! `Store` is the one writer: it judges proposals and commits them. `Reader` is handed to everybody
//! else. The log is the truth; every other table says on `tables` who can make it again.

mod append;
mod apply;
mod batch;
mod catalogue;
mod condition;
mod control;
mod create;
mod decide;
mod deploy;
mod disk;
mod error;
mod filter;
mod folder;
mod function;
mod group;
mod history;
mod mirror;
mod open;
#[cfg(test)]
mod open_tests;
mod proposal;
mod react;
mod reader;
mod scan;
mod schemas;
mod seal;
mod segment;
mod shared;
mod snapshot;
mod subject;
mod tables;
mod tail;
mod terms;
#[cfg(test)]
pub mod testing;
mod types;
mod upcasting;
mod verify;
mod view_file;
#[cfg(test)]
mod view_file_tests;
mod view_snapshot;
mod writer;

pub use batch::{Batch, Part, Walk};
pub use catalogue::{Catalogue, NamespaceRow};
pub use decide::check_command;
pub use disk::DiskFolder;
pub use error::StoreError;
pub use folder::{Backend, Folder, Overlay, Space};
pub use function::{FunctionRow, FunctionStatus, ModuleRow, Rebuild};
pub use history::{Step, steps};
pub use open::Options;
pub use proposal::{
    Accepted, Append, Appended, Condition, Control, Decided, Decision, Deploy, Different, Proposal, Reacted, Refused, SubjectSnapshot,
};
pub use reader::Reader;
pub use scan::{Filter, Portion};
pub use schemas::SchemaRow;
pub use seal::{Housekeeping, Sealed};
pub use snapshot::{Parked, ParkedPage, Snapshot};
pub use types::TypeCount;
pub use upcasting::{Upcaster, Upcasting};
pub use verify::Verified;
pub use view_file::{RowRef, RowWrite, ViewFile, ViewOpened, sweep_views, view_file_name};
pub use view_snapshot::ViewSnapshot;
pub use writer::{Changes, Committed, Store};
