//! A fork: a new namespace that shares another's history up to a position. Sealed segments are shared as
//! they are; what lies between them and the position is copied.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use redb::{Database, WriteTransaction};

use super::create::create;
use super::error::StoreError;
use super::folder::{Backend, Folder, Space};
use super::forgotten;
use super::head::{HEAD, Meta};
use super::head_of::{Effects, HeadOf, before_decision};
use super::mirror::Mirror;
use super::open::{Options, remove_leftovers};
use super::reader::Reader;
use super::segment::{Cap, Segment};
use super::snapshot::Snapshot;
use super::tables;
use crate::model::{Position, Record};

/// How often a fork begins anew because the base merged segments meanwhile.
const ATTEMPTS: usize = 16;

/// What a fork took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forked {
    /// Its head: where it was asked to part, or before the decision that this would have cut in two.
    pub at: Position,
    pub commit: u64,
    /// Segments that it shares with its base, the last of which may reach beyond it.
    pub segments_linked: usize,
    pub segments_capped: usize,
    pub events_copied: u64,
    /// Records and components.
    pub bytes_copied: u64,
    /// Functions whose state is made again before they go on.
    pub rebuilding: Vec<String>,
}

/// Makes a namespace in `folder` that has the history of `base` up to `at`, whole or not at all; then it
/// is opened like any other. What a fork that didn't come to its end left there is removed. The identity
/// is that of the options; the keys are the base's, as its indexes are made under them.
///
/// Functions stand as the log says: after the last commit that lies wholly at or before `at`. State isn't
/// copied: a function that has some makes it by replay. Its timers don't fire and its requests are held until it
/// is told to have effects.
pub fn fork(base: &Reader, at: Position, folder: Arc<dyn Folder>, options: &Options) -> Result<Forked, StoreError> {
    let names = folder.list().map_err(StoreError::io("the fork's folder can't be listed"))?;
    if names.iter().any(|name| name == HEAD) {
        return Err(StoreError::NotEmpty);
    }
    for _ in 0..ATTEMPTS {
        remove_leftovers(&*folder, &[])?;
        let snapshot = base.snapshot()?;
        if at > snapshot.head() {
            return Err(StoreError::BeyondHead { at, head: snapshot.head() });
        }
        let cut = Cut::of(&snapshot, before_decision(at, &mut |position| snapshot.event(position))?)?;
        match cut.link(&snapshot, &*folder) {
            // A merge took its place: what is shared is looked up again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            linked => linked.map_err(StoreError::io("a segment can't be shared"))?,
        }
        let mut forked = Forked::default();
        create(&*folder, HEAD, Space::Reserved, |backend| {
            forked = cut.write_head(&snapshot, backend, options)?;
            Ok(())
        })?;
        return Ok(forked);
    }
    Err(StoreError::io("the base's segments change too fast")(io::ErrorKind::NotFound.into()))
}

/// Where the two logs part.
struct Cut {
    at: Position,
    /// Shared, oldest first.
    segments: Vec<Arc<Segment>>,
    /// Of the last of them, if it goes on beyond.
    cap: Option<Cap>,
    /// The segment that holds what comes next, and where in its stream; `None`: the head's log does.
    inside: Option<(Arc<Segment>, u64)>,
}

impl Cut {
    fn of(snapshot: &Snapshot, at: Position) -> Result<Cut, StoreError> {
        let all = &snapshot.view.segments;
        let whole = all.partition_point(|segment| segment.last <= at);
        let mut cut = Cut { at, segments: all[..whole].to_vec(), cap: None, inside: None };
        if let Some(segment) = all.get(whole) {
            let cap = segment.border(at)?;
            let mut offset = 0;
            // Records without events are copied rather than to share a segment for them.
            if cap.last >= segment.first {
                offset = cap.stream_bytes;
                cut.segments.push(segment.clone());
                cut.cap = Some(cap);
            }
            cut.inside = Some((segment.clone(), offset));
        }
        Ok(cut)
    }

    /// Shares the segments. Their names are durable before a head can speak of them.
    fn link(&self, snapshot: &Snapshot, folder: &dyn Folder) -> io::Result<()> {
        for segment in &self.segments {
            folder.link(&*snapshot.shared.folder, &segment.file)?;
        }
        folder.sync()
    }

    /// The caps of the fork: those that the base had itself, and the new one.
    fn caps(&self) -> BTreeMap<String, Cap> {
        let of = |segment: &Segment| Cap {
            last: segment.last,
            commit_last: segment.commit_last,
            chain_end: segment.chain_end,
            stream_bytes: segment.stream_bytes,
        };
        let inherited = self.segments.iter().filter(|segment| segment.capped).map(|segment| (segment.file.clone(), of(segment)));
        let new = self.cap.zip(self.segments.last()).map(|(cap, segment)| (segment.file.clone(), cap));
        inherited.chain(new).collect()
    }

    fn write_head(&self, snapshot: &Snapshot, backend: Backend, options: &Options) -> Result<Forked, StoreError> {
        let database = Database::builder().set_cache_size(options.cache_bytes).create_with_backend(backend)?;
        let transaction = database.begin_write()?;
        let caps = self.caps();
        let meta = Meta {
            term_key: snapshot.shared.hasher.key(),
            forget_key: snapshot.shared.forget_key,
            identity: Some(options.identity),
            segments: self.segments.iter().map(|segment| segment.file.clone()).collect(),
            caps: caps.clone(),
        };
        let mut head = HeadOf::begin(&transaction, &meta, Effects::Held, self.at)?;
        for (index, segment) in self.segments.iter().enumerate() {
            head.take_segment(segment, self.cap.filter(|_| index + 1 == self.segments.len()))?;
        }
        self.copy_rest(snapshot, &mut head)?;
        let (taken, mirror, rebuilding) = head.finish()?;
        let components_bytes = copy_components(snapshot, &mirror, &transaction)?;
        copy_forgotten(snapshot, &transaction)?;
        transaction.commit()?;
        Ok(Forked {
            at: taken.at,
            commit: taken.commit,
            segments_linked: self.segments.len(),
            segments_capped: caps.len(),
            events_copied: taken.events_copied,
            bytes_copied: taken.bytes_copied + components_bytes,
            rebuilding,
        })
    }

    /// Copies the records after the shared segments, the last of which is split if it reaches beyond.
    fn copy_rest(&self, snapshot: &Snapshot, head: &mut HeadOf<'_>) -> Result<(), StoreError> {
        let mut copy = |record: &Record| if record.commit > snapshot.commit() { Ok(false) } else { head.copy(record) };
        match &self.inside {
            Some((segment, offset)) => {
                let mut records = segment.stream_at(*offset);
                while let Some(record) = records.next()? {
                    if !copy(&record)? {
                        break;
                    }
                }
                Ok(())
            }
            None => {
                let sealed = self.segments.last().map_or(0, |segment| segment.commit_last);
                snapshot.records(sealed, Position::START, &mut |record| copy(record))
            }
        }
    }
}

/// Copies the components of all module versions that the fork knows of. Answers their bytes.
fn copy_components(snapshot: &Snapshot, mirror: &Mirror, transaction: &WriteTransaction) -> Result<u64, StoreError> {
    let mut table = transaction.open_table(tables::MODULES)?;
    let mut bytes = 0;
    for module in mirror.modules.values() {
        if let Some(component) = snapshot.component(module.digest)? {
            table.insert(module.digest.0.as_slice(), component.as_slice())?;
            bytes += component.len() as u64;
        }
    }
    Ok(bytes)
}

/// What the base has erased stays erased, wherever the fork parts from it.
fn copy_forgotten(snapshot: &Snapshot, transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut hashes = Vec::new();
    snapshot.forgotten(&mut |hash| hashes.push(hash))?;
    forgotten::write(transaction, &hashes)
}
