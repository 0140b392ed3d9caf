//! A rebuild: all that is derived is made anew out of the log alone, beside what is there, and takes its place with one
//! rename.

use std::collections::BTreeSet;
use std::sync::Arc;

use redb::{Database, WriteTransaction};

use super::create::create;
use super::error::StoreError;
use super::folder::{Backend, Folder, Space};
use super::forgotten;
use super::head::{HEAD, Meta, NOTE};
use super::head_of::{Effects, HeadOf};
use super::log_of::{LogOf, SEALED_PART};
use super::mirror::Mirror;
use super::open::{Options, remove_leftovers};
use super::outside::{OutboxState, RowChange};
use super::scan::Portion;
use super::stored_log::{Beside, Read, StoredLog};
use super::tables;
use super::view_file::{Made, sweep_views};
use crate::model::{Digest, Position};

/// What a rebuild made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// The log's head, its last commit and the end of its chain, which are what they were.
    pub at: Position,
    pub commit: u64,
    pub chain: Digest,
    /// Segments that were made anew, with their indexes.
    pub segments: usize,
    /// Module versions whose code was taken over.
    pub modules: usize,
    /// Functions whose state is made again before they go on.
    pub rebuilding: Vec<String>,
    /// Active modules whose code is not there.
    pub without_code: Vec<String>,
    /// Files of views and of replays under way that are made again when they are wanted.
    pub dropped: Vec<String>,
    /// What no record speaks of and could not be read, in words.
    pub lost: Vec<String>,
}

/// Makes everything in the namespace's folder anew that follows from its log: segments with their indexes and lookup
/// tables, and a head as a restore makes it, so that functions make their state again by replay. Views go, for whoever
/// opens the namespace to fold them again. Identity and keys stay; so does what no record speaks of, as far as it can
/// be read.
///
/// The head takes its place at the end, with one rename: before it everything is as it was, after it everything is new.
/// `Damaged`, where the log itself can't be read: nothing is changed then. `folder` must have a head, and no host.
pub fn rebuild(folder: Arc<dyn Folder>, options: &Options) -> Result<Rebuilt, StoreError> {
    rebuild_in_parts(folder, options, SEALED_PART)
}

/// The same, with segments of about this size.
pub fn rebuild_in_parts(folder: Arc<dyn Folder>, options: &Options, part: Portion) -> Result<Rebuilt, StoreError> {
    let stored = StoredLog::open(folder.clone())?;
    remove_leftovers(&*folder, &stored.meta.segments)?;
    let mut segments = Vec::new();
    let rebuilt = make(&*folder, &stored, options, part, &mut segments);
    let named = if rebuilt.is_ok() { &segments } else { &stored.meta.segments };
    // Best effort: what nobody names is removed at the next open.
    drop(remove_leftovers(&*folder, named));
    rebuilt
}

fn make(
    folder: &dyn Folder,
    stored: &StoredLog,
    options: &Options,
    part: Portion,
    segments: &mut Vec<String>,
) -> Result<Rebuilt, StoreError> {
    let mut log = LogOf::new(folder, stored.meta.keys().hasher, part);
    let read = stored.records(&mut |record| log.take(record))?;
    *segments = log.files();
    let mut rebuilt = Rebuilt::default();
    create(folder, HEAD, Space::Reserved, |backend| {
        rebuilt = write_head(backend, stored, &log, read, options)?;
        for made in [Made::View, Made::Shadow] {
            rebuilt.dropped.extend(sweep_views(folder, made, &BTreeSet::new())?);
        }
        // They are gone before the head is new: what is found beside a new head was made after it.
        folder.sync().map_err(StoreError::io("the folder can't be synced"))
    })?;
    Ok(rebuilt)
}

fn write_head(backend: Backend, stored: &StoredLog, log: &LogOf<'_>, read: Read, options: &Options) -> Result<Rebuilt, StoreError> {
    let database = Database::builder().set_cache_size(options.cache_bytes).create_with_backend(backend)?;
    let transaction = database.begin_write()?;
    let meta = Meta { segments: log.files(), caps: Default::default(), ..stored.meta.clone() };
    let beside = stored.beside();
    // Each request is held until what is known of it says otherwise.
    let mut head = HeadOf::begin(&transaction, &meta, Effects::Held, read.last)?;
    for segment in &log.segments {
        head.take_segment(segment, None)?;
    }
    for record in &log.tail {
        head.copy(record)?;
    }
    head.change(&changes(&beside))?;
    let (taken, mirror, rebuilding) = head.finish()?;
    assert_eq!((taken.at, taken.commit), (read.last, read.commit), "the new head ends elsewhere than the log");
    let (modules, without_code) = copy_components(stored, &mirror, &transaction)?;
    forgotten::write(&transaction, &beside.forgotten)?;
    if let Some(note) = &beside.note {
        transaction.open_table(tables::META)?.insert(NOTE, note.as_slice())?;
    }
    transaction.commit()?;
    let Read { last: at, commit, chain } = read;
    let segments = log.segments.len();
    Ok(Rebuilt { at, commit, chain, segments, modules, rebuilding, without_code, dropped: Vec::new(), lost: beside.lost })
}

/// What the old head says of requests and of effects.
fn changes(beside: &Beside) -> Vec<RowChange> {
    let mut changes = vec![RowChange::Effects { on: beside.effects }];
    for (request, row) in &beside.outbox {
        let (request, row) = (*request, row.clone());
        if row.state == OutboxState::Waiting {
            changes.push(RowChange::Released { request });
        }
        changes.push(RowChange::Attempted { request, attempts: row.attempts, not_before: row.not_before, error: row.error });
    }
    changes
}

/// Takes over the components that are kept. Answers how many, and the active modules that have none.
fn copy_components(stored: &StoredLog, mirror: &Mirror, transaction: &WriteTransaction) -> Result<(usize, Vec<String>), StoreError> {
    let mut table = transaction.open_table(tables::MODULES)?;
    let (mut modules, mut without_code) = (0, Vec::new());
    for module in mirror.modules.values() {
        match stored.component(module.digest) {
            Some(component) => {
                table.insert(module.digest.0.as_slice(), component.as_slice())?;
                modules += 1;
            }
            None if module.active => without_code.push(module.name.clone()),
            None => {}
        }
    }
    Ok((modules, without_code))
}
