//! Making a namespace's folder, and opening one: repair, checks, the tail's index.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable};

use super::create::{PASSING, create};
use super::error::StoreError;
use super::folder::{Folder, Space};
use super::forgotten;
use super::function::{FunctionRow, ModuleRow};
use super::head::{self, HEAD, Meta, make_tables, read_meta};
use super::mirror::{Dirty, Mirror, VersionsKept};
use super::outside;
use super::parked_rows;
use super::planted;
use super::schemas;
use super::segment::Segment;
use super::shared::{Shared, View};
use super::slots::Slots;
use super::tables::{self, FILE_FORMAT};
use super::tail::{Indexed, Tail};
use super::terms::TermHasher;
use super::upcasting::Upcasting;
use super::writer::Store;
use crate::model::limits::VERSIONS_KEPT;
use crate::model::{Digest, Position, Record, Timestamp};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory for pages of the head.
    pub cache_bytes: usize,
    /// Drawn at random for a new namespace, each; not used for one that is there.
    pub term_key: [u8; 16],
    pub forget_key: [u8; 16],
    /// Tells a fork from what it is a fork of: they have one term key.
    pub identity: [u8; 16],
    /// Versions of a function that ran and are kept for a rollback, beside the live one. At least 1.
    pub versions_kept: usize,
    /// Whether what tells new ids from known ones is kept in memory, 11 bits for each: where events are appended.
    pub holds_filters: bool,
    pub on_repair: OnRepair,
}

/// Told how far the repair of a head is that was not closed: of 1. All of its pages are looked at, so a large one
/// takes its time.
#[derive(Clone)]
pub struct OnRepair(pub Arc<dyn Fn(f64) + Send + Sync>);

impl Default for OnRepair {
    fn default() -> Self {
        OnRepair(Arc::new(|_| ()))
    }
}

impl fmt::Debug for OnRepair {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("OnRepair")
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cache_bytes: 32 << 20,
            term_key: [0; 16],
            forget_key: [0; 16],
            identity: [0; 16],
            versions_kept: VERSIONS_KEPT,
            holds_filters: true,
            on_repair: OnRepair::default(),
        }
    }
}

impl Store {
    /// Opens the namespace in `folder`, making it if there is none.
    pub fn open(folder: Arc<dyn Folder>, options: &Options) -> Result<Store, StoreError> {
        let names = folder.list().map_err(StoreError::io("the namespace's folder can't be listed"))?;
        if !names.iter().any(|name| name == HEAD) {
            create_head(&*folder, options)?;
        } else {
            // Who made it may have been killed before its name was durable.
            folder.sync().map_err(StoreError::io("the namespace's folder can't be synced"))?;
        }
        let backend = folder.open(HEAD).map_err(StoreError::io("head.redb can't be opened"))?;
        let on_repair = options.on_repair.clone();
        let mut builder = Database::builder();
        builder.set_cache_size(options.cache_bytes).set_repair_callback(move |session| (on_repair.0)(session.progress()));
        let head = builder.create_with_backend(backend).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse("the namespace".into()),
            redb::DatabaseError::UpgradeRequired(found) => {
                StoreError::NewerFormat { file: HEAD.into(), found: u32::from(found), known: FILE_FORMAT }
            }
            other => other.into(),
        })?;
        planted::forget_timers(&head)?;
        let meta = read_meta(&head)?;
        let (keys, segments) = (meta.keys(), open_segments(&*folder, &meta)?);
        remove_leftovers(&*folder, &meta.segments)?;
        let mirror = Mirror { versions_kept: VersionsKept(options.versions_kept), ..read_rows(&head)? };
        let opened = read_tail(&head, &keys.hasher, &segments)?;
        let view = View {
            head: opened.position,
            commit: opened.commit,
            chain: opened.chain,
            recorded: opened.recorded,
            retold: mirror.retold,
            forgotten: mirror.forgotten,
            effects: mirror.effects,
            outside: mirror.outside.clone(),
            segments: Arc::new(segments),
            functions: mirror.functions.clone(),
            modules: mirror.modules.clone(),
            upcasting: mirror.upcasting.clone(),
            schemas: mirror.schemas.clone(),
        };
        let shared = Arc::new(Shared::new(folder, head, keys, view, opened.tail));
        let store = Store::new(shared, mirror, opened.recorded, opened.sealed_rows_left);
        if options.holds_filters {
            store.reader().hold_filters()?;
        }
        Ok(store)
    }
}

fn create_head(folder: &dyn Folder, options: &Options) -> Result<(), StoreError> {
    create(folder, HEAD, Space::Reserved, |backend| {
        let database = Database::builder().set_cache_size(1 << 20).create_with_backend(backend)?;
        let transaction = database.begin_write()?;
        make_tables(&transaction, &Meta::new(options))?;
        Ok(transaction.commit()?)
    })
}

/// Opens the segments, which must follow each other.
fn open_segments(folder: &dyn Folder, meta: &Meta) -> Result<Vec<Arc<Segment>>, StoreError> {
    let mut segments: Vec<Arc<Segment>> = Vec::new();
    for name in &meta.segments {
        let segment = Segment::open(folder, name, meta.caps.get(name).copied())?;
        let (expected, chain) = segments.last().map_or((Position(1), Digest::ZERO), |before| (before.last.next(), before.chain_end));
        if segment.first != expected || segment.chain_before != chain {
            return Err(StoreError::Damaged {
                file: name.clone(),
                position: expected,
                what: "it doesn't follow the segment before it".into(),
            });
        }
        segments.push(Arc::new(segment));
    }
    Ok(segments)
}

/// Removes files that nothing refers to: what a crash left of sealing and merging.
pub fn remove_leftovers(folder: &dyn Folder, segments: &[String]) -> Result<(), StoreError> {
    for name in folder.list().map_err(StoreError::io("the namespace's folder can't be listed"))? {
        let ours = name.ends_with(PASSING) || (name.starts_with("segment-") && !segments.contains(&name));
        if ours {
            folder.remove(&name).map_err(StoreError::io(format!("leftover {name} can't be removed")))?;
        }
    }
    Ok(())
}

fn read_rows(head: &Database) -> Result<Mirror, StoreError> {
    let transaction = head.begin_read()?;
    let malformed = |error| StoreError::derived(HEAD, Position::START)(error);
    let mut modules = BTreeMap::new();
    for row in transaction.open_table(tables::DEPLOYMENTS)?.iter()? {
        let (ordinal, bytes) = row?;
        modules.insert(ordinal.value(), Arc::new(ModuleRow::decode(ordinal.value(), bytes.value()).map_err(malformed)?));
    }
    let mut functions = BTreeMap::new();
    let (cursors, parked) = (transaction.open_table(tables::CURSORS)?, transaction.open_table(tables::PARKED)?);
    for row in transaction.open_table(tables::FUNCTIONS)?.iter()? {
        let (name, bytes) = row?;
        let manifest = |ordinal: u32| {
            modules
                .get(&ordinal)
                .and_then(|module| module.manifest.functions.iter().find(|function| function.name == name.value()).cloned())
        };
        let mut function = FunctionRow::decode(name.value(), bytes.value(), manifest).map_err(malformed)?;
        if let Some(cursor) = cursors.get(function.ordinal)? {
            let (position, epoch) = cursor.value();
            (function.cursor, function.epoch) = (Position(position), epoch);
        }
        (function.parked, function.released) = parked_rows::count(&parked, function.ordinal)?;
        functions.insert(function.name.clone(), Arc::new(function));
    }
    let uploaded = schemas::read(&transaction)?;
    let schemas = Arc::new(schemas::in_force(&uploaded, &modules));
    let upcasting = Arc::new(Upcasting::of(functions.values()));
    let retold = head::retold(&transaction)?;
    let kept = find_identities(&mut functions, &modules, &upcasting);
    let slots = Slots::found(&functions, &transaction.open_table(tables::STATE)?)?;
    Ok(Mirror {
        functions: Arc::new(functions),
        modules: Arc::new(modules),
        upcasting,
        uploaded,
        schemas,
        retold,
        forgotten: forgotten::any(&transaction)?,
        effects: outside::read_effects(&transaction)?,
        outside: Arc::new(outside::read_counts(&transaction)?),
        slots,
        versions_kept: VersionsKept::default(),
        dirty: Dirty { kept, ..Dirty::default() },
    })
}

/// Finds out what rows of format 1 don't tell, and answers which these are. A function that was retired
/// with the upcasters of its module had passed these.
fn find_identities(
    functions: &mut BTreeMap<String, Arc<FunctionRow>>,
    modules: &BTreeMap<u32, Arc<ModuleRow>>,
    upcasting: &Upcasting,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for row in functions.values_mut().filter(|row| row.identity == Digest::ZERO) {
        let own = modules.get(&row.module).map(|module| upcasting.with_candidate(None, module.ordinal, &module.manifest));
        let identity = own.as_ref().unwrap_or(upcasting).identity(row, modules);
        Arc::make_mut(row).identity = identity;
        found.insert(row.name.clone());
    }
    found
}

struct Opened {
    tail: Tail,
    position: Position,
    commit: u64,
    chain: Digest,
    recorded: Timestamp,
    sealed_rows_left: bool,
}

/// Walks the unsealed records: checks the chain and the positions, and indexes the events.
fn read_tail(head: &Database, hasher: &TermHasher, segments: &[Arc<Segment>]) -> Result<Opened, StoreError> {
    let last = segments.last();
    let sealed = last.map_or(Position::START, |segment| segment.last);
    let mut opened = Opened {
        tail: Tail::new(sealed),
        position: sealed,
        commit: last.map_or(0, |segment| segment.commit_last),
        chain: last.map_or(Digest::ZERO, |segment| segment.chain_end),
        recorded: Timestamp::default(),
        sealed_rows_left: false,
    };
    if let Some(segment) = last {
        // Records without events may come after the one of the last event.
        let mut records = segment.records_from(segment.last)?;
        while let Some(record) = records.next()? {
            opened.recorded = opened.recorded.max(record.recorded_last());
        }
    }
    let transaction = head.begin_read()?;
    let ids = planted::ids_known(&transaction)?;
    let upto = planted::last_commit(&transaction)?;
    for row in transaction.open_table(tables::LOG)?.iter()? {
        let (key, bytes) = row?;
        if key.value().1 > upto {
            break;
        }
        if key.value().1 <= last.map_or(0, |segment| segment.commit_last) {
            opened.sealed_rows_left = true;
            continue;
        }
        let position = Position(key.value().0);
        let record = Record::parse(bytes.value().into()).map_err(StoreError::malformed(HEAD, position))?;
        let damaged = |what: &str| StoreError::Damaged { file: HEAD.into(), position, what: what.to_owned() };
        if record.first != opened.position.next() || record.commit != opened.commit + 1 {
            return Err(damaged("a gap in the log"));
        }
        if !record.follows(opened.chain) {
            return Err(damaged("the hash chain is broken"));
        }
        let mut count = 0;
        for event in record.events() {
            let id_hash = hasher.id(event.source, event.id) ^ u64::from(record.commit > ids);
            let entry = Indexed { id_hash, kind: event.kind, r#type: event.r#type, subject: event.subject };
            opened.tail.push(hasher, event.position, entry, event.tags());
            count += 1;
        }
        if count != record.count {
            return Err(damaged("an event can't be read"));
        }
        opened.position = record.last();
        (opened.commit, opened.chain, opened.recorded) = (record.commit, record.chain, opened.recorded.max(record.recorded_last()));
        opened.tail.committed(&[Arc::new(record)]);
    }
    Ok(opened)
}
